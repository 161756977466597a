//! The kinds that rules look at.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use gatewright_gatekeeper::{MatchKinds, Operation, Route};
use k8s_openapi::Resource;
use k8s_openapi::api::{
    apps::v1 as apps, batch::v1 as batch, core::v1 as core, networking::v1 as networking, rbac::v1 as rbac,
};

mod builtin;

pub use builtin::{Builtin, builtin, is_builtin_group, respelled, similar};

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

const fn of<T: Resource>() -> Kind {
    Kind {
        group: Cow::Borrowed(T::GROUP),
        kind: Cow::Borrowed(T::KIND),
        resource: Some((T::GROUP, T::URL_PATH_SEGMENT)),
    }
}

/// What is sent to a subresource of Pods.
const fn of_pod(kind: &'static str, resource: &'static str) -> Kind {
    Kind { group: Cow::Borrowed(""), kind: Cow::Borrowed(kind), resource: Some(("", resource)) }
}

const fn scale(resource: &'static str) -> Kind {
    Kind {
        group: Cow::Borrowed("autoscaling"),
        kind: Cow::Borrowed("Scale"),
        resource: Some(("apps", resource)),
    }
}

/// A Namespace.
pub const NAMESPACE: Kind = of::<core::Namespace>();
/// A Pod.
pub const POD: Kind = of::<core::Pod>();
/// A ReplicationController.
pub const REPLICATION_CONTROLLER: Kind = of::<core::ReplicationController>();
/// A DaemonSet.
pub const DAEMON_SET: Kind = of::<apps::DaemonSet>();
/// A Deployment.
pub const DEPLOYMENT: Kind = of::<apps::Deployment>();
/// A StatefulSet.
pub const STATEFUL_SET: Kind = of::<apps::StatefulSet>();
/// A CronJob.
pub const CRON_JOB: Kind = of::<batch::CronJob>();
/// A Job.
pub const JOB: Kind = of::<batch::Job>();
/// A Service.
pub const SERVICE: Kind = of::<core::Service>();
/// What `kubectl exec` asks of a Pod.
pub const POD_EXEC: Kind = of_pod("PodExecOptions", "pods/exec");
/// What `kubectl attach` asks of a Pod.
pub const POD_ATTACH: Kind = of_pod("PodAttachOptions", "pods/attach");
/// A PersistentVolumeClaim.
pub const PERSISTENT_VOLUME_CLAIM: Kind = of::<core::PersistentVolumeClaim>();
/// An Ingress.
pub const INGRESS: Kind = of::<networking::Ingress>();
/// A Role.
pub const ROLE: Kind = of::<rbac::Role>();
/// A RoleBinding.
pub const ROLE_BINDING: Kind = of::<rbac::RoleBinding>();
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

    /// Whether an object of the kind can carry labels. A scale is made for each request and has none, so a selector on
    /// labels says nothing about it.
    #[must_use]
    pub fn has_labels(&self) -> bool {
        !self.resource.is_some_and(|(_, resource)| resource.ends_with("/scale"))
    }

    /// Whether an object of the kind has its effect until it is gone. Whoever may delete a Role can hold it back with a
    /// finalizer, and what it then says counts as ever. Of a workload that is being deleted nobody makes Pods any more.
    #[must_use]
    pub fn acts_while_deleted(&self) -> bool {
        let is_workload = *self == POD || CONTROLLERS.contains(self) || !self.has_labels();
        !is_workload
    }

    /// Whether the kind is one of Kubernetes' own that stand outside namespaces. A kind that we do not know counts as
    /// namespaced.
    #[must_use]
    pub fn is_cluster_scoped(&self) -> bool {
        builtin(&self.group, &self.kind).is_some_and(|builtin| !builtin.namespaced)
    }

    /// Whether the kind is nobody's of Kubernetes' own, so that we cannot know whether it stands in namespaces.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        self.group.contains('.') && !self.group.ends_with(".k8s.io")
    }

    /// The requests in which such objects come. A subresource is updated, or connected to.
    #[must_use]
    pub fn routes(&self) -> Vec<Route> {
        let Some((group, resource)) = self.resource else { return vec![] };
        let operations: &[_] = match resource.split_once('/') {
            Some((_, "attach" | "exec")) => &[Operation::Connect],
            Some(_) => &[Operation::Update],
            None => &[Operation::Create, Operation::Update],
        };
        let route = |operation: &Operation| Route {
            group: group.to_owned(),
            resource: resource.to_owned(),
            operation: *operation,
        };
        operations.iter().map(route).collect()
    }
}

/// The English plural of a kind, which is also how its resource is named.
pub(crate) fn plural(kind: &str) -> String {
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
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
