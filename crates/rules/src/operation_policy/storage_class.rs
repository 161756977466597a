//! Storage classes.

use schemars::JsonSchema;
use serde::Serialize;

use crate::kinds::{PERSISTENT_VOLUME_CLAIM, STATEFUL_SET};
use crate::{Check, Fix, Guard, Rule, Subject};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The classes that a claim may name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class_names: Option<Vec<String>>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "storage-class",
    module: include_str!("../../../../templates/operation-policy/storage-class/rule.rego"),
    checks: &[Check {
        field: "storageClassNames",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Objects(&[PERSISTENT_VOLUME_CLAIM, STATEFUL_SET]),
        fix: Fix::none("only you know which storage is needed"),
    }],
};
