//! Required resources.

use gatewright_api::ResourceName;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The resources that every container must name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_resources: Option<Resources>,
}

/// Names of resources, by where a container must name them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Resources {
    /// Resources that need a limit.
    pub limits: Vec<ResourceName>,
    /// Resources that need a request.
    pub requests: Vec<ResourceName>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "required-resources",
    module: include_str!("../../../../templates/operation-policy/required-resources/rule.rego"),
    checks: &[Check {
        field: "requiredResources",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::PodAlone(&[Volatile::Resources]),
        fix: Fix::none("only you know how much the container needs"),
    }],
};
