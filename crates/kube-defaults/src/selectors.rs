//! Label keys of affinity and spreading terms, which the server merges into the terms' selectors.

use serde_json::{Map, Value, json};

use super::table::visit;

const TERMS: [&str; 5] = [
    "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm",
    "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[]",
    "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm",
    "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[]",
    "spec.topologySpreadConstraints[]",
];

/// Adds, for each key that the Pod has a label for, what the label says to the term's selector.
pub(super) fn from_label_keys(pod: &mut Value) {
    let labels = pod.pointer("/metadata/labels").and_then(Value::as_object).cloned();
    let Some(labels) = labels else { return };
    for path in TERMS {
        visit(pod, path, &mut |term| {
            merge(term, "matchLabelKeys", "In", &labels);
            merge(term, "mismatchLabelKeys", "NotIn", &labels);
        });
    }
}

fn merge(term: &mut Value, keys: &str, operator: &str, labels: &Map<String, Value>) {
    let keys = term.get(keys).and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(selector) = term.get_mut("labelSelector").filter(|selector| selector.is_object()) else {
        return;
    };
    for key in keys.iter().filter_map(Value::as_str) {
        let Some(value) = labels.get(key) else { continue };
        add(selector, json!({"key": key, "operator": operator, "values": [value]}));
    }
}

fn add(selector: &mut Value, requirement: Value) {
    if selector.get("matchExpressions").is_none() {
        selector["matchExpressions"] = json!([]);
    }
    let Some(expressions) = selector["matchExpressions"].as_array_mut() else { return };
    if !expressions.contains(&requirement) {
        expressions.push(requirement);
    }
}
