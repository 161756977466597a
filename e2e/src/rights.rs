//! Whether the operator's rights are exactly enough: by the API server's audit log every one is used, and no request asks
//! for more.

use std::collections::BTreeSet;

use gatewright_operator::rbac::{Place, Rule};
use serde::Deserialize;

/// A request, as far as rights are concerned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// The verb.
    pub verb: String,
    /// The API group.
    pub group: String,
    /// The resource, with its subresource.
    pub resource: String,
    /// The namespace; empty for the whole cluster.
    pub namespace: String,
    /// The name; empty for several objects, and for a creation.
    pub name: String,
    /// Whether it was forbidden.
    pub forbidden: bool,
}

/// An event of the audit log.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    user: User,
    #[serde(default)]
    object_ref: Option<Object>,
    #[serde(default)]
    response_status: Code,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Object {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
    api_group: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Code {
    code: u16,
}

/// All requests of a user about resources in a log, each once.
///
/// # Errors
/// A line is not an event of the log.
pub fn asked_by(user: &str, log: &str) -> anyhow::Result<BTreeSet<Asked>> {
    let complete = log.rfind('\n').map_or("", |end| &log[..end]);
    let mut asked = BTreeSet::new();
    for line in complete.lines() {
        let Event { verb, user: of, object_ref, response_status } = serde_json::from_str(line)?;
        let Some(Object { resource, subresource, namespace, name, api_group }) =
            object_ref.filter(|_| of.username == user)
        else {
            continue;
        };
        let resource = if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") };
        let forbidden = response_status.code == 403;
        asked.insert(Asked { verb, group: api_group, resource, namespace, name, forbidden });
    }
    Ok(asked)
}

/// What is wrong with the rules of an operator in the namespace `own` that asked this: rights that were not used, and
/// requests that no rule allows or that were forbidden.
#[must_use]
pub fn problems(rules: &[Rule], own: &str, asked: &BTreeSet<Asked>) -> Vec<String> {
    let mut problems = vec![];
    for (rule, resource, verb) in rules.iter().flat_map(rights) {
        let is_used = |it: &&Asked| {
            it.verb == *verb
                && allows(rule, own, it)
                && (it.resource == *resource || is_rest(rules, rule, it))
        };
        if !asked.iter().any(|it| is_used(&it)) {
            problems.push(format!("unused: {verb} {resource}.{} {:?}", rule.group, rule.names));
        }
    }
    for it in asked {
        if it.forbidden || !rules.iter().any(|rule| allows(rule, own, it)) {
            let word = if it.forbidden { "forbidden" } else { "allowed by no rule" };
            let Asked { verb, group, resource, namespace, name, .. } = it;
            problems.push(format!("{word}: {verb} {resource}.{group} {namespace}/{name}"));
        }
    }
    problems
}

fn rights(rule: &Rule) -> impl Iterator<Item = (&Rule, &String, &'static str)> {
    rule.resources.iter().flat_map(move |resource| rule.verbs.iter().map(move |verb| (rule, resource, *verb)))
}

/// Whether the wildcard of a rule is needed for a request: no other rule allows it.
fn is_rest(rules: &[Rule], rule: &Rule, asked: &Asked) -> bool {
    let names = |other: &Rule| other.group == asked.group && other.resources.contains(&asked.resource);
    rule.resources == ["*"] && !rules.iter().any(names)
}

/// As RBAC judges.
fn allows(rule: &Rule, own: &str, asked: &Asked) -> bool {
    let place = match rule.place {
        Place::Cluster => true,
        Place::Own => asked.namespace == own,
        Place::Default => asked.namespace == "default",
    };
    let wild = |words: &[String]| words == ["*"] && !asked.resource.contains('/');
    place
        && rule.group == asked.group
        && rule.verbs.contains(&asked.verb.as_str())
        && (rule.resources.contains(&asked.resource) || wild(&rule.resources))
        && (rule.names.is_empty() || rule.names.contains(&asked.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "gatewright-system";

    fn rule(
        place: Place,
        group: &'static str,
        resource: &str,
        names: &[&str],
        verbs: &'static [&'static str],
    ) -> Rule {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Rule { place, purpose: "", group, resources: vec![resource.to_owned()], names, verbs }
    }

    fn rules() -> Vec<Rule> {
        vec![
            rule(Place::Cluster, "", "pods", &[], &["list", "watch"]),
            rule(Place::Own, "coordination.k8s.io", "leases", &["gatewright"], &["get"]),
            rule(Place::Default, "events.k8s.io", "events", &[], &["patch"]),
            rule(Place::Cluster, "constraints.gatekeeper.sh", "d8securitypolicy", &[], &["list"]),
            rule(Place::Cluster, "constraints.gatekeeper.sh", "*", &[], &["list"]),
            rule(Place::Cluster, "gatewright.io", "gatewrightstatuses/status", &["cluster"], &["update"]),
        ]
    }

    fn asked(verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> Asked {
        let [verb, group, resource, namespace, name] =
            [verb, group, resource, namespace, name].map(str::to_owned);
        Asked { verb, group, resource, namespace, name, forbidden: false }
    }

    /// One request for each right.
    fn all() -> Vec<Asked> {
        vec![
            asked("list", "", "pods", "", ""),
            asked("watch", "", "pods", "gatekeeper-system", ""),
            asked("get", "coordination.k8s.io", "leases", OWN, "gatewright"),
            asked("patch", "events.k8s.io", "events", "default", "x"),
            asked("list", "constraints.gatekeeper.sh", "d8securitypolicy", "", ""),
            asked("list", "constraints.gatekeeper.sh", "k8srequiredlabels", "", ""),
            asked("update", "gatewright.io", "gatewrightstatuses/status", "", "cluster"),
        ]
    }

    fn found(rules: &[Rule], asked: impl IntoIterator<Item = Asked>) -> Vec<String> {
        problems(rules, OWN, &asked.into_iter().collect())
    }

    #[test]
    fn rules_that_are_exactly_enough_have_no_problem() {
        assert_eq!(found(&rules(), all()), Vec::<String>::new());
    }

    #[test]
    fn a_right_that_nothing_uses_is_one() {
        for (without, expected) in [
            (0, "unused: list pods. []"),
            (2, r#"unused: get leases.coordination.k8s.io ["gatewright"]"#),
            (5, "unused: list *.constraints.gatekeeper.sh []"),
        ] {
            let mut asked = all();
            asked.remove(without);
            assert_eq!(found(&rules(), asked), [expected]);
        }
    }

    #[test]
    fn a_rule_less_leaves_requests_without_one() {
        for (without, expected) in [
            (
                0,
                &["allowed by no rule: list pods. /", "allowed by no rule: watch pods. gatekeeper-system/"][..],
            ),
            (1, &["allowed by no rule: get leases.coordination.k8s.io gatewright-system/gatewright"]),
            (4, &["allowed by no rule: list k8srequiredlabels.constraints.gatekeeper.sh /"]),
        ] {
            let mut rules = rules();
            rules.remove(without);
            assert_eq!(found(&rules, all()), expected);
        }
    }

    #[test]
    fn what_is_elsewhere_or_forbidden_is_one() {
        for (more, says) in [
            (asked("get", "coordination.k8s.io", "leases", "other", "gatewright"), "allowed by no rule"),
            (asked("get", "coordination.k8s.io", "leases", OWN, "another"), "allowed by no rule"),
            (asked("patch", "events.k8s.io", "events", "shop", "x"), "allowed by no rule"),
            (
                asked("list", "constraints.gatekeeper.sh", "d8securitypolicy/status", "", ""),
                "allowed by no rule",
            ),
            (Asked { forbidden: true, ..asked("list", "", "pods", "", "") }, "forbidden: list pods"),
        ] {
            let problems = found(&rules(), all().into_iter().chain([more]));
            assert!(problems.len() == 1 && problems[0].starts_with(says), "{problems:?}");
        }
    }

    #[test]
    fn requests_are_read_from_the_log() {
        let event =
            |user: &str, rest: &str| format!(r#"{{"user": {{"username": "{user}"}}, "verb": "get"{rest}}}"#);
        let pod =
            r#", "objectRef": {"resource": "pods", "subresource": "status", "namespace": "a", "name": "b"}"#;
        let log = [
            event("us", pod),
            event("us", &format!(r#"{pod}, "responseStatus": {{"code": 403}}"#)),
            event("others", pod),
            // Not about a resource: discovery.
            event("us", ""),
            "{\"cut".to_owned(),
        ];
        let found = asked_by("us", &log.join("\n")).unwrap();
        let expected = asked("get", "", "pods/status", "a", "b");
        assert_eq!(found, [expected.clone(), Asked { forbidden: true, ..expected }].into());
    }
}
