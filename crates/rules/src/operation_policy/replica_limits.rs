//! Replica limits.

use schemars::JsonSchema;
use serde::Serialize;

use crate::kinds::{DEPLOYMENT, DEPLOYMENT_SCALE, STATEFUL_SET, STATEFUL_SET_SCALE};
use crate::{Change, Check, Fix, Guard, Rule, Subject};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// How many replicas there may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_limits: Option<Limits>,
}

/// Both ends included; at least one is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// The smallest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_replicas: Option<i32>,
    /// The greatest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_replicas: Option<i32>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "replica-limits",
    module: include_str!("../../../../templates/operation-policy/replica-limits/rule.rego"),
    checks: &[Check {
        field: "replicaLimits",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Objects(&[DEPLOYMENT, DEPLOYMENT_SCALE, STATEFUL_SET, STATEFUL_SET_SCALE]),
        fix: Fix::change(Change::Clamp("replicas"), "what that many replicas are for"),
    }],
};
