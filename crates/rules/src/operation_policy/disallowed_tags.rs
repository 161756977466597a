//! Image tags.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The tags that no image may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disallowed_image_tags: Option<Vec<String>>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "disallowed-tags",
    module: include_str!("../../../../templates/operation-policy/disallowed-tags/rule.rego"),
    checks: &[Check {
        field: "disallowedImageTags",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Pod(&[Volatile::EphemeralContainers]),
        fix: Fix::none("only you know which version is meant"),
    }],
};
