//! Privileged containers.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// false forbids privileged and host-process containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_privileged: Option<bool>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "privileged",
    module: include_str!("../../../../templates/security-policy/privileged/rule.rego"),
    checks: &[Check {
        field: "allowPrivileged",
        guard: Guard::IsFalse,
        findings: "found",
        subject: Subject::Pod(&[Volatile::EphemeralContainers]),
        fix: Fix::remove(&["privileged", "hostProcess"], "access to devices of the node"),
    }],
};
