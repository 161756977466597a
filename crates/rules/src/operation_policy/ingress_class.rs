//! Ingress classes.

use schemars::JsonSchema;
use serde::Serialize;

use crate::kinds::INGRESS;
use crate::{Check, Fix, Guard, Rule, Subject};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The classes that an Ingress may name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress_class_names: Option<Vec<String>>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "ingress-class",
    module: include_str!("../../../../templates/operation-policy/ingress-class/rule.rego"),
    checks: &[Check {
        field: "ingressClassNames",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Objects(&[INGRESS]),
        fix: Fix::none("only you know which controller is to serve it"),
    }],
};
