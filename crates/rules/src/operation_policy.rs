//! The rules of `OperationPolicy`.

pub mod allowed_repos;
pub mod container_duplicates;
pub mod disallowed_tags;
pub mod disallowed_tolerations;
pub mod dns_policy;
pub mod image_pull_policy;
pub mod ingress_class;
pub mod keys;
pub mod priority_class;
pub mod replica_limits;
pub mod required_annotations;
pub mod required_labels;
pub mod required_probes;
pub mod required_resources;
pub mod revision_history_limit;
pub mod storage_class;

use gatewright_api::PolicyKind;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Definition, Entry, Lib, Owner, WRITES};

/// The parameters of a constraint: each rule's under the names they have in the policy. Absent is not checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Parameters {
    /// Image repositories.
    #[serde(flatten)]
    pub allowed_repos: allowed_repos::Parameters,
    /// Duplicate names in a Pod.
    #[serde(flatten)]
    pub container_duplicates: container_duplicates::Parameters,
    /// Image tags.
    #[serde(flatten)]
    pub disallowed_tags: disallowed_tags::Parameters,
    /// Disallowed tolerations.
    #[serde(flatten)]
    pub disallowed_tolerations: disallowed_tolerations::Parameters,
    /// DNS on the host network.
    #[serde(flatten)]
    pub dns_policy: dns_policy::Parameters,
    /// Image pull policy.
    #[serde(flatten)]
    pub image_pull_policy: image_pull_policy::Parameters,
    /// Priority classes.
    #[serde(flatten)]
    pub priority_class: priority_class::Parameters,
    /// Required probes.
    #[serde(flatten)]
    pub required_probes: required_probes::Parameters,
    /// Required resources.
    #[serde(flatten)]
    pub required_resources: required_resources::Parameters,
    /// Required labels.
    #[serde(flatten)]
    pub required_labels: required_labels::Parameters,
    /// Required annotations.
    #[serde(flatten)]
    pub required_annotations: required_annotations::Parameters,
    /// Revision history limit.
    #[serde(flatten)]
    pub revision_history_limit: revision_history_limit::Parameters,
    /// Ingress classes.
    #[serde(flatten)]
    pub ingress_class: ingress_class::Parameters,
    /// Storage classes.
    #[serde(flatten)]
    pub storage_class: storage_class::Parameters,
    /// Replica limits.
    #[serde(flatten)]
    pub replica_limits: replica_limits::Parameters,
}

/// The template.
pub const DEFINITION: Definition = Definition {
    kind: "D8OperationPolicy",
    folder: "operation-policy",
    owner: Owner::Policy(PolicyKind::OperationPolicy),
    title: "The rules of OperationPolicy",
    operations: WRITES,
    libs: &[Lib::Finding, Lib::Image, Lib::Keys, Lib::Pod, Lib::Update],
    rules: &[
        allowed_repos::RULE,
        container_duplicates::RULE,
        disallowed_tags::RULE,
        disallowed_tolerations::RULE,
        dns_policy::RULE,
        image_pull_policy::RULE,
        priority_class::RULE,
        required_probes::RULE,
        required_resources::RULE,
        required_labels::RULE,
        required_annotations::RULE,
        revision_history_limit::RULE,
        ingress_class::RULE,
        storage_class::RULE,
        replica_limits::RULE,
    ],
    parameters: crate::template::schema_of::<Parameters>,
    entry: Entry::Generated,
};
