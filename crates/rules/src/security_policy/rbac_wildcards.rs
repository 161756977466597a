//! Wildcards in RBAC.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject, kinds};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// false forbids wildcards in Roles and `RoleBindings`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_rbac_wildcards: Option<bool>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "rbac-wildcards",
    module: include_str!("../../../../templates/security-policy/rbac-wildcards/rule.rego"),
    checks: &[Check {
        field: "allowRbacWildcards",
        guard: Guard::IsFalse,
        findings: "wildcards",
        subject: Subject::Objects(&[kinds::ROLE, kinds::ROLE_BINDING]),
        fix: Fix::none("only you know the names that are meant"),
    }],
};
