//! `spec.match` → `match` of the constraint, with the system namespaces kept out.

use gatewright_api::text::NamespacePattern;
use gatewright_api::{LabelSelector, List, Match, NamespaceSelector};
use gatewright_gatekeeper::{self as gatekeeper, NamespaceGlob};
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;

use crate::Settings;
use crate::problem::Problem;

/// The `match` of the constraint, but for its kinds.
pub(crate) fn matcher(policy: &Match, settings: &Settings, problems: &mut Vec<Problem>) -> gatekeeper::Match {
    let selector = policy.namespace_selector.value();
    problems.extend(empty_parts(policy));
    let named = selector.and_then(|selector| selector.match_names.value()).map(texts).unwrap_or_default();
    let excluded =
        selector.and_then(|selector| selector.exclude_names.value()).map(texts).unwrap_or_default();
    let mut excluded_namespaces = match system_exclusions(&named, settings) {
        Ok(system) => system,
        Err(problem) => {
            problems.push(problem);
            problems.extend(own_names(&named, settings).skip(1));
            vec![]
        }
    };
    excluded_namespaces.extend(excluded);
    let labels = |selector: &LabelSelector| meta::LabelSelector::from(selector);
    gatekeeper::Match {
        kinds: vec![],
        scope: "Namespaced",
        namespaces: named,
        excluded_namespaces: without_repetition(excluded_namespaces),
        namespace_selector: selector.and_then(|selector| selector.label_selector.value()).map(labels),
        label_selector: policy.label_selector.value().map(labels),
    }
}

/// The name of the namespace whose Pods a cluster cannot do without.
const KUBE_SYSTEM: &str = "kube-system";

/// A note about a policy that names `kube-system`, where Pods that cannot start may take the cluster down.
pub(crate) fn reaches_kube_system(matcher: &gatekeeper::Match) -> Option<String> {
    let named = matcher.namespaces.iter().any(|name| name == KUBE_SYSTEM);
    let excluded =
        matcher.excluded_namespaces.iter().any(|glob| NamespaceGlob::new(glob).matches(KUBE_SYSTEM));
    (named && !excluded).then(|| {
        format!(
            "the policy names {KUBE_SYSTEM}: if the verifier or a registry fails, Pods that the cluster itself needs are \
             refused"
        )
    })
}

/// The namespaces that the standards never reach.
pub(crate) fn system(settings: &Settings) -> Vec<String> {
    let own = [&settings.gatekeeper_namespace, &settings.operator_namespace];
    without_repetition(settings.system_namespaces.iter().chain(own).cloned().collect())
}

/// Whether a namespace is one that no standard reaches.
#[must_use]
pub fn is_system_namespace(name: &str, settings: &Settings) -> bool {
    system(settings).iter().any(|pattern| NamespaceGlob::new(pattern).matches(name))
}

fn texts(patterns: &List<NamespacePattern>) -> Vec<String> {
    patterns.iter().map(ToString::to_string).collect()
}

