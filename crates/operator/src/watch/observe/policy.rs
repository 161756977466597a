//! What a policy is decided from.

use std::sync::Arc;

use gatewright_api::Guarded;
use gatewright_compiler::NamedKind;
use gatewright_gatekeeper::Resource;
use gatewright_rules::Template;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::ApiResource;

use crate::Error;
use crate::watch::cache::Knowledge;
use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::observe::gatekeeper::Gatekeeper;
use crate::watch::observe::verifier::VerifierView;
use crate::watch::policies::Watched;
use crate::watch::world::World;

/// A policy and its constraints, whether they exist or not.
#[derive(Clone, Debug)]
pub(crate) struct PolicySnapshot<P> {
    pub(crate) policies_served: bool,
    pub(crate) policy: Option<Arc<Guarded<P>>>,
    /// The constraint of its rules.
    pub(crate) rules: ConstraintSnapshot,
    /// The constraint of its image signatures, for a kind that has such.
    pub(crate) signatures: Option<ConstraintSnapshot>,
    /// What that constraint needs beside Gatekeeper.
    pub(crate) verifier: VerifierView,
    pub(crate) templates_served: bool,
    pub(crate) gatekeeper: Gatekeeper,
    /// How many namespaces the constraints reach; none while that is not known.
    pub(crate) namespaces: Option<i32>,
    /// The kinds that the policy names and the API server does not serve, as far as that is known.
    pub(crate) unserved: Vec<NamedKind>,
    /// The fields that the served CRD of the policy's kind lacks.
    pub(crate) lacking: Vec<String>,
    /// Who owns what goes with the release.
    pub(crate) release: Option<OwnerReference>,
}

/// A constraint of a policy and its template, whether they exist or not.
#[derive(Clone, Debug)]
pub(crate) struct ConstraintSnapshot {
    pub(crate) of: Template,
    /// The constraint; it has the policy's name.
    pub(crate) id: Id,
    /// Whether the API server serves the kind.
    pub(crate) served: bool,
    pub(crate) constraint: Observed,
    pub(crate) template: Option<Arc<Live>>,
}

impl ConstraintSnapshot {
    fn observe(world: &World, of: Template, name: &str) -> Self {
        let id = Id::new(Kind::Constraint(of), name);
        Self {
            of,
            served: world.constraints(of).is_complete(),
            constraint: world.observed(&id),
            template: world.templates.get(&of.name()),
            id,
        }
    }

    /// How many namespaces our constraint reaches.
    fn reached(&self, world: &World) -> Option<i32> {
        let ours = self.constraint.live.as_ref().filter(|live| live.ours)?;
        world.namespaces.reached_by(self.of, &self.id.name, ours)
    }
}

impl<P: Watched> PolicySnapshot<P> {
    /// None while something is not known yet, as just after the start: then nothing may be concluded, and the cache
    /// that is filled last wakes everybody. Beside the snapshot stands whether the API server could be asked about the
    /// kinds that the policy names: the rest is worth deciding about all the same.
    pub(crate) async fn observe(world: &World, name: &str) -> Option<(Self, Result<(), Error>)> {
        if is_unknown::<P>(world) {
            return None;
        }
        let policy = P::cache(&world.policies).get(name);
        let rules = ConstraintSnapshot::observe(world, P::TEMPLATE, name);
        let signatures = P::SIGNATURES.map(|of| ConstraintSnapshot::observe(world, of, name));
        let reached = || {
            let of_signatures = signatures.as_ref().and_then(|it| it.reached(world));
            rules.reached(world).or(of_signatures)
        };
        let (unserved, asked) = match unserved(world, policy.as_deref()).await {
            Ok(unserved) => (unserved, Ok(())),
            Err(error) => (vec![], Err(error)),
        };
        let snapshot = Self {
            policies_served: P::cache(&world.policies).is_complete(),
            templates_served: world.templates.is_complete(),
            gatekeeper: Gatekeeper::observe(world),
            namespaces: policy.as_ref().and_then(|_| reached()),
            lacking: lacking::<P>(world)?,
            release: world.release(),
            unserved,
            policy,
            rules,
            signatures,
            verifier: VerifierView::observe(world),
        };
        Some((snapshot, asked))
    }
}

async fn unserved<P: Watched>(world: &World, policy: Option<&Guarded<P>>) -> Result<Vec<NamedKind>, Error> {
    let parsed = policy.and_then(|policy| policy.parsed.as_ref().ok());
    let mut named = parsed.map(|policy| policy.named_kinds()).unwrap_or_default();
    if named.is_empty() {
        return Ok(vec![]);
    }
    let is_served = |named: &NamedKind, known: &[Resource]| {
        known.iter().any(|it| (&it.group, &it.kind) == (&named.group, &named.kind))
    };
    let suffices = |known: &[Resource]| named.iter().all(|kind| is_served(kind, known));
    let served = world.served.look(&world.client, suffices).await?;
    named.retain(|kind| !is_served(kind, &served));
    Ok(named)
}

/// None while the kind is served and its schema is not known yet, or the policies were listed under another one: what is
/// known of them may lack fields that they have.
fn lacking<P: Watched>(world: &World) -> Option<Vec<String>> {
    let schemas = world.schemas.get()?;
    let policies = P::cache(&world.policies);
    if !policies.is_complete() {
        return Some(vec![]);
    }
    if policies.schema().as_deref() != schemas.addresses.of(&ApiResource::erase::<P>(&())) {
        return None;
    }
    schemas.of(P::KIND.name())
}

fn is_unknown<P: Watched>(world: &World) -> bool {
    let knowledge = [
        P::cache(&world.policies).knowledge(),
        world.constraints(P::TEMPLATE).knowledge(),
        P::SIGNATURES.map_or(Knowledge::Absent, |of| world.constraints(of).knowledge()),
        world.templates.knowledge(),
        world.pods.knowledge(),
        world.webhooks.knowledge(),
        world.exemptions.knowledge(),
        world.own_webhook.knowledge(),
        world.namespaces.knowledge(),
    ];
    let verifies = P::SIGNATURES.is_some() && world.settings.signatures.is_enabled();
    let lacks_verifier = verifies && !VerifierView::is_known(world, true);
    !world.may_be_judged() || lacks_verifier || knowledge.contains(&Knowledge::Unknown)
}
