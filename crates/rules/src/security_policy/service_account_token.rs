//! Service account tokens.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Change, Check, Fix, Guard, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// false forbids mounting a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "service-account-token",
    module: include_str!("../../../../templates/security-policy/service-account-token/rule.rego"),
    checks: &[Check {
        field: "automountServiceAccountToken",
        guard: Guard::IsFalse,
        findings: "found",
        subject: Subject::Pod(&[Volatile::EphemeralContainers]),
        fix: Fix::change(Change::WithoutToken, "requests to the API server"),
    }],
};
