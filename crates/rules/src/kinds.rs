//! The kinds that rules look at.

use gatewright_gatekeeper::MatchKinds;

/// A kind, and the resource under which the API server serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The resource: the kind's name in URLs and webhook rules.
    pub resource: &'static str,
}

const fn kind(group: &'static str, kind: &'static str, resource: &'static str) -> Kind {
    Kind { group, kind, resource }
}

/// A Pod.
pub const POD: Kind = kind("", "Pod", "pods");

/// The controllers whose Pod template is judged, so that people learn at `apply` and not from missing Pods.
pub const CONTROLLERS: [Kind; 6] = [
    kind("", "ReplicationController", "replicationcontrollers"),
    kind("apps", "DaemonSet", "daemonsets"),
    kind("apps", "Deployment", "deployments"),
    kind("apps", "StatefulSet", "statefulsets"),
    kind("batch", "CronJob", "cronjobs"),
    kind("batch", "Job", "jobs"),
];

/// The `match.kinds` for a set of kinds: one entry per group, in order.
#[must_use]
pub fn match_kinds(kinds: &[Kind]) -> Vec<MatchKinds> {
    let mut sorted = kinds.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
        .chunk_by(|a, b| a.group == b.group)
        .map(|group| MatchKinds {
            api_groups: vec![group[0].group.into()],
            kinds: group.iter().map(|kind| kind.kind.into()).collect(),
        })
        .collect()
}
