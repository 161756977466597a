//! Labels and annotations that must be there, on objects of watched kinds.

use gatewright_api::text::{LabelKey, Regex, WatchKind};
use gatewright_api::{
    AnnotationRequirement, Field, LabelRequirement, List, Match, OperationRules, RequiredAnnotations,
    RequiredLabels,
};
use gatewright_rules::kinds::{Kind, NAMESPACE};
use gatewright_rules::operation_policy::keys::{KeyDemand, WatchedKind};
use gatewright_rules::operation_policy::{required_annotations, required_labels};

use crate::problem::Problem;

/// Without a label nothing is demanded.
pub(super) fn labels(
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
pub(super) fn annotations(
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

/// Gatekeeper does not limit cluster-scoped objects by namespace: a team's policy would judge every Node. A Namespace
/// is matched by its own name and labels.
pub(crate) fn out_of_namespaces(rules: &OperationRules, matcher: &Match) -> Vec<Problem> {
    if matcher.label_selector.value().is_some() && matcher.namespace_selector.is_absent() {
        return vec![];
    }
    let labels = rules.required_labels.value().map(|required| &required.watch_kinds);
    let annotations = rules.required_annotations.value().map(|required| &required.watch_kinds);
    [("requiredLabels", labels), ("requiredAnnotations", annotations)]
        .into_iter()
        .filter_map(|(field, kinds)| Some((field, kinds?.value()?)))
        .flat_map(|(field, kinds)| kinds.iter().enumerate().filter_map(move |(i, it)| problem(field, i, it)))
        .collect()
}

fn problem(field: &str, i: usize, watched: &WatchKind) -> Option<Problem> {
    let kind = kind(watched);
    let is_namespace = kind.group == NAMESPACE.group && kind.kind == NAMESPACE.kind;
    (kind.is_cluster_scoped() && !is_namespace).then(|| {
        let message = format!(
            "{watched} stands outside namespaces, so Gatekeeper would judge all of them; put it into a policy that \
             has spec.match.labelSelector and no spec.match.namespaceSelector"
        );
        Problem::new(format!("spec.policies.{field}.watchKinds[{i}]"), message)
    })
}
