//! Linux capabilities.

use gatewright_api::Capability;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Capabilities, Change, Check, Fix, Guard, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The capabilities that may be added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_capabilities: Option<Vec<Capability>>,
    /// The capabilities that must be dropped and not added again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_drop_capabilities: Option<Vec<Capability>>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "capabilities",
    module: include_str!("../../../../templates/security-policy/capabilities/rule.rego"),
    checks: &[
        Check {
            field: "allowedCapabilities",
            guard: Guard::IsSet,
            findings: "added",
            subject: Subject::Pod(&[Volatile::EphemeralContainers]),
            fix: Fix::change(
                Change::Capabilities(Capabilities::OfViolation),
                "what the added capabilities are for",
            ),
        },
        Check {
            field: "requiredDropCapabilities",
            guard: Guard::IsSet,
            findings: "not_dropped",
            subject: Subject::Pod(&[Volatile::EphemeralContainers]),
            fix: Fix::change(
                Change::Capabilities(Capabilities::OfViolation),
                "what root does with the capabilities, such as changing owners of files",
            ),
        },
        Check {
            field: "requiredDropCapabilities",
            guard: Guard::IsSet,
            findings: "added_again",
            subject: Subject::Pod(&[Volatile::EphemeralContainers]),
            fix: Fix::change(
                Change::Capabilities(Capabilities::OfViolation),
                "what the added capabilities are for",
            ),
        },
    ],
};
