//! `OperationPolicy` → the parameters of its rules.

use gatewright_api::OperationRules;
use gatewright_api::text::RepositoryPattern;
use gatewright_rules::operation_policy::{Parameters, allowed_repos};

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

    unsupported(problems, "requiredResources", required_resources);
    unsupported(problems, "disallowedImageTags", disallowed_image_tags);
    unsupported(problems, "requiredProbes", required_probes);
    unsupported(problems, "requiredLabels", required_labels);
    unsupported(problems, "requiredAnnotations", required_annotations);
    unsupported(problems, "maxRevisionHistoryLimit", max_revision_history_limit);
    unsupported(problems, "imagePullPolicy", image_pull_policy);
    unsupported(problems, "priorityClassNames", priority_class_names);
    unsupported(problems, "ingressClassNames", ingress_class_names);
    unsupported(problems, "storageClassNames", storage_class_names);
    unsupported(problems, "checkHostNetworkDNSPolicy", check_host_network_dns_policy);
    unsupported(problems, "checkContainerDuplicates", check_container_duplicates);
    unsupported(problems, "replicaLimits", replica_limits);
    unsupported(problems, "disallowedTolerations", disallowed_tolerations);

    Parameters {
        allowed_repos: allowed_repos::Parameters {
            allowed_repos: allowed_repos.value().and_then(|entries| repositories(entries)),
        },
    }
}

/// A list that holds `*` refuses nothing.
fn repositories(entries: &[RepositoryPattern]) -> Option<allowed_repos::Repositories> {
    let everything = entries.iter().any(|entry| entry.as_str() == "*");
    (!everything).then(|| entries.iter().map(RepositoryPattern::as_str).collect())
}
