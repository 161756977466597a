//! Whom an object counts for: a Pod for what made it, a Job of a CronJob for that.

use std::collections::HashMap;

use gatewright_gatekeeper::group_and_kind;
use gatewright_rules::kinds::CONTROLLERS;
use serde_json::Value;

/// An object that others count for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace; empty outside namespaces.
    pub namespace: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
}

/// How many steps lead from a Pod to its top owner at most: Job, CronJob.
const STEPS: usize = 4;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl Key {
    /// The object itself.
    pub fn of(object: &Value) -> Self {
        let (group, kind) = group_and_kind(object);
        let metadata = &object["metadata"];
        Self {
            namespace: text(&metadata["namespace"]).to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            name: text(&metadata["name"]).to_owned(),
        }
    }

    /// What controls an object of these metadata. A Pod that a node runs by itself has no such owner.
    pub fn controlling(metadata: &Value) -> Option<Self> {
        let owners = metadata["ownerReferences"].as_array()?;
        let owner = owners.iter().find(|owner| owner["controller"] == true)?;
        let api_version = text(&owner["apiVersion"]);
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let is_node = group.is_empty() && owner["kind"] == "Node";
        (!is_node).then(|| Self {
            namespace: text(&metadata["namespace"]).to_owned(),
            group: group.to_owned(),
            kind: text(&owner["kind"]).to_owned(),
            name: text(&owner["name"]).to_owned(),
        })
    }

    /// Whether it is one of Kubernetes' controllers, which stand for their Pods.
    pub fn is_controller(&self) -> bool {
        makes_pods(&self.group, &self.kind)
    }

    /// Whether it is a Pod.
    pub fn is_pod(&self) -> bool {
        self.group.is_empty() && self.kind == "Pod"
    }

    /// Whether it is of this kind.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }
}

/// Whether objects of a kind make Pods, as `check` judges them: a ReplicaSet for its Pods alone.
pub fn makes_pods(group: &str, kind: &str) -> bool {
    let controls = CONTROLLERS.iter().any(|one| one.group == group && one.kind == kind);
    controls || is_replica_set(group, kind)
}

/// Whether it is the kind that most often counts for another: for its Deployment.
pub fn is_replica_set(group: &str, kind: &str) -> bool {
    (group, kind) == ("apps", "ReplicaSet")
}

/// Who controls whom between Pods and those that stand for them.
#[derive(Debug, Default)]
pub struct Families(HashMap<Key, Key>);

impl Families {
    /// Learns who controls an object.
    pub fn learn(&mut self, key: Key, metadata: &Value) {
        if let Some(owner) = Key::controlling(metadata) {
            self.0.insert(key, owner);
        }
    }

    /// Whom a Pod counts for; itself if nobody controls it.
    pub fn top(&self, pod: &Value) -> Key {
        let Some(mut top) = Key::controlling(&pod["metadata"]) else { return Key::of(pod) };
        for _ in 0..STEPS {
            match self.0.get(&top) {
                Some(owner) => top = owner.clone(),
                None => break,
            }
        }
        top
    }
}

/// Whether it is what a controller makes on the way to its Pods: a Job of a CronJob, a ReplicaSet of a Deployment. It
/// counts for that.
pub fn is_of_controller(object: &Value) -> bool {
    let key = Key::of(object);
    (key.is("batch", "Job") || key.is("apps", "ReplicaSet"))
        && Key::controlling(&object["metadata"]).is_some_and(|owner| owner.is_controller())
}

/// Whether an object is over: it makes no Pod any more, and is none that runs.
pub fn is_over(object: &Value) -> bool {
    let status = &object["status"];
    let ended = |condition: &Value| {
        matches!(text(&condition["type"]), "Complete" | "Failed") && condition["status"] == "True"
    };
    let key = Key::of(object);
    let finished = match () {
        () if key.is_pod() => matches!(text(&status["phase"]), "Succeeded" | "Failed"),
        () if key.is("batch", "Job") => {
            status["conditions"].as_array().is_some_and(|all| all.iter().any(ended))
        }
        () => false,
    };
    finished || !object["metadata"]["deletionTimestamp"].is_null()
}

#[cfg(test)]
mod tests {
    use super::{Families, Key, is_of_controller, is_over};
    use serde_json::{Value, json};

