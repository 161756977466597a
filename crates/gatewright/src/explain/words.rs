//! Why a constraint does not apply, in the words of who wrote it.

use gatewright_engine::NotApplied;
use gatewright_gatekeeper::{MatchField, NamespaceGlob, WhyNot};
use gatewright_rules::kinds::CONTROLLERS;

use super::document::Because;

/// How many alternatives are listed before the rest is counted.
const LISTED: usize = 5;

/// Whose words are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// Those of a policy, with what it has in `excludeNames`; none where that is not known.
    Policy(Option<Vec<String>>),
    /// Those of the standards, which the settings keep from system namespaces.
    Standards,
    /// Those of Gatekeeper.
    Others,
}

impl Because {
    /// A reason with its sentence.
    pub fn new(field: &str, wants: &str, has: &str, text: String) -> Self {
        Self { field: field.to_owned(), wants: wants.into(), has: has.into(), text: text.into() }
    }
}

/// The reason, for an object of a namespace that is done something with.
pub fn because(not_applied: &NotApplied, author: &Author, namespace: &str, operation: &str) -> Because {
    match not_applied {
        NotApplied::Match(why) => of_match(why, author, namespace),
        NotApplied::Operations(judged) => {
            let judged: Vec<_> = judged.iter().map(|it| it.name().to_owned()).collect();
            let judged = listed(&judged, " and ");
            let text = format!("judges {judged}, not {operation}");
            Because::new("operation", &judged, operation, text)
        }
        NotApplied::Elsewhere => {
            let text = "its enforcement points are not the webhook's".to_owned();
            Because::new("enforcementPoint", "other enforcement points", "validation.gatekeeper.sh", text)
        }
        NotApplied::Unknown => {
            Because::new("constraint", "a constraint that can be used", "", "it cannot be used".to_owned())
        }
    }
}

/// What chose an object, in the words of who wrote it.
pub fn chosen(by: &WhyNot, author: &Author) -> Because {
    let WhyNot { field, wants, has } = by;
    let name = if *author == Author::Others { field.name() } else { field.of_policy() };
    let wants = listed(wants, " or ");
    let text = format!("{name} {wants}");
    Because::new(name, &wants, has, text)
}

fn of_match(why: &WhyNot, author: &Author, namespace: &str) -> Because {
    let WhyNot { field, wants, has } = why;
    let name = if *author == Author::Others { field.name() } else { field.of_policy() };
    match field {
        MatchField::Kinds => {
            let wants = listed(&with_controllers(wants), " and ");
            let text = format!("judges {wants}, not {has}");
            Because::new(name, &wants, has, text)
        }
        MatchField::Scope => {
            let wants = listed(wants, " and ");
            Because::new(name, &wants, has, format!("judges {wants}, not {has}"))
        }
        MatchField::ExcludedNamespaces => excluded(name, wants, has, author),
        MatchField::Namespaces => {
            let wants = listed(wants, " or ");
            Because::new(name, &wants, has, format!("{name} wants {wants}, the namespace is {has}"))
        }
        MatchField::NamespaceSelector => {
            let wants = listed(wants, " or ");
            Because::new(name, &wants, has, format!("{name} wants {wants}, namespace {namespace} has {has}"))
        }
        MatchField::LabelSelector => {
            let wants = listed(wants, " or ");
            Because::new(name, &wants, has, format!("{name} wants {wants}, the object has {has}"))
        }
        MatchField::Name | MatchField::Source => {
            let wants = listed(wants, " or ");
            Because::new(name, &wants, has, format!("{name} wants {wants}, it is {has}"))
        }
    }
}

/// A namespace that is left out: by the policy itself, or because it is a system namespace, which the policy does not name.
fn excluded(name: &str, patterns: &[String], namespace: &str, author: &Author) -> Because {
    let reach = match author {
        Author::Policy(Some(own)) if !own.iter().any(|it| NamespaceGlob::new(it).matches(namespace)) => {
            "a policy reaches it only by an entry of matchNames that names it"
        }
        Author::Standards => "the standards do not reach it",
        Author::Policy(_) | Author::Others => {
            let pattern = listed(patterns, " or ");
            let text = format!("{name} leaves out {pattern}, the namespace is {namespace}");
            return Because::new(name, &format!("not {pattern}"), namespace, text);
        }
    };
    let text = format!("namespace {namespace} is a system namespace: {reach}");
    Because::new("systemNamespaces", "no system namespace", namespace, text)
}

/// Pods and all controllers in short.
fn with_controllers(kinds: &[String]) -> Vec<String> {
    let plurals: Vec<_> = CONTROLLERS.iter().map(|kind| format!("{}s", kind.kind)).collect();
    if !plurals.iter().all(|plural| kinds.contains(plural)) {
        return kinds.to_vec();
    }
    let others = kinds.iter().filter(|kind| *kind != "Pods" && !plurals.contains(kind)).cloned();
    let pods = kinds.iter().filter(|kind| *kind == "Pods").cloned();
    pods.chain(["controllers".to_owned()]).chain(others).collect()
}

