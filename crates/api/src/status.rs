//! What the operator reports on a policy.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// What became of the policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// The generation of the policy that the status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Valid, Applied, Enforced, and Ready, which is all three.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// How many constraints the policy has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<ConstraintCounts>,
}

/// How many constraints of a policy are on which part of their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConstraintCounts {
    /// What the policy compiles to.
    pub desired: i32,
    /// What is in the API exactly as desired.
    pub applied: i32,
    /// What every Gatekeeper process enforces.
    pub enforced: i32,
}

/// The type of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
pub enum ConditionType {
    /// The policy compiles.
    Valid,
    /// Every constraint is in the API exactly as desired.
    Applied,
    /// Every Gatekeeper process enforces every constraint, and the API server asks Gatekeeper.
    Enforced,
    /// All of the others.
    Ready,
}

/// Why a condition is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
pub enum Reason {
    /// The policy compiles.
    Compiled,
    /// The policy does not compile; the message names the field.
    Invalid,
    /// The policy sets a field whose rule does not exist yet.
    Unsupported,
    /// The constraint is in the API as desired.
    Applied,
    /// The policy demands nothing that could be violated.
    NothingToEnforce,
    /// An object of the same kind and name that is not ours stands in the way.
    Conflict,
    /// Gatekeeper's kinds are not served yet, or it has not made the constraint's kind from our template.
    WaitingForGatekeeper,
    /// The API server refused a write; the message says why.
    ApplyFailed,
    /// The constraint of an invalid policy is not there.
    NotApplied,
    /// Every process enforces the constraint.
    Enforced,
    /// Some process does not enforce the constraint yet; the message names it.
    NotEnforcedBy,
    /// Gatekeeper could not compile our template.
    TemplateRejected,
    /// No webhook of Gatekeeper gets the requests that the policy is about.
    NotRouted,
    /// There is no Gatekeeper process that could enforce anything.
    NoGatekeeperProcess,
    /// Valid, applied and enforced.
    Ready,
}

impl Reason {
    /// The word in the condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl ConditionType {
    /// The word in the condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
