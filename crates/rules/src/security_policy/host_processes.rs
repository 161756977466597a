//! The host's process and IPC namespaces.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// false forbids the host's process namespace.
    #[serde(rename = "allowHostPID", skip_serializing_if = "Option::is_none")]
    pub allow_host_pid: Option<bool>,
    /// false forbids the host's IPC namespace.
    #[serde(rename = "allowHostIPC", skip_serializing_if = "Option::is_none")]
    pub allow_host_ipc: Option<bool>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "host-processes",
    module: include_str!("../../../../templates/security-policy/host-processes/rule.rego"),
    checks: &[
        Check {
            field: "allowHostPID",
            guard: Guard::IsFalse,
            findings: "pid",
            subject: Subject::Pod(&[]),
            fix: Fix::remove(&["hostPID"], "access to processes of the node"),
        },
        Check {
            field: "allowHostIPC",
            guard: Guard::IsFalse,
            findings: "ipc",
            subject: Subject::Pod(&[]),
            fix: Fix::remove(&["hostIPC"], "shared memory with processes of the node"),
        },
    ],
};
