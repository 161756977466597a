//! Wildcard domains of Ingresses.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject, kinds};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// true forbids wildcard domains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_wildcard_domains: Option<bool>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "wildcard-domains",
    module: include_str!("../../../../templates/security-policy/wildcard-domains/rule.rego"),
    checks: &[Check {
        field: "blockWildcardDomains",
        guard: Guard::IsSet,
        findings: "domains",
        subject: Subject::Objects(&[kinds::INGRESS]),
        fix: Fix::none("only you know the domains that are meant"),
    }],
};
