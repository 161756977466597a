//! The rules of `OperationPolicy`.

pub mod allowed_repos;
pub mod ingress_class;
pub mod keys;
pub mod replica_limits;
pub mod required_annotations;
pub mod required_labels;
pub mod revision_history_limit;
pub mod storage_class;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Lib, Template};

/// The parameters of a constraint: each rule's under the names they have in the policy. Absent is not checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Parameters {
    /// Image repositories.
    #[serde(flatten)]
    pub allowed_repos: allowed_repos::Parameters,
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
pub const TEMPLATE: Template = Template {
    kind: "D8OperationPolicy",
    title: "The rules of OperationPolicy",
    libs: &[Lib::Finding, Lib::Image, Lib::Keys, Lib::Pod, Lib::Update],
    rules: &[
        allowed_repos::RULE,
        required_labels::RULE,
        required_annotations::RULE,
        revision_history_limit::RULE,
        ingress_class::RULE,
        storage_class::RULE,
        replica_limits::RULE,
    ],
    parameters: crate::template::schema_of::<Parameters>,
};
