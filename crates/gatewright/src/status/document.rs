//! What `status` says: the shape of its JSON.

use gatewright_api::PolicyKind;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cluster::Unseen;
use crate::foreign::Foreign;

/// The state of gatewright in a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Status {
    /// `Status`.
    pub kind: &'static str,
    /// The version of this document's shape.
    pub version: u32,
    /// Whether the system and every policy is ready.
    pub ready: bool,
    /// What the operator says of itself and of Gatekeeper, or that none runs; none where there is no state.
    pub system: Option<System>,
    /// The processes of Gatekeeper.
    pub gatekeeper: Gatekeeper,
    /// The operator.
    pub operator: Operator,
    /// The policies.
    pub policies: Vec<Policy>,
    /// The constraints of the Pod Security Standards; null where they are not shown.
    pub standards: Option<Vec<Standard>>,
    /// What somebody should look at, though it may not keep anything from being ready.
    pub findings: Vec<Foreign>,
    /// What the user may not see.
    pub incomplete: Vec<Unseen>,
}

/// What the condition `Ready` of the system says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct System {
    /// Whether it is True.
    pub ready: bool,
    /// Its reason, a CamelCase word.
    pub reason: Foreign,
    /// Its message.
    pub message: Foreign,
}

/// Gatekeeper, as it reported itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gatekeeper {
    /// The versions of its processes, each once.
    pub versions: Vec<Foreign>,
    /// How many processes answer admission requests; null where that is not shown.
    pub webhooks: Option<usize>,
    /// How many processes audit; null where that is not shown.
    pub audits: Option<usize>,
    /// The failure policies of its webhooks that judge objects, each once: `Ignore` or `Fail`; null where they are not shown.
    pub failure_policies: Option<Vec<Foreign>>,
}

/// The operator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operator {
    /// The tags of its Pods' image, each once; the digest where there is no tag.
    pub versions: Vec<Foreign>,
    /// How many of its Pods are ready; null where that is not shown.
    pub replicas: Option<usize>,
    /// Who holds the Lease; null where nobody does, or that is not shown.
    pub leader: Option<Foreign>,
    /// Whether the settings file on disk is in force; null where that is not shown, or no operator runs.
    pub settings_in_force: Option<bool>,
    /// Whether the CRDs have all that the operator knows; null where that is not shown, or no operator runs.
    pub crds_current: Option<bool>,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Policy {
    /// The kind.
    #[schemars(with = "String")]
    #[serde(serialize_with = "by_name")]
    pub kind: PolicyKind,
    /// The name.
    pub name: Foreign,
    /// `Deny`, `Warn` or `Dryrun`.
    pub action: Foreign,
    /// How far it is.
    pub state: State,
    /// Whether the policy is valid, applied and enforced.
    pub ready: bool,
    /// The reason of the condition that keeps it from being ready, else that of `Ready`.
    pub reason: Foreign,
    /// The message of that condition.
    pub message: Foreign,
    /// How many namespaces it reaches; none while it has no constraint.
    pub namespaces: Option<i32>,
    /// How many violations audit found; none before its first run.
    pub violations: Option<i64>,
    /// Objects that violate it, as far as the policy's status names them.
    pub objects: Vec<ObjectName>,
    /// Whether there are more: audit and the policy's status list only some.
    #[serde(rename = "moreObjects")]
    pub more_objects: bool,
    /// What each process of Gatekeeper says of the policy's constraint.
    pub processes: Vec<Process>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn by_name<S: serde::Serializer>(kind: &PolicyKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

/// How far a policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema, strum::Display)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Valid, applied and enforced.
    #[strum(serialize = "Ready")]
    Ready,
    /// It does not compile. What its last valid generation demanded is still enforced where it was.
    #[strum(serialize = "invalid")]
    Invalid,
    /// Some process of Gatekeeper does not enforce it, or no request reaches Gatekeeper.
    #[strum(serialize = "not enforced")]
    NotEnforced,
    /// No operator has said anything of this generation.
    #[strum(serialize = "unknown")]
    Unknown,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ObjectName {
    /// The kind.
    pub kind: Foreign,
    /// The namespace; empty if it stands in none.
    pub namespace: Foreign,
    /// The name.
    pub name: Foreign,
}

/// What a process of Gatekeeper says of a constraint.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Process {
    /// The name of its Pod.
    pub name: Foreign,
    /// Whether it has loaded the constraint.
    pub enforced: bool,
    /// The generation of the constraint that it has seen.
    pub generation: Option<i64>,
    /// What went wrong.
    pub errors: Vec<Foreign>,
}

/// A constraint of the Pod Security Standards.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Standard {
    /// `baseline` or `restricted`.
    pub level: Foreign,
    /// `deny`, `warn` or `dryrun`.
    pub action: Foreign,
    /// How many namespaces it reaches.
    pub namespaces: i32,
    /// How many violations audit found; none before its first run.
    pub violations: Option<i64>,
}
