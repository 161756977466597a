//! `OperationPolicy` → the parameters of its rules.

mod repositories;
mod required;

use gatewright_api::text::{Name, RepositoryPattern};
use gatewright_api::{
    Field, List, OperationRules, ReplicaLimits, RequiredResources, TolerationOperator, TolerationPattern,
};
use gatewright_rules::operation_policy::{
    Parameters, allowed_repos, container_duplicates, disallowed_tags, disallowed_tolerations, dns_policy,
    image_pull_policy, ingress_class, priority_class, replica_limits, required_annotations, required_labels,
    required_probes, required_resources, revision_history_limit, storage_class,
};

use crate::problem::Problem;
use crate::states::{demanded, listed};

pub(crate) use required::{named_kinds, wrong_kinds};

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

    Parameters {
        allowed_repos: repositories(allowed_repos, problems),
        container_duplicates: container_duplicates::Parameters {
            check_container_duplicates: demanded(*check_container_duplicates),
        },
        disallowed_tags: disallowed_tags::Parameters { disallowed_image_tags: listed(disallowed_image_tags) },
        disallowed_tolerations: taints(disallowed_tolerations),
        dns_policy: dns_policy::Parameters {
            check_host_network_dns_policy: demanded(*check_host_network_dns_policy),
        },
        image_pull_policy: image_pull_policy::Parameters {
            image_pull_policy: image_pull_policy.value().copied(),
        },
        priority_class: priority_class::Parameters { priority_class_names: names(priority_class_names) },
        required_probes: required_probes::Parameters { required_probes: listed(required_probes) },
        required_resources: resources(required_resources, problems),
        required_labels: required_labels::Parameters {
            required_labels: required::labels(required_labels, problems),
        },
        required_annotations: required_annotations::Parameters {
            required_annotations: required::annotations(required_annotations, problems),
        },
        revision_history_limit: revisions(*max_revision_history_limit, problems),
        ingress_class: ingress_class::Parameters { ingress_class_names: names(ingress_class_names) },
        storage_class: storage_class::Parameters { storage_class_names: names(storage_class_names) },
        replica_limits: replicas(replica_limits, problems),
    }
}

/// A list that holds `*` refuses nothing.
fn repositories(
    entries: &Field<List<RepositoryPattern, 1024>>,
    problems: &mut Vec<Problem>,
) -> allowed_repos::Parameters {
    problems.extend(repositories::never_matching(entries));
    let entries = entries.value().filter(|list| list.iter().all(|entry| entry.as_str() != "*"));
    let sorted = entries.map(|entries| entries.iter().map(RepositoryPattern::as_str).collect());
    allowed_repos::Parameters { allowed_repos: sorted }
}

/// The CRD refuses it, too; this is for policies that never saw an API server.
fn resources(
    required: &Field<RequiredResources>,
    problems: &mut Vec<Problem>,
) -> required_resources::Parameters {
    let resources = required.value().map(|RequiredResources { limits, requests }| {
        let names = |list| listed(list).unwrap_or_default();
        required_resources::Resources { limits: names(limits), requests: names(requests) }
    });
    if resources == Some(required_resources::Resources::default()) {
        problems.push(Problem::new(
            "spec.policies.requiredResources",
            "demands nothing: name at least one resource in limits or requests",
        ));
    }
    required_resources::Parameters { required_resources: resources }
}

/// Sets of taints. A missing value is any value, and so is each with the operator `Exists`.
fn taints(patterns: &Field<List<TolerationPattern>>) -> disallowed_tolerations::Parameters {
    let taints = |pattern: &TolerationPattern| {
        let any_value = pattern.operator.value() == Some(&TolerationOperator::Exists);
        let value = pattern.value.value().filter(|_| !any_value).map(Name::as_str);
        let key = pattern.key.value().map(Name::as_str);
        disallowed_tolerations::Taints::new(key, value, pattern.effect.value().copied())
    };
    let patterns = patterns.value().filter(|patterns| !patterns.is_empty());
    let taints = patterns.map(|patterns| patterns.iter().map(taints).collect());
    disallowed_tolerations::Parameters { disallowed_tolerations: taints }
}

/// A list that holds `*` refuses nothing.
fn names(list: &Field<List<Name>>) -> Option<Vec<String>> {
    let list = list.value().filter(|list| list.iter().all(|name| name.as_str() != "*"))?;
    Some(list.iter().map(ToString::to_string).collect())
}

/// A number of things, which is never negative.
fn count(field: &str, number: Field<i32>, problems: &mut Vec<Problem>) -> Option<i32> {
    let number = number.value().copied()?;
    if number < 0 {
        let message = format!("{number} is negative; a number of 0 or more is allowed");
        problems.push(Problem::new(format!("spec.policies.{field}"), message));
    }
    Some(number)
}

fn revisions(max: Field<i32>, problems: &mut Vec<Problem>) -> revision_history_limit::Parameters {
    let max_revision_history_limit = count("maxRevisionHistoryLimit", max, problems);
    revision_history_limit::Parameters { max_revision_history_limit }
}

/// A minimum of 0 and a missing maximum refuse nothing.
fn replicas(limits: &Field<ReplicaLimits>, problems: &mut Vec<Problem>) -> replica_limits::Parameters {
    let ReplicaLimits { min_replicas, max_replicas } = limits.value().copied().unwrap_or_default();
    let min = count("replicaLimits.minReplicas", min_replicas, problems);
    let max = count("replicaLimits.maxReplicas", max_replicas, problems);
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let message = format!("minReplicas {min} is greater than maxReplicas {max}");
        problems.push(Problem::new("spec.policies.replicaLimits", message));
    }
    let min = min.filter(|min| *min > 0);
    let limits = replica_limits::Limits { min_replicas: min, max_replicas: max };
    replica_limits::Parameters { replica_limits: (min.is_some() || max.is_some()).then_some(limits) }
}
