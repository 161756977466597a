//! `SELinux` options.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The options of which every Pod's and container's must fit one entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub se_linux: Option<Vec<Options>>,
}

/// Options that are allowed together. An empty one is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Options {
    /// The level; absent allows any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// The role; absent allows none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The type; absent allows none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// The user; absent allows none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "selinux",
    module: include_str!("../../../../templates/security-policy/selinux/rule.rego"),
    checks: &[Check {
        field: "seLinux",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Pod(&[Volatile::EphemeralContainers]),
        fix: Fix::remove(&["seLinuxOptions"], "access to files that only the label allows"),
    }],
};
