//! Types of volumes.

use gatewright_api::VolumeType;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The types that volumes may have, as the Pod API names them today.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_volumes: Option<Vec<VolumeType>>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "volume-types",
    module: include_str!("../../../../templates/security-policy/volume-types/rule.rego"),
    checks: &[Check {
        field: "allowedVolumes",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Pod(&[]),
        fix: Fix::none("only you know where else the data can be"),
    }],
};
