//! Required probes.

use gatewright_api::Probe;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The probes that every container must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_probes: Option<Vec<Probe>>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "required-probes",
    module: include_str!("../../../../templates/operation-policy/required-probes/rule.rego"),
    checks: &[Check {
        field: "requiredProbes",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Pod(&[]),
        fix: Fix::none("only you know what shows that the container works"),
    }],
};