/// A list as people write it, cut where it is long.
fn listed(texts: &[String], last: &str) -> String {
    match texts {
        [] => String::new(),
        [one] => one.clone(),
        many if many.len() > LISTED => {
            format!("{}{last}{} more", many[..LISTED].join(", "), many.len() - LISTED)
        }
        [others @ .., end] => format!("{}{last}{end}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Author, because, chosen};
    use gatewright_engine::NotApplied;
    use gatewright_gatekeeper::{MatchField, Operation, WhyNot};

    fn said(field: MatchField, wants: &[&str], has: &str, author: &Author) -> String {
        let wants = wants.iter().map(|it| (*it).to_owned()).collect();
        let not_applied = NotApplied::Match(WhyNot { field, wants, has: has.to_owned() });
        let because = because(&not_applied, author, "shop", "CREATE");
        format!("{} | {}", because.field, because.text)
    }

    #[test]
    fn each_reason_is_said_in_the_words_of_the_author() {
        let policy = Author::Policy(Some(vec!["shop-*".to_owned()]));
        let all = [
            "ReplicationControllers",
            "DaemonSets",
            "Deployments",
            "StatefulSets",
            "Pods",
            "CronJobs",
            "Jobs",
        ];
        for (field, wants, has, author, expected) in [
            (
                MatchField::Kinds,
                &all[..],
                "ConfigMaps",
                &policy,
                "kinds | judges Pods and controllers, not ConfigMaps",
            ),
            (
                MatchField::Kinds,
                &["Services", "Ingresses", "Pods"],
                "ConfigMaps",
                &policy,
                "kinds | judges Services, Ingresses and Pods, not ConfigMaps",
            ),
            (
                MatchField::Namespaces,
                &["a", "b-*"],
                "shop",
                &policy,
                "namespaceSelector.matchNames | namespaceSelector.matchNames wants a or b-*, the namespace is shop",
            ),
            (
                MatchField::Namespaces,
                &["a"],
                "shop",
                &Author::Others,
                "namespaces | namespaces wants a, the namespace is shop",
            ),
            (
                MatchField::Namespaces,
                &["a", "b", "c", "d", "e", "f", "g"],
                "shop",
                &Author::Others,
                "namespaces | namespaces wants a, b, c, d, e or 2 more, the namespace is shop",
            ),
            (
                MatchField::ExcludedNamespaces,
                &["shop-*"],
                "shop-test",
                &policy,
                "namespaceSelector.excludeNames | namespaceSelector.excludeNames leaves out shop-*, the namespace is shop-test",
            ),
            (
                MatchField::ExcludedNamespaces,
                &["kube-system"],
                "kube-system",
                &policy,
                "systemNamespaces | namespace kube-system is a system namespace: a policy reaches it only by an entry of \
                 matchNames that names it",
            ),
            (
                MatchField::ExcludedNamespaces,
                &["kube-system"],
                "kube-system",
                &Author::Standards,
                "systemNamespaces | namespace kube-system is a system namespace: the standards do not reach it",
            ),
            (
                MatchField::ExcludedNamespaces,
                &["kube-*"],
                "kube-system",
                &Author::Others,
                "excludedNamespaces | excludedNamespaces leaves out kube-*, the namespace is kube-system",
            ),
            (
                MatchField::NamespaceSelector,
                &["tier=pci"],
                "tier=web",
                &policy,
                "namespaceSelector.labelSelector | namespaceSelector.labelSelector wants tier=pci, namespace shop has tier=web",
            ),
            (
                MatchField::LabelSelector,
                &["app=db"],
                "no label app",
                &policy,
                "labelSelector | labelSelector wants app=db, the object has no label app",
            ),
            (MatchField::Name, &["db-*"], "web", &Author::Others, "name | name wants db-*, it is web"),
            (
                MatchField::Scope,
                &["objects in namespaces"],
                "objects outside of namespaces",
                &policy,
                "scope | judges objects in namespaces, not objects outside of namespaces",
            ),
        ] {
            assert_eq!(said(field, wants, has, author), expected);
        }
    }

    #[test]
    fn what_chose_an_object_is_said() {
        let by = WhyNot {
            field: MatchField::NamespaceSelector,
            wants: vec!["tier!=pci".to_owned()],
            has: "no label tier".to_owned(),
        };
        for (author, expected) in [
            (Author::Policy(None), "namespaceSelector.labelSelector tier!=pci"),
            (Author::Others, "namespaceSelector tier!=pci"),
        ] {
            assert_eq!(chosen(&by, &author).text.raw(), expected);
        }
    }

    #[test]
    fn what_is_not_in_match_has_a_reason_too() {
        for (not_applied, expected) in [
            (
                NotApplied::Operations(vec![Operation::Connect, Operation::Delete]),
                "judges CONNECT and DELETE, not CREATE",
            ),
            (NotApplied::Elsewhere, "its enforcement points are not the webhook's"),
        ] {
            assert_eq!(because(&not_applied, &Author::Others, "shop", "CREATE").text.raw(), expected);
        }
    }
}
