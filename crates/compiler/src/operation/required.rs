//! Labels and annotations that must be there, on objects of watched kinds.

use gatewright_api::text::{LabelKey, Regex, WatchKind};
use gatewright_api::{
    AnnotationRequirement, Field, LabelRequirement, List, Match, OperationRules, RequiredAnnotations,
    RequiredLabels,
};
use gatewright_rules::kinds::{Kind, NAMESPACE, respelled, similar};
use gatewright_rules::operation_policy::keys::{KeyDemand, WatchedKind};
use gatewright_rules::operation_policy::{required_annotations, required_labels};

use crate::NamedKind;
use crate::problem::Problem;

pub(super) fn required_labels(
    required: &Field<RequiredLabels>,
    problems: &mut Vec<Problem>,
) -> required_labels::Parameters {
    required_labels::Parameters { required_labels: labels(required, problems) }
}

pub(super) fn required_annotations(
    required: &Field<RequiredAnnotations>,
    problems: &mut Vec<Problem>,
) -> required_annotations::Parameters {
    required_annotations::Parameters { required_annotations: annotations(required, problems) }
}

/// Without a label nothing is demanded.
fn labels(
    required: &Field<RequiredLabels>,
    problems: &mut Vec<Problem>,
) -> Option<required_labels::RequiredLabels> {
    let RequiredLabels { labels, watch_kinds } = required.value()?;
    let labels = labels.value().filter(|labels| !labels.is_empty())?;
    let demand = |LabelRequirement { key, allowed_regex }: &_| demand(key, allowed_regex);
    Some(required_labels::RequiredLabels {
        labels: labels.iter().map(demand).collect(),
        watch_kinds: watched("requiredLabels", watch_kinds, problems),
    })
}

/// Without an annotation nothing is demanded.
fn annotations(
    required: &Field<RequiredAnnotations>,
    problems: &mut Vec<Problem>,
) -> Option<required_annotations::RequiredAnnotations> {
    let RequiredAnnotations { annotations, watch_kinds } = required.value()?;
    let annotations = annotations.value().filter(|annotations| !annotations.is_empty())?;
    let demand = |AnnotationRequirement { key, allowed_regex }: &_| demand(key, allowed_regex);
    Some(required_annotations::RequiredAnnotations {
        annotations: annotations.iter().map(demand).collect(),
        watch_kinds: watched("requiredAnnotations", watch_kinds, problems),
    })
}

fn demand(key: &LabelKey, regex: &Field<Regex>) -> KeyDemand {
    let allowed_regex = regex.value().map(|regex| regex.as_str().to_owned());
    KeyDemand { key: key.to_string(), allowed_regex }
}

/// The CRD refuses demands that look at nothing; so does this, for what comes from a file.
fn watched(field: &str, kinds: &Field<List<WatchKind>>, problems: &mut Vec<Problem>) -> Vec<WatchedKind> {
    let kinds: Vec<_> = kinds.value().into_iter().flat_map(|kinds| kinds.iter()).map(kind).collect();
    if kinds.is_empty() {
        let path = format!("spec.policies.{field}.watchKinds");
        problems.push(Problem::new(path, "looks at nothing: name at least one kind"));
    }
    let watched = |kind: Kind| WatchedKind { group: kind.group.into_owned(), kind: kind.kind.into_owned() };
    kinds.into_iter().map(watched).collect()
}

/// The syntax of a watched kind has exactly one slash.
fn kind(watched: &WatchKind) -> Kind {
    let (group, kind) = watched.as_str().split_once('/').unwrap_or(("", watched.as_str()));
    Kind::named(group, kind)
}

/// The kinds that the policy names in `watchKinds`, and where each stands.
pub(crate) fn named_kinds(rules: &OperationRules) -> Vec<NamedKind> {
    let labels = rules.required_labels.value().map(|required| &required.watch_kinds);
    let annotations = rules.required_annotations.value().map(|required| &required.watch_kinds);
    let fields = [("requiredLabels", labels), ("requiredAnnotations", annotations)];
    let lists = fields.into_iter().filter_map(|(field, kinds)| Some((field, kinds?.value()?)));
    let named = |(field, kinds): (&str, &List<WatchKind>)| {
        let named = |(i, watched)| {
            let Kind { group, kind, .. } = kind(watched);
            let field = format!("spec.policies.{field}.watchKinds[{i}]");
            NamedKind { field, group: group.into_owned(), kind: kind.into_owned() }
        };
        kinds.iter().enumerate().map(named).collect::<Vec<_>>()
    };
    lists.flat_map(named).collect()
}

/// Kinds that cannot be what they are called.
pub(crate) fn wrong_kinds(named: &[NamedKind], matcher: &Match) -> Vec<Problem> {
    let reaches_all = matcher.label_selector.value().is_some() && matcher.namespace_selector.is_absent();
    let problem = |named: &NamedKind| {
        let message = misspelled(named).or_else(|| (!reaches_all).then(|| out_of_namespaces(named))?)?;
        Some(Problem::new(named.field.clone(), message))
    };
    named.iter().filter_map(problem).collect()
}

/// Gatekeeper compares kinds letter by letter, so the plural or a kind in lower case would match nothing.
fn misspelled(named: &NamedKind) -> Option<String> {
    let NamedKind { group, kind, .. } = named;
    let lower = kind.starts_with(|first: char| first.is_ascii_lowercase());
    let meant = respelled(group, kind).or_else(|| similar(group, kind).filter(|_| lower));
    match meant {
        Some(meant) => Some(format!("{named} is not a kind: write {meant}")),
        None => lower.then(|| {
            format!("{named} is not a kind: write it as in a manifest, with a capital letter, like apps/Deployment")
        }),
    }
}

/// Gatekeeper does not limit cluster-scoped objects by namespace: a team's policy would judge every Node. A Namespace
/// is matched by its own name and labels.
fn out_of_namespaces(named: &NamedKind) -> Option<String> {
    let kind = Kind::named(&named.group, &named.kind);
    let is_namespace = kind.group == NAMESPACE.group && kind.kind == NAMESPACE.kind;
    (kind.is_cluster_scoped() && !is_namespace).then(|| {
        format!(
            "{named} is cluster-scoped, so Gatekeeper would judge all of its objects; put it into a policy that \
             has spec.match.labelSelector and no spec.match.namespaceSelector"
        )
    })
}
