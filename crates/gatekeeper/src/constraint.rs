//! Constraints, as far as we write them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Serialize;
use serde_json::Value;

use crate::Action;

/// The group of all constraint kinds.
pub const CONSTRAINT_GROUP: &str = "constraints.gatekeeper.sh";
/// The storage version of all constraint kinds.
pub const CONSTRAINT_VERSION: &str = "v1beta1";

/// A constraint: a template applied to some objects.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Constraint {
    api_version: String,
    /// The kind that the template defines.
    pub kind: String,
    /// Name, labels and owner.
    pub metadata: ObjectMeta,
    /// What the constraint says.
    pub spec: ConstraintSpec,
}

/// What a constraint says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConstraintSpec {
    /// What happens to an object that violates it.
    pub enforcement_action: Action,
    /// What the constraint applies to.
    pub r#match: Match,
    /// The parameters of the template.
    pub parameters: Value,
}

/// What a constraint applies to. All given parts must hold; an absent or empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// The kinds of the object in the request.
    pub kinds: Vec<MatchKinds>,
    /// `Namespaced`, `Cluster` or `*`. Gatekeeper reads any other word as `*`.
    pub scope: &'static str,
    /// Names or globs of namespaces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Names or globs of namespaces that are left out; this wins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded_namespaces: Vec<String>,
    /// The labels of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// The labels of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
}

/// Kinds of some groups, in every version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MatchKinds {
    /// The groups; empty for the core group.
    pub api_groups: Vec<String>,
    /// The kinds.
    pub kinds: Vec<String>,
}

impl Constraint {
    /// A constraint of a kind.
    #[must_use]
    pub fn new(kind: &str, metadata: ObjectMeta, spec: ConstraintSpec) -> Self {
        let api_version = format!("{CONSTRAINT_GROUP}/{CONSTRAINT_VERSION}");
        Self { api_version, kind: kind.to_owned(), metadata, spec }
    }
}
