//! What our webhook configuration is decided from.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatewright_api::{Guarded, OperationPolicy, SecurityPolicy};
use gatewright_gatekeeper::{
    Matcher, Operation, Resource, TemplateSource, UserConstraint, WEBHOOK_CONFIGURATION,
};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::core::ApiResource;
use kube::discovery::{ApiCapabilities, ApiGroup, Discovery, Scope};

use crate::Error;
use crate::error::request;
use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::observe::guard::GuardSnapshot;
use crate::watch::world::{Watched as _, World};

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
    pub(crate) security: Vec<Arc<Guarded<SecurityPolicy>>>,
    pub(crate) operation: Vec<Arc<Guarded<OperationPolicy>>>,
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
        Some((Self { webhooks: world.webhooks.values(), own, guard, demand }, asked))
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
        let demand = Self {
            templates,
            constraints,
            resources: vec![],
            security: SecurityPolicy::cache(world).values(),
            operation: OperationPolicy::cache(world).values(),
        };
        let resources = resources(world, demand.deleted_kinds()).await?;
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

/// What the API server serves of these kinds. It is asked again only when the kinds change, or while one is not served.
async fn resources(world: &World, kinds: BTreeSet<String>) -> Result<Vec<Resource>, Error> {
    let mut known = world.resources.lock().await;
    let is_served = |kind: &String| known.1.iter().any(|resource| resource.kind == *kind);
    if known.0 != kinds || !kinds.iter().all(is_served) {
        let found = if kinds.is_empty() { vec![] } else { discover(world, &kinds).await? };
        *known = (kinds, found);
    }
    Ok(known.1.clone())
}

async fn discover(world: &World, kinds: &BTreeSet<String>) -> Result<Vec<Resource>, Error> {
    let discovery = Discovery::new(world.client.clone()).run_aggregated();
    let discovery = request("looking for the kinds of constraints".to_owned(), discovery).await?;
    let served = discovery.groups().flat_map(ApiGroup::resources_by_stability);
    let wanted = served.filter(|(resource, _)| kinds.contains(&resource.kind));
    let resource = |(resource, capabilities): (ApiResource, ApiCapabilities)| Resource {
        group: resource.group,
        kind: resource.kind,
        resource: resource.plural,
        namespaced: capabilities.scope == Scope::Namespaced,
    };
    Ok(wanted.map(resource).collect::<BTreeSet<_>>().into_iter().collect())
}
