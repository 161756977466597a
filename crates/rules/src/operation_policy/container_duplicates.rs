//! Duplicate names in a Pod.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// true forbids two containers of one name, and two variables of one name in a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_container_duplicates: Option<bool>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "container-duplicates",
    module: include_str!("../../../../templates/operation-policy/container-duplicates/rule.rego"),
    checks: &[Check {
        field: "checkContainerDuplicates",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Pod(&[Volatile::EphemeralContainers]),
        fix: Fix::none("only you know which of the two is meant"),
    }],
};
