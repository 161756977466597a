//! The rules of `OperationPolicy`.

pub mod keys;

use gatewright_api::PolicyKind;

use crate::{Definition, Entry, Lib, Owner, WRITES};

rules! {
    allowed_repos: "Image repositories",
    container_duplicates: "Duplicate names in a Pod",
    disallowed_tags: "Image tags",
    disallowed_tolerations: "Disallowed tolerations",
    dns_policy: "DNS on the host network",
    image_pull_policy: "Image pull policy",
    priority_class: "Priority classes",
    required_probes: "Required probes",
    required_resources: "Required resources",
    required_labels: "Required labels",
    required_annotations: "Required annotations",
    revision_history_limit: "Revision history limit",
    ingress_class: "Ingress classes",
    storage_class: "Storage classes",
    replica_limits: "Replica limits",
}

/// The template.
pub const DEFINITION: Definition = Definition {
    kind: "D8OperationPolicy",
    folder: "operation-policy",
    owner: Owner::Policy(PolicyKind::OperationPolicy),
    title: "The rules of OperationPolicy",
    operations: WRITES,
    libs: &[Lib::Finding, Lib::Image, Lib::Keys, Lib::Pod, Lib::Update],
    rules: RULES,
    parameters: crate::template::schema_of::<Parameters>,
    entry: Entry::Generated,
};
