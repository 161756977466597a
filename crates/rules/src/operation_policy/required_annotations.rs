//! Required annotations.

use schemars::JsonSchema;
use serde::Serialize;

use super::keys::{KeyDemand, WatchedKind};
use crate::{Check, Fix, Guard, Rule, Subject};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// What objects must carry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_annotations: Option<RequiredAnnotations>,
}

/// The annotations that objects of some kinds must carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequiredAnnotations {
    /// The annotations.
    pub annotations: Vec<KeyDemand>,
    /// The kinds.
    pub watch_kinds: Vec<WatchedKind>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "required-annotations",
    module: include_str!("../../../../templates/operation-policy/required-annotations/rule.rego"),
    checks: &[Check {
        field: "requiredAnnotations",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Watched,
        fix: Fix::none("only you know the value"),
    }],
};
