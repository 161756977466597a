//! `OperationPolicy` → the parameters of its rules.

use gatewright_api::text::{Name, RepositoryPattern};
use gatewright_api::{Field, List, OperationRules, RequiredResources, TolerationOperator, TolerationPattern};
use gatewright_rules::operation_policy::{
    Parameters, allowed_repos, container_duplicates, disallowed_tags, disallowed_tolerations, dns_policy,
    image_pull_policy, priority_class, required_probes, required_resources,
};

use crate::problem::{Problem, unsupported};

pub(crate) fn parameters(rules: &OperationRules, problems: &mut Vec<Problem>) -> Parameters {
    let OperationRules {
        allowed_repos,
        required_resources,
        disallowed_image_tags,
        required_probes,
        required_labels,
        required_annotations,
        max_revision_history_limit,
        image_pull_policy,
        priority_class_names,
        ingress_class_names,
        storage_class_names,
        check_host_network_dns_policy,
        check_container_duplicates,
        replica_limits,
        disallowed_tolerations,
    } = rules;

    unsupported(problems, "requiredLabels", required_labels);
    unsupported(problems, "requiredAnnotations", required_annotations);
    unsupported(problems, "maxRevisionHistoryLimit", max_revision_history_limit);
    unsupported(problems, "ingressClassNames", ingress_class_names);
    unsupported(problems, "storageClassNames", storage_class_names);
    unsupported(problems, "replicaLimits", replica_limits);

    Parameters {
        allowed_repos: allowed_repos::Parameters {
            allowed_repos: allowed_repos.value().and_then(|entries| repositories(entries)),
        },
        container_duplicates: container_duplicates::Parameters {
            check_container_duplicates: demanded(*check_container_duplicates),
        },
        disallowed_tags: disallowed_tags::Parameters { disallowed_image_tags: listed(disallowed_image_tags) },
        disallowed_tolerations: disallowed_tolerations::Parameters {
            disallowed_tolerations: taints(disallowed_tolerations),
        },
        dns_policy: dns_policy::Parameters {
            check_host_network_dns_policy: demanded(*check_host_network_dns_policy),
        },
        image_pull_policy: image_pull_policy::Parameters {
            image_pull_policy: image_pull_policy.value().copied(),
        },
        priority_class: priority_class::Parameters { priority_class_names: allowed(priority_class_names) },
        required_probes: required_probes::Parameters { required_probes: listed(required_probes) },
        required_resources: required_resources::Parameters {
            required_resources: resources(required_resources, problems),
        },
    }
}

/// `true` demands; `false` and absent do not check.
fn demanded(check: Field<bool>) -> Option<bool> {
    (check.value() == Some(&true)).then_some(true)
}

/// What is demanded or forbidden: `[]` says nothing, as if absent.
fn listed<T: Clone + Into<U>, U, const MAX: usize>(list: &Field<List<T, MAX>>) -> Option<Vec<U>> {
    list.value().filter(|list| !list.is_empty()).map(|list| list.iter().cloned().map(Into::into).collect())
}

/// What is allowed: `[]` allows nothing.
fn allowed(names: &Field<List<Name>>) -> Option<Vec<String>> {
    names.value().map(|names| names.iter().cloned().map(Into::into).collect())
}

/// A list that holds `*` refuses nothing.
fn repositories(entries: &[RepositoryPattern]) -> Option<allowed_repos::Repositories> {
    let everything = entries.iter().any(|entry| entry.as_str() == "*");
    (!everything).then(|| entries.iter().map(RepositoryPattern::as_str).collect())
}

/// The CRD refuses it, too; this is for policies that never saw an API server.
fn resources(
    required: &Field<RequiredResources>,
    problems: &mut Vec<Problem>,
) -> Option<required_resources::Resources> {
    let RequiredResources { limits, requests } = required.value()?;
    let names = |list| listed(list).unwrap_or_default();
    let resources = required_resources::Resources { limits: names(limits), requests: names(requests) };
    if resources == required_resources::Resources::default() {
        problems.push(Problem::new(
            "spec.policies.requiredResources",
            "demands nothing: name at least one resource in limits or requests",
        ));
    }
    Some(resources)
}

/// Sets of taints. A missing value is any value, and so is each with the operator `Exists`.
fn taints(patterns: &Field<List<TolerationPattern>>) -> Option<Vec<disallowed_tolerations::Taints>> {
    let taints = |pattern: &TolerationPattern| {
        let any_value = pattern.operator.value() == Some(&TolerationOperator::Exists);
        let value = pattern.value.value().filter(|_| !any_value).map(Name::as_str);
        let key = pattern.key.value().map(Name::as_str);
        disallowed_tolerations::Taints::new(key, value, pattern.effect.value().copied())
    };
    let patterns = patterns.value().filter(|patterns| !patterns.is_empty())?;
    Some(patterns.iter().map(taints).collect())
}