fn without_repetition(names: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

/// To Gatekeeper an empty part means everything. The CRD refuses it; so does this, for what comes from a file.
fn empty_parts(policy: &Match) -> Vec<Problem> {
    let nothing = policy.namespace_selector.value().is_none() && policy.label_selector.value().is_none();
    let mut empty = vec![];
    if nothing {
        empty.push(Problem::new(
            "spec.match",
            "selects nothing: give namespaceSelector, labelSelector or both",
        ));
    }
    if policy.label_selector.value().is_some_and(is_empty) {
        empty.push(empty_part("spec.match.labelSelector"));
    }
    if let Some(selector) = policy.namespace_selector.value() {
        empty.extend(empty_namespace_parts(selector));
    }
    empty
}

fn empty_namespace_parts(selector: &NamespaceSelector) -> Vec<Problem> {
    let NamespaceSelector { match_names, exclude_names, label_selector } = selector;
    let path = "spec.match.namespaceSelector";
    let nothing = match_names.is_absent() && exclude_names.is_absent() && label_selector.is_absent();
    let parts = [
        (nothing, path.to_owned()),
        (match_names.value().is_some_and(|names| names.is_empty()), format!("{path}.matchNames")),
        (exclude_names.value().is_some_and(|names| names.is_empty()), format!("{path}.excludeNames")),
        (label_selector.value().is_some_and(is_empty), format!("{path}.labelSelector")),
    ];
    parts.into_iter().filter(|(empty, _)| *empty).map(|(_, field)| empty_part(&field)).collect()
}

fn empty_part(field: &str) -> Problem {
    Problem::new(field, "is empty, which to Gatekeeper means everything; fill it or remove it")
}

fn is_empty(selector: &LabelSelector) -> bool {
    let labels = selector.match_labels.value().is_none_or(std::collections::BTreeMap::is_empty);
    labels && selector.match_expressions.value().is_none_or(|list| list.is_empty())
}

/// Which system namespaces the constraint must leave out, given what the policy names.
///
/// A system namespace is reached only where an entry of `matchNames` is that very name or that very pattern, and
/// Gatekeeper's exclusions win over its inclusions. So what is named cannot be excluded, and a glob that would reach
/// further into the same pattern cannot be held back.
fn system_exclusions(named: &[String], settings: &Settings) -> Result<Vec<String>, Problem> {
    if let Some(problem) = own_names(named, settings).next() {
        return Err(problem);
    }
    let (system, others): (Vec<&String>, Vec<&String>) =
        named.iter().partition(|name| names_system(name, &settings.system_namespaces));
    let mut excluded = vec![];
    for pattern in &settings.system_namespaces {
        if excludable(pattern, &system, &others)? {
            excluded.push(pattern.clone());
        }
    }
    excluded.extend([&settings.gatekeeper_namespace, &settings.operator_namespace].into_iter().cloned());
    Ok(excluded)
}

/// The entries that name Gatekeeper's namespace or the operator's.
fn own_names(named: &[String], settings: &Settings) -> impl Iterator<Item = Problem> {
    let own = [&settings.gatekeeper_namespace, &settings.operator_namespace];
    let named = named.iter().enumerate().filter(move |(_, name)| own.contains(name));
    named.map(|(i, name)| {
        let message = format!("no policy reaches {name}, or it could lock itself out; remove the name");
        Problem::new(format!("spec.match.namespaceSelector.matchNames[{i}]"), message)
    })
}

/// Whether an entry is the name of a system namespace, or a system pattern itself. A wider or narrower glob is not.
fn names_system(entry: &str, system: &[String]) -> bool {
    let is_name = !NamespaceGlob::new(entry).is_glob();
    system.iter().any(|pattern| pattern == entry || (is_name && NamespaceGlob::new(pattern).matches(entry)))
}

/// Whether a system name or pattern can and must be excluded, beside the system namespaces that are named and the
/// other entries.
fn excludable(pattern: &str, system: &[&String], others: &[&String]) -> Result<bool, Problem> {
    let excluded = NamespaceGlob::new(pattern);
    if system.iter().any(|entry| NamespaceGlob::new(entry).covers(&excluded)) {
        return Ok(false);
    }
    let Some(inside) = system.iter().find(|entry| NamespaceGlob::new(entry).overlaps(&excluded)) else {
        return Ok(true);
    };
    match others.iter().find(|entry| NamespaceGlob::new(entry).overlaps(&excluded)) {
        None => Ok(false),
        Some(wide) => Err(Problem::new(
            "spec.match.namespaceSelector.matchNames",
            format!(
                "{inside} names a system namespace, and {wide} would reach others of {pattern}, which Gatekeeper \
                 cannot tell apart; write two policies"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::system_exclusions;
    use crate::{Preset, Settings};
    use gatewright_gatekeeper::NamespaceGlob;
    use proptest::prelude::*;

    const OWN: &str = "gatekeeper-system gatewright-system";

    fn excluded(preset: Preset, named: &[&str]) -> Result<String, String> {
        let settings = Settings::new(preset, "gatekeeper-system", "gatewright-system");
        let named: Vec<_> = named.iter().map(|name| (*name).to_owned()).collect();
        system_exclusions(&named, &settings).map(|list| list.join(" ")).map_err(|problem| problem.message)
    }

    #[test]
    fn plain_clusters() {
        let all = format!("kube-system kube-public kube-node-lease {OWN}");
        let but_system = format!("kube-public kube-node-lease {OWN}");
        for (named, expected) in [
            (&[][..], &all),
            (&["*"], &all),
            (&["kube-*"], &all),
            (&["team-a"], &all),
            (&["kube-system"], &but_system),
            (&["*", "kube-system"], &but_system),
        ] {
            assert_eq!(excluded(Preset::None, named).as_ref(), Ok(expected), "{named:?}");
        }
    }

    #[test]
    fn deckhouse_clusters() {
        let names = "kube-system kube-public kube-node-lease";
        for (named, expected) in [
            (&["*"][..], format!("{names} d8-* kube-* {OWN}")),
            (&["d8-*"], format!("{names} kube-* {OWN}")),
            (&["d8-monitoring", "app-*"], format!("{names} kube-* {OWN}")),
            (&["d8-mon*"], format!("{names} d8-* kube-* {OWN}")),
            (&["kube-*", "d8-*"], OWN.to_owned()),
        ] {
            assert_eq!(excluded(Preset::Deckhouse, named), Ok(expected), "{named:?}");
        }
        for named in [&["*", "d8-monitoring"][..], &["kube-system", "kube-s*"]] {
            assert!(
                excluded(Preset::Deckhouse, named).unwrap_err().ends_with("write two policies"),
                "{named:?}"
            );
        }
    }

    #[test]
    fn own_namespaces_are_out_of_reach() {
        assert!(excluded(Preset::None, &["gatewright-system"]).is_err());
        assert!(excluded(Preset::None, &["gatekeeper-system"]).is_err());
    }

    /// What the contract says: a system namespace is reached by its very name or its very pattern.
    fn reached(namespace: &str, named: &[String], settings: &Settings) -> bool {
        let own = [&settings.gatekeeper_namespace, &settings.operator_namespace];
        let mut system =
            settings.system_namespaces.iter().filter(|p| NamespaceGlob::new(p).matches(namespace));
        if own.iter().any(|name| *name == namespace) {
            false
        } else if system.clone().next().is_some() {
            named.iter().any(|entry| entry == namespace) || system.any(|pattern| named.contains(pattern))
        } else {
            named.is_empty() || named.iter().any(|entry| NamespaceGlob::new(entry).matches(namespace))
        }
    }

    fn entry() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "*",
            "a",
            "a-*",
            "*-a",
            "d8-a",
            "d8-*",
            "d8-b*",
            "kube-*",
            "kube-system",
            "kube-public",
            "k*",
            "*system",
            "*8*",
        ])
        .prop_map(str::to_owned)
    }

    /// Names that tell any two of the entries and system patterns apart.
    const NAMESPACES: [&str; 22] = [
        "a",
        "a-b",
        "b-a",
        "a8a",
        "k",
        "system",
        "xsystem",
        "d8-a",
        "d8-b",
        "d8-bc",
        "d8-x-a",
        "d8-system",
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "kube-a",
        "kube-x-a",
        "kube-8",
        "kube-xsystem",
        "kube-system-x",
        "gatekeeper-system",
        "gatewright-system",
    ];

    /// Whether a constraint that names and excludes this reaches what the policy reaches.
    fn says_the_same(named: &[String], excluded: &[String], settings: &Settings) -> bool {
        let any = |list: &[String], name: &str| list.iter().any(|p| NamespaceGlob::new(p).matches(name));
        NAMESPACES.iter().all(|namespace| {
            let rendered = (named.is_empty() || any(named, namespace)) && !any(excluded, namespace);
            rendered == reached(namespace, named, settings)
        })
    }

    /// Whether any choice of system patterns to exclude says what the policy says.
    fn can_be_said(named: &[String], settings: &Settings) -> bool {
        let own = [settings.gatekeeper_namespace.clone(), settings.operator_namespace.clone()];
        let patterns = &settings.system_namespaces;
        (0..1_usize << patterns.len()).any(|choice| {
            let chosen = patterns.iter().enumerate().filter(|(i, _)| choice >> i & 1 == 1);
            let excluded: Vec<_> = chosen.map(|(_, pattern)| pattern.clone()).chain(own.clone()).collect();
            says_the_same(named, &excluded, settings)
        })
    }

    proptest! {
        /// What is rendered reaches exactly what the policy reaches, and only what nothing could say is refused.
        #[test]
        fn what_is_rendered_is_what_the_policy_says(
            named in prop::collection::vec(entry(), 0..4), deckhouse: bool
        ) {
            let preset = if deckhouse { Preset::Deckhouse } else { Preset::None };
            let settings = Settings::new(preset, "gatekeeper-system", "gatewright-system");
            match system_exclusions(&named, &settings) {
                Ok(excluded) => prop_assert!(says_the_same(&named, &excluded, &settings), "{named:?}: {excluded:?}"),
                Err(problem) => prop_assert!(!can_be_said(&named, &settings), "{named:?}: {problem}"),
            }
        }
    }
}
