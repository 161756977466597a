//! What Gatekeeper's processes report, and which of them must.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// The operation of a process that answers admission requests.
pub const WEBHOOK_OPERATION: &str = "webhook";

/// The label by which upstream's manifests tell the webhook's Pods from the audit's.
pub(crate) const CONTROL_PLANE_LABEL: (&str, &str) = ("control-plane", "controller-manager");

/// What one process says of a template, constraint or Provider: an entry of `status.byPod`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// The name of the process' Pod.
    pub id: String,
    /// The uid of the object that the entry speaks of; an older object of the same name has another.
    #[serde(alias = "templateUID", alias = "constraintUID", alias = "providerUID")]
    pub uid: String,
    /// What the process does: `webhook`, `audit`, `status`, `generate` and others.
    pub operations: Vec<String>,
    /// The generation of the object that the process has seen.
    pub observed_generation: Option<i64>,
    /// What went wrong; the process keeps what it had before.
    pub errors: Vec<PodStatusError>,
    /// Of a constraint: whether it was ever loaded. Gatekeeper never sets it back. Of a Provider: whether it is asked.
    #[serde(alias = "active")]
    pub enforced: bool,
}

/// An error in an entry of `status.byPod`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PodStatusError {
    /// A short word; constraints' errors have none.
    pub code: String,
    /// The text.
    pub message: String,
}

/// A Pod of Gatekeeper's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// The Pod's name, which is the process' id in `byPod`.
    pub name: String,
    /// The Pod's labels.
    pub labels: BTreeMap<String, String>,
    /// Whether the Pod is about to go, or has ended for good.
    pub terminating: bool,
    /// The tag of its image, or the digest where it has no tag; empty where it has neither.
    pub version: String,
    /// The namespaces, as names or globs, that its flags let carry the label [`crate::IGNORE_LABEL`].
    pub exempt: Vec<String>,
}

/// The tag of an image, or the digest where it has no tag.
#[must_use]
pub fn image_version(image: &str) -> Option<&str> {
    let name = image.rsplit('/').next()?;
    let (name, digest) = name.split_once('@').map_or((name, None), |(name, digest)| (name, Some(digest)));
    name.split_once(':').map(|(_, tag)| tag).or(digest)
}

/// The entries of an object's `status.byPod`. An entry that does not parse is left out: it cannot say "enforced".
#[must_use]
pub fn pod_statuses(status: &Value) -> Vec<PodStatus> {
    let entries = status.get("byPod").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entries.iter().filter_map(|entry| PodStatus::deserialize(entry).ok()).collect()
}

/// The processes that must enforce: those that have reported as a webhook, and those that upstream's label says
/// will. Pods that are about to go do not count.
pub fn expected_processes<'a>(
    pods: impl IntoIterator<Item = &'a Process>,
    reports: &[PodStatus],
) -> BTreeSet<String> {
    let webhooks: BTreeSet<_> = reports
        .iter()
        .filter(|report| report.operations.iter().any(|operation| operation == WEBHOOK_OPERATION))
        .map(|report| report.id.as_str())
        .collect();
    let (key, value) = CONTROL_PLANE_LABEL;
    pods.into_iter()
        .filter(|pod| !pod.terminating)
        .filter(|pod| {
            webhooks.contains(pod.name.as_str()) || pod.labels.get(key).is_some_and(|found| found == value)
        })
        .map(|pod| pod.name.clone())
        .collect()
}
