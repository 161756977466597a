//! What the exec guard is decided from.

use std::sync::Arc;

use gatewright_compiler::{EXEC_GUARD, SYNC_SET};
use gatewright_rules::Template;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::watch::cache::Knowledge;
use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::world::World;

const TEMPLATE: Template = Template::DenyExecHeritage;

/// The exec guard and what it needs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GuardSnapshot {
    /// Whether there is a Pod to guard; none where the operator may not see them.
    pub(crate) pods: Option<bool>,
    pub(crate) template: Option<Arc<Live>>,
    pub(crate) constraints_served: bool,
    pub(crate) constraint: Observed,
    /// Constraints of the kind with other names.
    pub(crate) others: Vec<(Id, Observed)>,
    pub(crate) sync_sets_served: bool,
    pub(crate) sync_set: Observed,
    /// The namespaces that Gatekeeper's `Config` keeps out of the inventory.
    pub(crate) unsynced: Vec<String>,
    /// Who owns what goes with the release.
    pub(crate) release: Option<OwnerReference>,
}

impl GuardSnapshot {
    /// None while something is not known yet: then nothing may be concluded, and the cache that is filled last wakes
    /// us.
    pub(crate) fn observe(world: &World) -> Option<Self> {
        let constraints = world.constraints(TEMPLATE);
        let knowledge = [
            world.platform_pods.knowledge(),
            world.sync_sets.knowledge(),
            world.exemptions.knowledge(),
            constraints.knowledge(),
        ];
        if !world.templates.is_complete() || knowledge.contains(&Knowledge::Unknown) {
            return None;
        }
        let others = constraints.names().into_iter().filter(|name| name != EXEC_GUARD).map(constraint);
        Some(Self {
            pods: world.platform_pods.is_complete().then(|| !world.platform_pods.is_empty()),
            template: world.templates.get(&TEMPLATE.name()),
            constraints_served: constraints.is_complete(),
            constraint: world.observed(&constraint(EXEC_GUARD)),
            others: others.map(|id| (id.clone(), world.observed(&id))).collect(),
            sync_sets_served: world.sync_sets.is_complete(),
            sync_set: world.observed(&sync_set()),
            unsynced: unsynced(world),
            release: world.release(),
        })
    }
}

/// A constraint of the guard's kind.
pub(crate) fn constraint(name: impl Into<String>) -> Id {
    Id::new(Kind::Constraint(TEMPLATE), name)
}

/// What makes Gatekeeper keep all Pods in its inventory.
pub(crate) fn sync_set() -> Id {
    Id::new(Kind::SyncSet, SYNC_SET)
}

fn unsynced(world: &World) -> Vec<String> {
    let lists = world.exemptions.values();
    let all = lists.iter().flat_map(|list| list.iter());
    all.filter(|exemption| exemption.sync).map(|exemption| exemption.namespaces.clone()).collect()
}
