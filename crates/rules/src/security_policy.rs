//! The rules of `SecurityPolicy`.

pub mod apparmor;
pub mod capabilities;
pub mod host_network;
pub mod host_paths;
pub mod privileged;
pub mod seccomp;
pub mod selinux;
pub mod sysctls;

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
    /// Linux capabilities.
    #[serde(flatten)]
    pub capabilities: capabilities::Parameters,
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
}

/// The template.
pub const TEMPLATE: Template = Template {
    kind: "D8SecurityPolicy",
    title: "The rules of SecurityPolicy",
    libs: &[Lib::Finding, Lib::Pod, Lib::Update],
    rules: &[
        privileged::RULE,
        host_network::RULE,
        capabilities::RULE,
        host_paths::RULE,
        apparmor::RULE,
        seccomp::RULE,
        selinux::RULE,
        sysctls::RULE,
    ],
    parameters: crate::template::schema_of::<Parameters>,
};
