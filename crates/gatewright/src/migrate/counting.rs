//! Which objects count, and for whom: a Pod for what made it, as `preview` has it.

use std::collections::{BTreeSet, HashSet};

use gatewright_compiler::Settings;
use gatewright_rules::kinds::CONTROLLERS;
use serde_json::Value;

use super::names::Names;
use super::source::Found;
use super::{Source, Sources, deckhouse, trial};
use crate::preview::owners::{Families, Key, is_over};

/// Which objects count, and for whom.
#[derive(Debug, Default)]
pub struct Counting {
    /// The kinds that policies and standards look at, with their groups.
    kinds: BTreeSet<(String, String)>,
    families: Families,
    /// Controllers that are judged themselves.
    controllers: HashSet<Key>,
}

/// Whether a controller made objects of this kind on the way to its Pods.
fn is_made(key: &Key) -> bool {
    key.is_pod() || key.is("apps", "ReplicaSet") || key.is("batch", "Job")
}

impl Counting {
    /// Takes the kinds that the policies of what was found look at; and Pods and controllers, which standards and labels
    /// are about.
    pub fn of(found: &Found, sources: Sources, settings: &Settings) -> Self {
        let mut kinds = BTreeSet::new();
        if sources.has(Source::Psa) || sources.has(Source::Deckhouse) {
            kinds.insert((String::new(), "Pod".to_owned()));
            kinds.extend(CONTROLLERS.iter().map(|it| (it.group.to_string(), it.kind.to_string())));
        }
        if sources.has(Source::Deckhouse) {
            let examination = deckhouse::examine(found, settings, &mut Names::of(found));
            let tried = examination.tried.iter().enumerate();
            let constraints = tried.filter_map(|(at, one)| trial::constraint(at, one, settings));
            constraints.for_each(|constraint| kinds.extend(kinds_of(&constraint.value())));
        }
        Self { kinds, ..Self::default() }
    }

    /// Whether Pods count.
    pub fn looks_at_pods(&self) -> bool {
        self.kinds.contains(&(String::new(), "Pod".to_owned()))
    }

    /// The kinds to look at, Pods last: what makes Pods is known by then.
    pub fn kinds(&self) -> Vec<(String, String)> {
        let is_pod = |(group, kind): &&(String, String)| group.is_empty() && kind == "Pod";
        let others = self.kinds.iter().filter(|kind| !is_pod(kind));
        others.chain(self.kinds.iter().filter(is_pod)).cloned().collect()
    }

    /// Learns of an object whom it counts for, or that others count for it.
    pub fn learn(&mut self, object: &Value) {
        let key = Key::of(object);
        if key.is_controller() && self.looks_at(&key) && !is_over(object) {
            self.controllers.insert(key.clone());
        }
        if is_made(&key) && !key.is_pod() {
            self.families.learn(key, &object["metadata"]);
        }
    }

    fn looks_at(&self, key: &Key) -> bool {
        self.kinds.contains(&(key.group.clone(), key.kind.clone()))
    }

    /// Whom an object counts for: itself, or what made it. None if it does not count, because nothing looks at it, because
    /// it is over, or because a controller that made it is judged.
    pub fn owner(&self, object: &Value) -> Option<Key> {
        let key = Key::of(object);
        if !self.looks_at(&key) || is_over(object) {
            return None;
        }
        if !is_made(&key) {
            return Some(key);
        }
        let top = self.families.top(object);
        let by = Key::controlling(&object["metadata"]);
        let judged = by.into_iter().chain((top != key).then(|| top.clone()));
        let is_judged = judged.into_iter().any(|owner| self.controllers.contains(&owner));
        (!is_judged).then_some(top)
    }
}

fn kinds_of(constraint: &Value) -> Vec<(String, String)> {
    let matched = constraint["spec"]["match"]["kinds"].as_array();
    let texts = |of: &Value, field: &str| -> Vec<String> {
        of[field].as_array().into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned)).collect()
    };
    let mut kinds = vec![];
    for of in matched.into_iter().flatten() {
        for group in texts(of, "apiGroups") {
            kinds.extend(texts(of, "kinds").into_iter().map(|kind| (group.clone(), kind)));
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use gatewright_compiler::Settings;
    use serde_json::{Value, json};

    use super::{Counting, Found, Source, Sources};

    fn owned(api_version: &str, kind: &str, name: &str, by: &[(&str, &str, &str)]) -> Value {
        let owner = |(api_version, kind, name): &(&str, &str, &str)| json!({"apiVersion": api_version, "kind": kind, "name": name, "controller": true});
        let owners: Vec<_> = by.iter().map(owner).collect();
        json!({"apiVersion": api_version, "kind": kind,
               "metadata": {"namespace": "shop", "name": name, "ownerReferences": owners}})
    }

    /// Whether an object counts for itself, for another, or not at all.
    #[test]
    fn what_controllers_made_counts_for_them() {
        let settings = Settings::from_yaml("", "gatewright-system").unwrap();
        let found = Found::default();
        let mut counting = Counting::of(&found, Sources(Some(Source::Psa)), &settings);
        let rollout = ("argoproj.io/v1alpha1", "Rollout", "roll");
        let mut over = owned("batch/v1", "Job", "over", &[]);
        over["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        for object in [
            owned("apps/v1", "Deployment", "web", &[]),
            owned("apps/v1", "ReplicaSet", "web-1", &[("apps/v1", "Deployment", "web")]),
            owned("apps/v1", "ReplicaSet", "roll-1", &[rollout]),
            owned("apps/v1", "ReplicaSet", "gone-1", &[("apps/v1", "Deployment", "gone")]),
            owned("batch/v1", "CronJob", "night", &[]),
            owned("batch/v1", "Job", "night-1", &[("batch/v1", "CronJob", "night")]),
        ] {
            counting.learn(&object);
        }
        let pod =
            |kind: &'static str, api_version, name| owned("v1", "Pod", "p", &[(api_version, kind, name)]);
        for (object, expected) in [
            (owned("apps/v1", "Deployment", "web", &[]), Some("Deployment/web")),
            (owned("apps/v1", "Deployment", "web", &[("a/v1", "App", "shop")]), Some("Deployment/web")),
            (owned("v1", "Pod", "p", &[]), Some("Pod/p")),
            (pod("ReplicaSet", "apps/v1", "web-1"), None),
            (pod("ReplicaSet", "apps/v1", "roll-1"), Some("Rollout/roll")),
            (pod("ReplicaSet", "apps/v1", "gone-1"), Some("Deployment/gone")),
            (pod("ReplicaSet", "apps/v1", "alone"), Some("ReplicaSet/alone")),
            (pod("Job", "batch/v1", "night-1"), None),
            (pod("Widget", "a/v1", "w"), Some("Widget/w")),
            (owned("batch/v1", "Job", "night-1", &[("batch/v1", "CronJob", "night")]), None),
            (owned("batch/v1", "Job", "once", &[]), Some("Job/once")),
            (over, None),
            // No standard looks at these.
            (owned("apps/v1", "ReplicaSet", "alone", &[]), None),
            (owned("v1", "ConfigMap", "c", &[]), None),
        ] {
            let owner = counting.owner(&object).map(|key| format!("{}/{}", key.kind, key.name));
            assert_eq!(owner.as_deref(), expected, "{object}");
        }
    }
}
