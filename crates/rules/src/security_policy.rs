//! The rules of `SecurityPolicy`.

pub mod apparmor;
pub mod capabilities;
pub mod cluster_roles;
pub mod flex_volumes;
pub mod host_network;
pub mod host_paths;
pub mod host_processes;
pub mod privilege_escalation;
pub mod privileged;
pub mod proc_mount;
pub mod rbac_wildcards;
pub mod read_only_root_filesystem;
pub mod seccomp;
pub mod selinux;
pub mod service_account_token;
pub mod service_types;
pub mod sysctls;
pub mod users_and_groups;
pub mod volume_types;
pub mod wildcard_domains;

use gatewright_api::PolicyKind;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Definition, Entry, Lib, Owner, WRITES};

/// The parameters of a constraint: each rule's under the names they have in the policy. Absent is not checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Parameters {
    /// Privileged containers.
    #[serde(flatten)]
    pub privileged: privileged::Parameters,
    /// Privilege escalation.
    #[serde(flatten)]
    pub privilege_escalation: privilege_escalation::Parameters,
    /// The host's process and IPC namespaces.
    #[serde(flatten)]
    pub host_processes: host_processes::Parameters,
    /// Host network and host ports.
    #[serde(flatten)]
    pub host_network: host_network::Parameters,
    /// Read-only root file systems.
    #[serde(flatten)]
    pub read_only_root_filesystem: read_only_root_filesystem::Parameters,
    /// Service account tokens.
    #[serde(flatten)]
    pub service_account_token: service_account_token::Parameters,
    /// Drivers of flex volumes.
    #[serde(flatten)]
    pub flex_volumes: flex_volumes::Parameters,
    /// Types of volumes.
    #[serde(flatten)]
    pub volume_types: volume_types::Parameters,
    /// Linux capabilities.
    #[serde(flatten)]
    pub capabilities: capabilities::Parameters,
    /// Masking of `/proc`.
    #[serde(flatten)]
    pub proc_mount: proc_mount::Parameters,
    /// Host paths.
    #[serde(flatten)]
    pub host_paths: host_paths::Parameters,
    /// `AppArmor` profiles.
    #[serde(flatten)]
    pub apparmor: apparmor::Parameters,
    /// Seccomp profiles.
    #[serde(flatten)]
    pub seccomp: seccomp::Parameters,
    /// `SELinux` options.
    #[serde(flatten)]
    pub selinux: selinux::Parameters,
    /// Sysctls.
    #[serde(flatten)]
    pub sysctls: sysctls::Parameters,
    /// Wildcards in RBAC.
    #[serde(flatten)]
    pub rbac_wildcards: rbac_wildcards::Parameters,
    /// Cluster roles that `RoleBindings` refer to.
    #[serde(flatten)]
    pub cluster_roles: cluster_roles::Parameters,
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
pub const DEFINITION: Definition = Definition {
    kind: "D8SecurityPolicy",
    folder: "security-policy",
    owner: Owner::Policy(PolicyKind::SecurityPolicy),
    title: "The rules of SecurityPolicy",
    operations: WRITES,
    libs: &[Lib::Finding, Lib::Pod, Lib::Update],
    rules: &[
        privileged::RULE,
        privilege_escalation::RULE,
        host_processes::RULE,
        host_network::RULE,
        read_only_root_filesystem::RULE,
        service_account_token::RULE,
        flex_volumes::RULE,
        volume_types::RULE,
        capabilities::RULE,
        proc_mount::RULE,
        host_paths::RULE,
        apparmor::RULE,
        seccomp::RULE,
        selinux::RULE,
        sysctls::RULE,
        rbac_wildcards::RULE,
        cluster_roles::RULE,
        users_and_groups::RULE,
        service_types::RULE,
        wildcard_domains::RULE,
    ],
    parameters: crate::template::schema_of::<Parameters>,
    entry: Entry::Generated,
};
