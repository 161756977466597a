//! Types of Services.

use gatewright_api::ServiceType;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject, kinds};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The types that Services may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_service_types: Option<Vec<ServiceType>>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "service-types",
    module: include_str!("../../../../templates/security-policy/service-types/rule.rego"),
    checks: &[Check {
        field: "allowedServiceTypes",
        guard: Guard::IsSet,
        findings: "types",
        subject: Subject::Objects(&[kinds::SERVICE]),
        fix: Fix::none("only you know how the Service is to be reached"),
    }],
};
