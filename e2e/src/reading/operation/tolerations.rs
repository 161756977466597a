//! Disallowed tolerations.

use serde_json::Value;

use crate::reading::object::{Object, Pod, items, text, wholes};

/// A toleration is refused if it tolerates at least one taint that a pattern describes.
pub fn refused(patterns: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    let refused = |toleration: &&Value| {
        let by_kubernetes = is_added(&pod, toleration);
        items(patterns).iter().any(|pattern| {
            let names_key = !text(&pattern["key"]).is_empty();
            tolerates_one_of(toleration, pattern) && (names_key || !by_kubernetes)
        })
    };
    wholes(items(&pod.spec["tolerations"]).iter().filter(refused).count())
}

/// In each part the two have a taint in common; what is not said is any.
fn tolerates_one_of(toleration: &Value, pattern: &Value) -> bool {
    let meet = |part: &str| {
        let [one, other] = [toleration, pattern].map(|it| text(&it[part]));
        one.is_empty() || other.is_empty() || one == other
    };
    let any_value = !["", "Equal"].contains(&text(&toleration["operator"]));
    let all_values = pattern["operator"] == "Exists" || !pattern["value"].is_string();
    meet("key")
        && meet("effect")
        && (any_value || all_values || text(&toleration["value"]) == pattern["value"])
}

/// Whether Kubernetes adds such a toleration, to every Pod or to those of a DaemonSet.
fn is_added(pod: &Pod<'_>, toleration: &Value) -> bool {
    let Some(name) = text(&toleration["key"]).strip_prefix("node.kubernetes.io/") else { return false };
    let of_daemon_set = pod.kind == "DaemonSet" || pod.is_controlled_by("apps", "DaemonSet");
    toleration["operator"] == "Exists"
        && match text(&toleration["effect"]) {
            "NoExecute" => ["not-ready", "unreachable"].contains(&name),
            "NoSchedule" => {
                let of_nodes = [
                    "disk-pressure",
                    "memory-pressure",
                    "pid-pressure",
                    "unschedulable",
                    "network-unavailable",
                ];
                of_daemon_set && of_nodes.contains(&name)
            }
            _ => false,
        }
}
