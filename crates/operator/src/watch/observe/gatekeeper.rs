//! What decides whether constraints are enforced.

use std::sync::Arc;

use gatewright_gatekeeper::{Exemption, Process, WEBHOOK_CONFIGURATION};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;

use crate::watch::world::World;

/// Gatekeeper, and what the API server asks it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Gatekeeper {
    /// The Pods of Gatekeeper's namespace; none where the operator may not watch them.
    pub(crate) processes: Option<Vec<Arc<Process>>>,
    /// Upstream's webhook configurations, and our own.
    pub(crate) webhooks: Vec<Arc<ValidatingWebhookConfiguration>>,
    /// What Gatekeeper's `Config` exempts.
    pub(crate) exemptions: Vec<Exemption>,
    /// The CRD of its templates has no `operations`.
    pub(crate) lacks_operations: bool,
}

impl Gatekeeper {
    pub(crate) fn observe(world: &World) -> Self {
        let own = world.own_webhook.get(WEBHOOK_CONFIGURATION).filter(|live| live.ours);
        let own = own.and_then(|live| live.configuration.clone());
        Self {
            processes: world.pods.is_complete().then(|| world.pods.values()),
            webhooks: world.webhooks.values().into_iter().chain(own).collect(),
            lacks_operations: world.schemas.get().is_some_and(|schemas| schemas.lacks_operations),
            exemptions: world.exemptions.values().iter().flat_map(|list| list.iter().cloned()).collect(),
        }
    }
}
