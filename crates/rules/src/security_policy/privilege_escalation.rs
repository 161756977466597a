//! Privilege escalation.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Change, Check, Fix, Guard, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// false demands an explicit false of every container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_privilege_escalation: Option<bool>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "privilege-escalation",
    module: include_str!("../../../../templates/security-policy/privilege-escalation/rule.rego"),
    checks: &[Check {
        field: "allowPrivilegeEscalation",
        guard: Guard::IsFalse,
        findings: "found",
        subject: Subject::Pod(&[Volatile::EphemeralContainers]),
        fix: Fix::change(
            Change::ForbidEscalation,
            "programs that gain rights, such as sudo and setuid files",
        ),
    }],
};