    fn owned(api_version: &str, kind: &str, name: &str, by: Option<(&str, &str, &str)>) -> Value {
        let owner = by.map(|(api_version, kind, name)| {
            json!({"apiVersion": api_version, "kind": kind, "name": name, "controller": true})
        });
        let owners: Vec<_> = owner.into_iter().collect();
        json!({"apiVersion": api_version, "kind": kind,
            "metadata": {"namespace": "shop", "name": name, "ownerReferences": owners}})
    }

    #[test]
    fn pods_count_for_their_top_owner() {
        let mut families = Families::default();
        for (object, by) in [
            (("apps/v1", "ReplicaSet", "web-1"), ("apps/v1", "Deployment", "web")),
            (("batch/v1", "Job", "night-1"), ("batch/v1", "CronJob", "night")),
            (("apps/v1", "ReplicaSet", "roll-1"), ("argoproj.io/v1alpha1", "Rollout", "roll")),
        ] {
            let object = owned(object.0, object.1, object.2, Some(by));
            families.learn(Key::of(&object), &object["metadata"]);
        }
        for (by, expected) in [
            (None, "/Pod/p"),
            (Some(("v1", "Node", "n1")), "/Pod/p"),
            (Some(("apps/v1", "ReplicaSet", "web-1")), "apps/Deployment/web"),
            (Some(("apps/v1", "ReplicaSet", "alone")), "apps/ReplicaSet/alone"),
            (Some(("apps/v1", "ReplicaSet", "roll-1")), "argoproj.io/Rollout/roll"),
            (Some(("batch/v1", "Job", "night-1")), "batch/CronJob/night"),
            (Some(("batch/v1", "Job", "once")), "batch/Job/once"),
            (Some(("apps/v1", "DaemonSet", "agent")), "apps/DaemonSet/agent"),
            (Some(("example.com/v1", "Widget", "w")), "example.com/Widget/w"),
        ] {
            let Key { namespace, group, kind, name } = families.top(&owned("v1", "Pod", "p", by));
            assert_eq!((namespace.as_str(), format!("{group}/{kind}/{name}").as_str()), ("shop", expected));
        }
    }

    #[test]
    fn owners_that_go_round_in_a_circle_end() {
        let mut families = Families::default();
        let object = owned("a/v1", "A", "a", Some(("a/v1", "A", "a")));
        families.learn(Key::of(&object), &object["metadata"]);
        assert_eq!(families.top(&owned("v1", "Pod", "p", Some(("a/v1", "A", "a")))).name, "a");
    }

    #[test]
    fn what_counts_for_another_and_what_is_over_are_known() {
        let job = |by| owned("batch/v1", "Job", "j", by);
        let set = |by| owned("apps/v1", "ReplicaSet", "s", by);
        for (object, expected) in [
            (job(Some(("batch/v1", "CronJob", "c"))), true),
            (job(Some(("example.com/v1", "CronJob", "c"))), false),
            (job(None), false),
            (set(Some(("apps/v1", "Deployment", "d"))), true),
            (set(Some(("argoproj.io/v1alpha1", "Rollout", "r"))), false),
            (owned("v1", "Service", "s", Some(("apps/v1", "Deployment", "d"))), false),
        ] {
            assert_eq!(is_of_controller(&object), expected, "{object}");
        }
        let condition = |of: &str, status: &str| json!({"conditions": [{"type": of, "status": status}]});
        for (kind, status, over) in [
            ("Job", condition("Complete", "True"), true),
            ("Job", condition("Failed", "True"), true),
            ("Job", condition("Failed", "False"), false),
            ("Job", condition("Suspended", "True"), false),
            ("Job", json!({}), false),
        ] {
            let mut object = owned("batch/v1", kind, "j", None);
            object["status"] = status;
            assert_eq!(is_over(&object), over, "{object}");
        }
        for (phase, over) in [("Running", false), ("Pending", false), ("Succeeded", true), ("Failed", true)] {
            let mut pod = owned("v1", "Pod", "p", None);
            pod["status"] = json!({"phase": phase});
            assert_eq!(is_over(&pod), over, "{phase}");
        }
        let mut leaving = owned("apps/v1", "Deployment", "d", None);
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert!(is_over(&leaving));
    }
}
