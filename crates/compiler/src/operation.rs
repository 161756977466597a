//! `OperationPolicy` → the parameters of its rules.
#![expect(clippy::trivially_copy_pass_by_ref, reason = "the table gives every field alike")]

mod images;
mod objects;
mod pods;
mod repositories;
mod required;

use gatewright_api::OperationRules;
use gatewright_rules::operation_policy::Parameters;

use crate::problem::Problem;

pub(crate) use required::{named_kinds, wrong_kinds};

parameters! {
    OperationRules, problems;
    images::allowed_repos(allowed_repos; problems),
    images::disallowed_tags(disallowed_image_tags),
    images::image_pull_policy(image_pull_policy),
    pods::container_duplicates(check_container_duplicates),
    pods::disallowed_tolerations(disallowed_tolerations),
    pods::dns_policy(check_host_network_dns_policy),
    pods::priority_class(priority_class_names),
    pods::required_probes(required_probes),
    pods::required_resources(required_resources; problems),
    required::required_labels(required_labels; problems),
    required::required_annotations(required_annotations; problems),
    objects::revision_history_limit(max_revision_history_limit; problems),
    objects::ingress_class(ingress_class_names),
    objects::storage_class(storage_class_names),
    objects::replica_limits(replica_limits; problems),
}
