//! The exec guard: nobody but the platform itself enters the platform's own Pods.

use gatewright_gatekeeper::Operation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::{Kind, POD_ATTACH, POD_EXEC};
use crate::{Definition, Entry, Owner};

/// The label of the Pods that are guarded, with its value.
pub const HERITAGE_LABEL: (&str, &str) = ("heritage", "deckhouse");

/// The kinds of the requests that are judged.
pub const JUDGED: [Kind; 2] = [POD_ATTACH, POD_EXEC];

/// The parameters of the constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// What happens to a request about a Pod that Gatekeeper's inventory does not know.
    pub unknown_pods: UnknownPods,
    /// Namespaces, as names or globs, whose Pods the inventory never knows; there they are allowed.
    pub unknown_pods_allowed_in: Vec<String>,
    /// Users who may enter every Pod.
    pub exempt_users: Vec<String>,
    /// Namespaces, as names or globs, whose service accounts may enter every Pod.
    pub exempt_service_account_namespaces: Vec<String>,
}

/// What happens to a request about a Pod that Gatekeeper's inventory does not know.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::AsRefStr,
    strum::EnumString,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum UnknownPods {
    /// It is refused, with the advice to try again.
    #[default]
    Deny,
    /// It is allowed.
    Allow,
}

/// The template.
pub const DEFINITION: Definition = Definition {
    kind: "D8DenyExecHeritage",
    folder: "deny-exec-heritage",
    owner: Owner::ExecGuard,
    title: "No exec into the platform's own Pods",
    operations: &[Operation::Connect],
    libs: &[],
    rules: &[],
    parameters: crate::template::schema_of::<Parameters>,
    entry: Entry::Written(include_str!("../../../templates/deny-exec-heritage/entry.rego")),
};
