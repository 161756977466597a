//! What our webhook configuration is decided from.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatewright_gatekeeper::{
    Matcher, Operation, Resource, TemplateSource, UserConstraint, WEBHOOK_CONFIGURATION,
};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::Error;
use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::observe::guard::GuardSnapshot;
use crate::watch::policies::AnyPolicy;
use crate::watch::world::World;

/// The exec guard, and what is sent to Gatekeeper.
#[derive(Clone, Debug)]
pub(crate) struct RoutingSnapshot {
    /// Upstream's webhook configurations.
    pub(crate) webhooks: Vec<Arc<ValidatingWebhookConfiguration>>,
    /// Our own.
    pub(crate) own: Observed,
    /// None while not all is known.
    pub(crate) guard: Option<GuardSnapshot>,
    /// None while not all is known.
    pub(crate) demand: Option<Demand>,
    /// Who owns what goes with the release.
    pub(crate) release: Option<OwnerReference>,
}

/// What wants requests to be sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demand {
    /// The templates of other people.
    pub(crate) templates: Vec<Arc<TemplateSource>>,
    /// Their constraints: kind, name, and what they match.
    pub(crate) constraints: Vec<(String, String, Arc<Matcher>)>,
    /// The served resources of the kinds whose deletion they want to see.
    pub(crate) resources: Vec<Resource>,
    /// Our policies.
    pub(crate) policies: Vec<Arc<dyn AnyPolicy>>,
}

impl RoutingSnapshot {
    /// None while webhook configurations are not known. Beside the snapshot stands whether the API server could be
    /// asked about all that it needs: the rest is worth deciding about all the same.
    pub(crate) async fn observe(world: &World) -> Option<(Self, Result<(), Error>)> {
        if !world.webhooks.is_complete() || !world.own_webhook.is_complete() {
            return None;
        }
        let guard = GuardSnapshot::observe(world);
        let demand = if guard.is_some() { Demand::observe(world).await } else { Ok(None) };
        let (demand, asked) = match demand {
            Ok(demand) => (demand, Ok(())),
            Err(error) => (None, Err(error)),
        };
        let own = world.observed(&own());
        let release = world.release();
        Some((Self { webhooks: world.webhooks.values(), own, guard, demand, release }, asked))
    }
}

/// Our own webhook configuration.
pub(crate) fn own() -> Id {
    Id::new(Kind::Webhooks, WEBHOOK_CONFIGURATION)
}

impl Demand {
    async fn observe(world: &World) -> Result<Option<Self>, Error> {
        let templates = world.templates.values();
        let templates: Vec<_> = templates.iter().filter_map(|live| live.source.clone()).collect();
        let kinds = templates.iter().map(|template| template.kind.clone()).collect();
        let Some(constraints) = world.foreign.of(&kinds) else { return Ok(None) };
        let demand = Self { templates, constraints, resources: vec![], policies: world.policies.all() };
        let resources = resources(world, &demand.deleted_kinds()).await?;
        Ok(Some(Self { resources, ..demand }))
    }

    /// Each constraint with its template.
    pub(crate) fn constraints(&self) -> Vec<UserConstraint<'_>> {
        self.constraints
            .iter()
            .filter_map(|(kind, name, matches)| {
                let template = self.templates.iter().find(|template| template.kind == *kind)?;
                Some(UserConstraint { name, template, matches })
            })
            .collect()
    }

    /// The kinds whose deletion a constraint wants to see.
    fn deleted_kinds(&self) -> BTreeSet<String> {
        let constraints = self.constraints();
        let meant = constraints.iter().filter(|constraint| constraint.template.means(Operation::Delete));
        meant.flat_map(|one| one.matches.kinds_by_name()).map(str::to_owned).collect()
    }
}

/// What the API server serves of these kinds.
async fn resources(world: &World, kinds: &BTreeSet<String>) -> Result<Vec<Resource>, Error> {
    if kinds.is_empty() {
        return Ok(vec![]);
    }
    let is_served = |kind: &String, known: &[Resource]| known.iter().any(|it| it.kind == *kind);
    let suffices = |known: &[Resource]| kinds.iter().all(|kind| is_served(kind, known));
    let served = world.served.look(&world.client, suffices).await?;
    Ok(served.iter().filter(|resource| kinds.contains(&resource.kind)).cloned().collect())
}
