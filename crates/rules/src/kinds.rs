//! The kinds that rules look at.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use gatewright_gatekeeper::{MatchKinds, Route};

/// A kind, and the resource under which the API server asks about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The API group of the object; empty for the core group.
    pub group: Cow<'static, str>,
    /// The kind of the object.
    pub kind: Cow<'static, str>,
    /// The group and resource of the request, with the subresource after a slash. A scale, for one, is an object of
    /// one group that is sent to a resource of another. None for a kind that we only know by name.
    pub resource: Option<(&'static str, &'static str)>,
}

const fn kind(group: &'static str, kind: &'static str, resource: &'static str) -> Kind {
    Kind { group: Cow::Borrowed(group), kind: Cow::Borrowed(kind), resource: Some((group, resource)) }
}

const fn scale(resource: &'static str) -> Kind {
    Kind {
        group: Cow::Borrowed("autoscaling"),
        kind: Cow::Borrowed("Scale"),
        resource: Some(("apps", resource)),
    }
}

/// A Pod.
pub const POD: Kind = kind("", "Pod", "pods");
/// A ReplicationController.
pub const REPLICATION_CONTROLLER: Kind = kind("", "ReplicationController", "replicationcontrollers");
/// A DaemonSet.
pub const DAEMON_SET: Kind = kind("apps", "DaemonSet", "daemonsets");
/// A Deployment.
pub const DEPLOYMENT: Kind = kind("apps", "Deployment", "deployments");
/// A StatefulSet.
pub const STATEFUL_SET: Kind = kind("apps", "StatefulSet", "statefulsets");
/// A CronJob.
pub const CRON_JOB: Kind = kind("batch", "CronJob", "cronjobs");
/// A Job.
pub const JOB: Kind = kind("batch", "Job", "jobs");
/// A Service.
pub const SERVICE: Kind = kind("", "Service", "services");
/// A PersistentVolumeClaim.
pub const PERSISTENT_VOLUME_CLAIM: Kind = kind("", "PersistentVolumeClaim", "persistentvolumeclaims");
/// An Ingress.
pub const INGRESS: Kind = kind("networking.k8s.io", "Ingress", "ingresses");
/// A Role.
pub const ROLE: Kind = kind("rbac.authorization.k8s.io", "Role", "roles");
/// A RoleBinding.
pub const ROLE_BINDING: Kind = kind("rbac.authorization.k8s.io", "RoleBinding", "rolebindings");
/// What `kubectl scale` sends for a Deployment.
pub const DEPLOYMENT_SCALE: Kind = scale("deployments/scale");
/// What `kubectl scale` sends for a StatefulSet.
pub const STATEFUL_SET_SCALE: Kind = scale("statefulsets/scale");

/// The controllers whose Pod template is judged, so that people learn at `apply` and not from missing Pods.
pub const CONTROLLERS: [Kind; 6] =
    [REPLICATION_CONTROLLER, DAEMON_SET, DEPLOYMENT, STATEFUL_SET, CRON_JOB, JOB];

impl Kind {
    /// A kind that we only know by name.
    #[must_use]
    pub fn named(group: &str, kind: &str) -> Self {
        Self { group: Cow::Owned(group.to_owned()), kind: Cow::Owned(kind.to_owned()), resource: None }
    }

    /// The requests in which such objects come. A subresource is only ever updated.
    #[must_use]
    pub fn routes(&self) -> Vec<Route> {
        let Some((group, resource)) = self.resource else { return vec![] };
        let operations: &[_] = if resource.contains('/') { &["UPDATE"] } else { &["CREATE", "UPDATE"] };
        let route = |operation: &&'static str| Route {
            group: group.to_owned(),
            resource: resource.to_owned(),
            operation,
        };
        operations.iter().map(route).collect()
    }
}

/// The `match.kinds` for a set of kinds: one entry per group, in order.
#[must_use]
pub fn match_kinds(kinds: &[Kind]) -> Vec<MatchKinds> {
    let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for kind in kinds {
        groups.entry(&kind.group).or_default().insert(&kind.kind);
    }
    groups
        .into_iter()
        .map(|(group, kinds)| MatchKinds {
            api_groups: vec![group.to_owned()],
            kinds: kinds.into_iter().map(str::to_owned).collect(),
        })
        .collect()
}
