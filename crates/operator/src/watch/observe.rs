//! Takes from the caches what one decision reads, as plain values.

use std::sync::Arc;

use gatewright_gatekeeper::{Exemption, Process, WEBHOOK_CONFIGURATION};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;

use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::world::World;

mod namespaces;
mod reports;
mod scrape;
mod standard;
mod system;
mod template;

pub(crate) use namespaces::NamespacesSnapshot;
pub(crate) use reports::{Audited, Preferred, ReportKinds, ReportsSnapshot};
pub(crate) use scrape::{CacheSeen, PolicySeen, ScrapeSnapshot};
pub(crate) use standard::StandardSnapshot;
pub(crate) use system::{StandardReach, SystemSnapshot};
pub(crate) use template::TemplateSnapshot;

/// What decides whether constraints are enforced.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Gatekeeper {
    /// The Pods of Gatekeeper's namespace; none where the operator may not watch them.
    pub(crate) processes: Option<Vec<Arc<Process>>>,
    /// Upstream's webhook configurations, and our own.
    pub(crate) webhooks: Vec<Arc<ValidatingWebhookConfiguration>>,
    /// What Gatekeeper's `Config` exempts.
    pub(crate) exemptions: Vec<Exemption>,
}

impl Gatekeeper {
    pub(crate) fn observe(world: &World) -> Self {
        let own = world.own_webhook.get(WEBHOOK_CONFIGURATION).filter(|live| live.ours);
        let own = own.and_then(|live| live.configuration.clone());
        Self {
            processes: world.pods.is_complete().then(|| world.pods.values()),
            webhooks: world.webhooks.values().into_iter().chain(own).collect(),
            exemptions: world.exemptions.values().iter().flat_map(|list| list.iter().cloned()).collect(),
        }
    }
}

impl World {
    /// One object that we write: as it is seen, and what is remembered of it.
    pub(crate) fn observed(&self, id: &Id) -> Observed {
        self.last_applied.observed(id, self.live(id))
    }

    /// Reports are too large to be kept as they are.
    fn live(&self, id: &Id) -> Option<Arc<Live>> {
        match id.kind {
            Kind::Template => self.templates.get(&id.name),
            Kind::Constraint(kind) => self.constraints.get(kind)?.get(&id.name),
            Kind::SyncSet => self.sync_sets.get(&id.name),
            Kind::Webhooks => self.own_webhook.get(&id.name),
            Kind::Report(_) => None,
        }
    }
}
