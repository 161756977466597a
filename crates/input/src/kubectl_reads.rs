//! What the real kubectl reads, as a table. The reader's tests compare with it, and those of `e2e` ask kubectl itself.

use serde::Deserialize;
use serde_json::Value;

/// A part of a manifest, and what kubectl makes of it.
#[derive(Deserialize)]
pub struct Row {
    /// What stands below `apiVersion`, `kind` and `metadata`.
    pub yaml: String,
    /// Whether kubectl refuses it.
    #[serde(default)]
    pub error: bool,
    /// What it reads as `spec`.
    #[serde(default)]
    pub spec: Value,
}

/// All rows.
pub fn rows() -> serde_json::Result<Vec<Row>> {
    serde_json::from_str(include_str!("../tests/kubectl-reads.json"))
}
