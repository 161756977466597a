//! Host network and host ports.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// false forbids the host's network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_host_network: Option<bool>,
    /// The ranges in which every host port must lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_host_ports: Option<Vec<Range>>,
}

/// A range of ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Range {
    /// The lowest port.
    pub min: i32,
    /// The highest port.
    pub max: i32,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "host-network",
    module: include_str!("../../../../templates/security-policy/host-network/rule.rego"),
    checks: &[
        Check {
            field: "allowHostNetwork",
            guard: Guard::IsFalse,
            findings: "network",
            subject: Subject::Pod(&[]),
            fix: Fix::remove(&["hostNetwork"], "clients that reach the Pod at the address of its node"),
        },
        Check {
            field: "allowedHostPorts",
            guard: Guard::IsSet,
            findings: "ports",
            subject: Subject::Pod(&[Volatile::EphemeralContainers]),
            fix: Fix::remove(&["hostPort"], "clients that reach the port at the address of the node"),
        },
    ],
};
