//! `OperationPolicy` → the parameters of its rules.

mod required;

use gatewright_api::text::{Name, RepositoryPattern};
use gatewright_api::{Field, List, OperationRules, ReplicaLimits};
use gatewright_rules::operation_policy::{
    Parameters, allowed_repos, ingress_class, replica_limits, required_annotations, required_labels,
    revision_history_limit, storage_class,
};

use crate::problem::{Problem, unsupported};

pub(crate) use required::out_of_namespaces;

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

    unsupported(problems, "requiredResources", required_resources);
    unsupported(problems, "disallowedImageTags", disallowed_image_tags);
    unsupported(problems, "requiredProbes", required_probes);
    unsupported(problems, "imagePullPolicy", image_pull_policy);
    unsupported(problems, "priorityClassNames", priority_class_names);
    unsupported(problems, "checkHostNetworkDNSPolicy", check_host_network_dns_policy);
    unsupported(problems, "checkContainerDuplicates", check_container_duplicates);
    unsupported(problems, "disallowedTolerations", disallowed_tolerations);

    Parameters {
        allowed_repos: allowed_repos::Parameters {
            allowed_repos: allowed_repos.value().and_then(|entries| repositories(entries)),
        },
        required_labels: required_labels::Parameters {
            required_labels: required::labels(required_labels, problems),
        },
        required_annotations: required_annotations::Parameters {
            required_annotations: required::annotations(required_annotations, problems),
        },
        revision_history_limit: revision_history_limit::Parameters {
            max_revision_history_limit: count(
                "maxRevisionHistoryLimit",
                *max_revision_history_limit,
                problems,
            ),
        },
        ingress_class: ingress_class::Parameters { ingress_class_names: names(ingress_class_names) },
        storage_class: storage_class::Parameters { storage_class_names: names(storage_class_names) },
        replica_limits: replica_limits::Parameters {
            replica_limits: replica_limits.value().and_then(|limits| replicas(limits, problems)),
        },
    }
}

/// A list that holds `*` refuses nothing.
fn repositories(entries: &[RepositoryPattern]) -> Option<allowed_repos::Repositories> {
    let everything = entries.iter().any(|entry| entry.as_str() == "*");
    (!everything).then(|| entries.iter().map(RepositoryPattern::as_str).collect())
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

/// A minimum of 0 and a missing maximum refuse nothing.
fn replicas(limits: &ReplicaLimits, problems: &mut Vec<Problem>) -> Option<replica_limits::Limits> {
    let ReplicaLimits { min_replicas, max_replicas } = limits;
    let min = count("replicaLimits.minReplicas", *min_replicas, problems);
    let max = count("replicaLimits.maxReplicas", *max_replicas, problems);
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let message = format!("minReplicas {min} is greater than maxReplicas {max}");
        problems.push(Problem::new("spec.policies.replicaLimits", message));
    }
    let min = min.filter(|min| *min > 0);
    (min.is_some() || max.is_some())
        .then_some(replica_limits::Limits { min_replicas: min, max_replicas: max })
}
