//! Drivers of flex volumes.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The names of the drivers that may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_flex_volumes: Option<Vec<String>>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "flex-volumes",
    module: include_str!("../../../../templates/security-policy/flex-volumes/rule.rego"),
    checks: &[Check {
        field: "allowedFlexVolumes",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Pod(&[]),
        fix: Fix::none("only you know where else the data can be"),
    }],
};
