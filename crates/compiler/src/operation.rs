//! `OperationPolicy` → the parameters of its rules.
#![expect(clippy::trivially_copy_pass_by_ref, reason = "the table gives every field alike")]

mod images;
mod objects;
mod pods;
mod repositories;
mod required;

use gatewright_api::{OperationPolicy, OperationRules};
use gatewright_rules::Template;
use gatewright_rules::operation_policy::Parameters;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::{Compile, NamedKind};

impl Compile for OperationPolicy {
    const TEMPLATE: Template = Template::OperationPolicy;

    fn parameters(&self, problems: &mut Vec<Problem>) -> Value {
        problems.extend(required::wrong_kinds(&self.named_kinds(), &self.spec.r#match));
        json!(parameters(&self.spec.policies, problems))
    }

    fn named_kinds(&self) -> Vec<NamedKind> {
        required::named_kinds(&self.spec.policies)
    }
}

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
