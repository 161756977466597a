//! What Gatekeeper keeps in its inventory.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

/// The group of SyncSets.
pub const SYNC_SET_GROUP: &str = "syncset.gatekeeper.sh";
/// The version of SyncSets.
pub const SYNC_SET_VERSION: &str = "v1alpha1";

/// Kinds that every Gatekeeper process keeps a copy of, for Rego to look things up. The kinds of all SyncSets and of
/// the `Config` add up.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncSet {
    api_version: String,
    kind: &'static str,
    /// Name and labels.
    pub metadata: ObjectMeta,
    spec: SyncSetSpec,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct SyncSetSpec {
    gvks: Vec<GroupVersionKind>,
}

/// A kind in one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupVersionKind {
    /// The group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind.
    pub kind: String,
}

impl SyncSet {
    /// Keeps these kinds.
    #[must_use]
    pub fn new(metadata: ObjectMeta, gvks: Vec<GroupVersionKind>) -> Self {
        let api_version = format!("{SYNC_SET_GROUP}/{SYNC_SET_VERSION}");
        Self { api_version, kind: "SyncSet", metadata, spec: SyncSetSpec { gvks } }
    }
}
