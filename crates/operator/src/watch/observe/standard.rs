//! What the constraints of the Pod Security Standards are decided from.

use std::sync::Arc;

use gatewright_rules::Template;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::world::World;

const TEMPLATE: Template = Template::PodSecurityStandard;

/// One constraint of the standards' kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StandardSnapshot {
    pub(crate) id: Id,
    /// Whether all constraints of the kind are known.
    pub(crate) served: bool,
    pub(crate) template: Option<Arc<Live>>,
    pub(crate) constraint: Observed,
    /// Who owns what goes with the release.
    pub(crate) release: Option<OwnerReference>,
}

impl StandardSnapshot {
    pub(crate) fn observe(world: &World, name: &str) -> Self {
        let id = Id::new(Kind::Constraint(TEMPLATE), name);
        Self {
            served: world.constraints(TEMPLATE).is_complete(),
            template: world.templates.get(&TEMPLATE.name()),
            constraint: world.observed(&id),
            release: world.release(),
            id,
        }
    }
}
