//! The rules of `SecurityPolicy`.

pub mod capabilities;
pub mod cluster_roles;
pub mod host_network;
pub mod privileged;
pub mod rbac_wildcards;
pub mod service_types;
pub mod users_and_groups;
pub mod wildcard_domains;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Lib, Template};

/// The parameters of a constraint: each rule's under the names they have in the policy. Absent is not checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Parameters {
    /// Privileged containers.
    #[serde(flatten)]
    pub privileged: privileged::Parameters,
    /// Host network and host ports.
    #[serde(flatten)]
    pub host_network: host_network::Parameters,
    /// Wildcards in RBAC.
    #[serde(flatten)]
    pub rbac_wildcards: rbac_wildcards::Parameters,
    /// Cluster roles that `RoleBindings` refer to.
    #[serde(flatten)]
    pub cluster_roles: cluster_roles::Parameters,
    /// Linux capabilities.
    #[serde(flatten)]
    pub capabilities: capabilities::Parameters,
    /// Users and groups.
    #[serde(flatten)]
    pub users_and_groups: users_and_groups::Parameters,
    /// Types of Services.
    #[serde(flatten)]
    pub service_types: service_types::Parameters,
    /// Wildcard domains of Ingresses.
    #[serde(flatten)]
    pub wildcard_domains: wildcard_domains::Parameters,
}

/// The template.
pub const TEMPLATE: Template = Template {
    kind: "D8SecurityPolicy",
    title: "The rules of SecurityPolicy",
    libs: &[Lib::Finding, Lib::Pod, Lib::Update],
    rules: &[
        privileged::RULE,
        host_network::RULE,
        rbac_wildcards::RULE,
        cluster_roles::RULE,
        capabilities::RULE,
        users_and_groups::RULE,
        service_types::RULE,
        wildcard_domains::RULE,
    ],
    parameters: crate::template::schema_of::<Parameters>,
};
