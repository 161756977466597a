//! Read-only root file systems.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Change, Check, Fix, Guard, Literal, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// true demands it of every container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_root_filesystem: Option<bool>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "read-only-root-filesystem",
    module: include_str!("../../../../templates/security-policy/read-only-root-filesystem/rule.rego"),
    checks: &[Check {
        field: "readOnlyRootFilesystem",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Pod(&[Volatile::EphemeralContainers]),
        fix: Fix::change(
            Change::Set("readOnlyRootFilesystem", Literal::Bool(true)),
            "writing to files of the image, such as /tmp: mount an emptyDir there",
        ),
    }],
};
