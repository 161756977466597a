//! Which kinds of objects have to be looked at: those that some constraint matches, today or after the change.

use gatewright_api::POLICY_GROUP;
use gatewright_gatekeeper::{Matcher, group_and_kind};
use serde_json::Value;

use super::owners::{Key, is_replica_set, makes_pods};
use crate::check::is_gatekeepers;
use crate::cluster::judging::Seen;
use crate::explain::is_exec_guard;

/// The kinds that have to be looked at.
#[derive(Debug)]
pub struct Wanted {
    matchers: Vec<Matcher>,
    /// What ExpansionTemplates make something of: groups and kinds.
    expanded: Vec<(Vec<String>, Vec<String>)>,
}

impl Wanted {
    /// What the constraints of both times match.
    pub fn of(times: [&Seen; 2]) -> Self {
        let constraints = times.iter().flat_map(|seen| &seen.constraints);
        let judging = constraints.filter(|it| !is_exec_guard(it["kind"].as_str().unwrap_or_default()));
        let expansions = times.iter().flat_map(|seen| &seen.expansions);
        let applied = expansions.filter_map(|it| it.pointer("/spec/applyTo")?.as_array()).flatten();
        Self {
            matchers: judging.map(|constraint| Matcher::of_spec(&constraint["spec"])).collect(),
            expanded: applied.map(|to| (texts(&to["groups"]), texts(&to["kinds"]))).collect(),
        }
    }

    /// Whether an object has to be looked at. A ReplicaSet that no constraint matches stands for its Pods where nothing
    /// controls it; otherwise these count for what does.
    pub fn takes(&self, object: &Value, namespaced: bool) -> bool {
        let (group, kind) = group_and_kind(object);
        self.names(group, kind, namespaced)
            || (self.makes_pods(group, kind)
                && (!is_replica_set(group, kind) || Key::controlling(&object["metadata"]).is_none()))
    }

    /// Whether objects of a kind have to be looked at. Controllers are where Pods are: they make these.
    pub fn wants(&self, group: &str, kind: &str, namespaced: bool) -> bool {
        self.names(group, kind, namespaced) || self.makes_pods(group, kind)
    }

    /// Whether a constraint or an `ExpansionTemplate` matches a kind.
    pub fn names(&self, group: &str, kind: &str, namespaced: bool) -> bool {
        // They judge, or are gone before anybody reads the preview.
        let judges = is_gatekeepers(group) || group == POLICY_GROUP;
        if judges || kind == "Event" {
            return false;
        }
        let is = |list: &[String], word: &str| list.iter().any(|entry| entry == "*" || entry == word);
        let matched = |it: &Matcher| it.allows_scope(namespaced) && it.matches_kind(group, kind);
        self.matchers.iter().any(matched)
            || self.expanded.iter().any(|(groups, kinds)| is(groups, group) && is(kinds, kind))
    }

    /// Whether objects of a kind have to be looked at for the Pods that they make.
    fn makes_pods(&self, group: &str, kind: &str) -> bool {
        makes_pods(group, kind) && self.pods()
    }

    /// Whether Pods have to be looked at.
    pub fn pods(&self) -> bool {
        self.matchers.iter().any(|it| it.allows_scope(true) && it.matches_kind("", "Pod"))
    }
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::Wanted;
    use crate::cluster::judging::Seen;
    use serde_json::{Value, json};

    fn wanted(kinds: &Value) -> String {
        let constraint =
            |kind: &str, kinds: &Value| json!({"kind": kind, "spec": {"match": {"kinds": kinds}}});
        let guard = constraint("D8DenyExecHeritage", &json!([{"apiGroups": ["*"], "kinds": ["*"]}]));
        let today = Seen { constraints: vec![guard], ..Seen::default() };
        let expansion = json!({"spec": {"applyTo": [{"groups": ["example.com"], "kinds": ["Widget"]}]}});
        let then = Seen {
            constraints: vec![constraint("Own", kinds)],
            expansions: vec![expansion],
            ..Seen::default()
        };
        let wanted = Wanted::of([&today, &then]);
        let all = [
            ("", "Pod", true),
            ("apps", "Deployment", true),
            ("apps", "ReplicaSet", true),
            ("networking.k8s.io", "Ingress", true),
            ("", "Namespace", false),
            ("example.com", "Widget", true),
            ("", "Event", true),
            ("deckhouse.io", "SecurityPolicy", false),
            ("constraints.gatekeeper.sh", "Own", false),
        ];
        let found = all.iter().filter(|(group, kind, namespaced)| wanted.wants(group, kind, *namespaced));
        found.map(|(_, kind, _)| *kind).collect::<Vec<_>>().join(" ")
    }

    /// A ReplicaSet of a Deployment or a Rollout counts for that, unless a constraint matches ReplicaSets.
    #[test]
    fn a_replica_set_is_looked_at_where_nothing_controls_it() {
        let constraint = |group: &str, kind: &str| {
            let kinds = json!([{"apiGroups": [group], "kinds": [kind]}]);
            let constraints = vec![json!({"kind": "Own", "spec": {"match": {"kinds": kinds}}})];
            Seen { constraints, ..Seen::default() }
        };
        let set = |owners: Value| json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "a", "ownerReferences": owners}});
        let owner = |kind: &str, controller: bool| {
            set(json!([{"apiVersion": "a.io/v1", "kind": kind, "name": "r", "controller": controller}]))
        };
        for (seen, object, expected) in [
            (constraint("", "Pod"), set(json!([])), true),
            (constraint("", "Pod"), owner("Rollout", false), true),
            (constraint("", "Pod"), owner("Rollout", true), false),
            (constraint("apps", "ReplicaSet"), owner("Rollout", true), true),
            (constraint("", "ConfigMap"), set(json!([])), false),
        ] {
            assert_eq!(Wanted::of([&seen, &Seen::default()]).takes(&object, true), expected, "{object}");
        }
    }

    #[test]
    fn only_what_constraints_match_is_looked_at() {
        for (kinds, expected) in [
            (json!([{"apiGroups": [""], "kinds": ["Pod"]}]), "Pod Deployment ReplicaSet Widget"),
            (json!([{"apiGroups": ["networking.k8s.io"], "kinds": ["Ingress"]}]), "Ingress Widget"),
            (json!([{"apiGroups": ["apps"], "kinds": ["Deployment"]}]), "Deployment Widget"),
            (
                json!([{"apiGroups": ["*"], "kinds": ["*"]}]),
                "Pod Deployment ReplicaSet Ingress Namespace Widget",
            ),
        ] {
            assert_eq!(wanted(&kinds), expected, "{kinds}");
        }
    }
}
