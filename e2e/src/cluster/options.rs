//! What a cluster is to be like.

use serde::{Deserialize, Serialize};

/// What a cluster is to be like; [`Options::new`] has the defaults.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Options {
    /// The name of the cluster and of its data directory: lower-case letters, digits and dashes.
    pub name: String,
    /// One Gatekeeper process for each name; with none, Gatekeeper is not installed at all.
    /// The name is that of the process and of its Pod.
    pub gatekeepers: Vec<String>,
    /// How many nodes there are. Pods on them become Running without a container.
    pub nodes: usize,
    /// What becomes of a request while Gatekeeper cannot answer.
    pub failure_policy: FailurePolicy,
    /// Seconds between two audits.
    pub audit_interval: u32,
    /// Further arguments of every Gatekeeper process.
    #[serde(default)]
    pub gatekeeper_arguments: Vec<String>,
    /// Admission plugins of the API server beside those that are on by default.
    #[serde(default)]
    pub admission_plugins: Vec<String>,
    /// Whether the data directory stays when an owned cluster ends.
    pub keep: bool,
}

/// The failure policy of Gatekeeper's validating webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailurePolicy {
    /// Refuse: what tests need, since a refusal then never depends on timing.
    Fail,
    /// Let pass, as upstream's chart does by default.
    Ignore,
}

impl Options {
    /// One node, one Gatekeeper process, failure policy Fail, an audit each 5 seconds, nothing kept.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            gatekeepers: Self::gatekeeper_names(1),
            nodes: 1,
            failure_policy: FailurePolicy::Fail,
            audit_interval: 5,
            gatekeeper_arguments: vec![],
            admission_plugins: vec![],
            keep: std::env::var_os("GATEWRIGHT_E2E_KEEP").is_some(),
        }
    }

    /// `gatekeeper-0`, `gatekeeper-1` and so on.
    #[must_use]
    pub fn gatekeeper_names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("gatekeeper-{index}")).collect()
    }
}
