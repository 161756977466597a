//! Priority classes.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The priority classes that Pods may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class_names: Option<Vec<String>>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "priority-class",
    module: include_str!("../../../../templates/operation-policy/priority-class/rule.rego"),
    checks: &[Check {
        field: "priorityClassNames",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Pod(&[]),
        fix: Fix::none("only you know which Pods may evict which"),
    }],
};
