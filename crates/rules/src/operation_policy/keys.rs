//! The parameters of the rules on labels and annotations.

use schemars::JsonSchema;
use serde::Serialize;

/// A label or annotation that must be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyDemand {
    /// Its key.
    pub key: String,
    /// What its value must match: RE2, unanchored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_regex: Option<String>,
}

/// A kind whose objects are looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WatchedKind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
}
