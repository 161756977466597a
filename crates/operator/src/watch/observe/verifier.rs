//! What is decided about the verifier from, and what is said of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatewright_rules::Template;
use gatewright_rules::verify_image_signatures::PROVIDER;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::Timestamp;

use crate::watch::cache::Knowledge;
use crate::watch::certificate::Held;
use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::published::Verifiers;
use crate::watch::world::World;

const TEMPLATE: Template = Template::VerifyImageSignatures;

/// The verifier: what Gatekeeper is told about it, what it serves, and what it says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct VerifierView {
    /// Whether all Providers are known.
    pub(crate) served: bool,
    /// The Provider of our name, whosever it is.
    pub(crate) provider: Option<Arc<Live>>,
    /// The Providers of others: name, and how many seconds an answer may take.
    pub(crate) others: Vec<(String, i64)>,
    /// Whether the operator may see the Secret.
    pub(crate) secret_served: bool,
    /// The Secret with the certificate, without its keys; none if it is not there.
    pub(crate) secret: Option<Arc<Held>>,
    /// What the verifiers said; none until they were asked.
    pub(crate) said: Option<Arc<Verifiers>>,
    /// Who owns what goes with the release.
    pub(crate) release: Option<OwnerReference>,
}

impl VerifierView {
    pub(crate) fn observe(world: &World) -> Self {
        let timeout = |live: &Live| live.spec.value()["timeout"].as_i64().unwrap_or_default();
        let other = |name: String| world.providers.get(&name).map(|live| (name, timeout(&live)));
        let names = world.providers.names().into_iter().filter(|name| name != PROVIDER);
        let mut others: Vec<_> = names.filter_map(other).collect();
        others.sort();
        Self {
            served: world.providers.is_complete(),
            provider: world.providers.get(PROVIDER),
            others,
            secret_served: world.certificate.is_complete(),
            secret: world.certificate.get(&world.secret_key()),
            said: world.verifiers.get(),
            release: world.release(),
        }
    }

    /// Whether something can be said of the verifier, where `enabled` says whether there is to be one. Before, as just
    /// after the start, a condition would turn for a moment and back again.
    pub(crate) fn is_known(world: &World, enabled: bool) -> bool {
        let known = [world.providers.knowledge(), world.certificate.knowledge()];
        !known.contains(&Knowledge::Unknown) && (!enabled || world.verifiers.get().is_some())
    }
}

/// What is decided about the Provider and its certificate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VerifierSnapshot {
    pub(crate) view: VerifierView,
    /// Our Provider, and what is remembered of it.
    pub(crate) provider: Observed,
    /// Whether constraints of ours still ask the Provider.
    pub(crate) constraints: bool,
    /// Whether our template is still there, and is about to go once nothing needs it.
    pub(crate) template: bool,
    /// The processes of Gatekeeper that must know the Provider.
    pub(crate) expected: BTreeSet<String>,
    pub(crate) now: Timestamp,
}

/// The Provider.
pub(crate) fn provider() -> Id {
    Id::new(Kind::Provider, PROVIDER)
}

impl VerifierSnapshot {
    /// None while something is not known yet, or while the operator may not see the Secret: then nothing may be concluded,
    /// and the cache that is filled last wakes us.
    pub(crate) fn observe(world: &World) -> Option<Self> {
        let constraints = world.constraints(TEMPLATE);
        let knowledge = [world.providers.knowledge(), world.templates.knowledge(), constraints.knowledge()];
        let is_unknown = knowledge.contains(&Knowledge::Unknown) || !world.certificate.is_complete();
        if is_unknown || !world.may_be_judged() {
            return None;
        }
        let template = world.templates.get(&TEMPLATE.name());
        // Without a template there is no kind, whatever is remembered of its objects.
        let has_kind = constraints.is_complete() || template.is_some();
        Some(Self {
            view: VerifierView::observe(world),
            provider: world.observed(&provider()),
            constraints: has_kind && constraints.values().iter().any(|live| live.ours),
            template: template.is_some_and(|live| live.ours) && constraints.is_empty(),
            expected: world.expected_processes(),
            now: Timestamp::now(),
        })
    }
}
