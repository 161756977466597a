//! Keeps the exec guard and our own webhook configuration, and knows what an administrator should know about them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gatewright_api::{OperationPolicy, SecurityPolicy};
use gatewright_compiler::{builtin, compile, standards_routes};
use gatewright_gatekeeper::{
    Demand, Finding, Matcher, Operation, Plan, Resource, Route, TemplateSource, UserConstraint,
    WEBHOOK_CONFIGURATION, configuration, routes_all, upstream,
};
use gatewright_rules::{Template, subresources};
use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};
use kube::core::DynamicObject;
use kube::discovery::Discovery;
use serde_json::json;
use tracing::{info, warn};

use crate::apply::{self, Desired};
use crate::cache::Knowledge;
use crate::error::request;
use crate::queue::Next;
use crate::world::{Watched, World};
use crate::{Error, guard};

/// How soon to look again for a kind that is not served yet.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

const KIND: &str = "ValidatingWebhookConfiguration";

/// What became of the exec guard and of the routing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutingReport {
    /// Whether the exec guard is to stand.
    pub guard: bool,
    /// What keeps it from standing, as a sentence.
    pub guard_problem: Option<String>,
    /// The requests that our own webhook configuration sends Gatekeeper.
    pub routes: Vec<Route>,
    /// What keeps requests from Gatekeeper, or sends it some that a template does not expect.
    pub findings: Vec<Finding>,
    /// What keeps our webhook configuration from being as desired, as a sentence.
    pub routing_problem: Option<String>,
}

/// Brings the guard and the webhook configuration into the API, or takes them away. What the guard needs is there
/// before requests are sent, and they are no longer sent when it goes.
pub(crate) async fn reconcile(world: &World) -> Result<Next, Error> {
    if !is_known(world) {
        // Whoever took Gatekeeper away must not be left with requests that wait for it.
        let is_alone = world.webhooks.is_complete() && world.own_webhook.is_complete();
        if is_alone && upstream_entry(&world.webhooks.values(), world).is_none() {
            withdraw(world).await?;
        }
        return Ok(Next::Change);
    }
    let wanted = guard::is_wanted(world);
    let installed = if wanted { guard::install(world).await } else { Ok(None) };
    let guard_problem = installed.as_ref().map_or_else(|error| Some(error.to_string()), Clone::clone);
    let routed = route(world, wanted, guard_problem).await;
    installed?;
    let next = routed?;
    if !wanted {
        guard::remove(world).await?;
    }
    Ok(next)
}

/// Nothing may be concluded before, as just after the start; the cache that is filled last wakes us.
fn is_known(world: &World) -> bool {
    let gatekeeper = world.templates.is_complete() && world.webhooks.is_complete();
    let rest = [
        world.platform_pods.knowledge(),
        world.sync_sets.knowledge(),
        world.exemptions.knowledge(),
        world.constraints(Template::DenyExecHeritage).knowledge(),
    ];
    gatekeeper && world.own_webhook.is_complete() && !rest.contains(&Knowledge::Unknown)
}

async fn route(world: &World, guard: bool, guard_problem: Option<String>) -> Result<Next, Error> {
    let templates: Vec<_> = world.templates.values().iter().filter_map(|live| live.source.clone()).collect();
    let kinds: BTreeSet<_> = templates.iter().map(|template| template.kind.clone()).collect();
    let Some(constraints) = world.foreign.of(&kinds) else { return Ok(Next::Change) };
    let constraints = join(&templates, &constraints);
    let resources = resources(world, &constraints).await?;
    let configurations = world.webhooks.values();
    let entry = upstream_entry(&configurations, world);
    let plan = Demand {
        guard,
        needed: &needed(world, entry),
        templates: &templates.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        constraints: &constraints,
        resources: &resources,
        upstream: entry,
        connect: world.settings.routing.connect,
        delete: world.settings.routing.delete,
    }
    .plan();
    let outcome = apply(world, entry, &plan).await;
    let routing_problem = outcome.as_ref().err().map(ToString::to_string);
    let waits = plan.findings.iter().any(|finding| matches!(finding, Finding::UnknownKind { .. }));
    let Plan { routes, findings } = plan;
    report(world, RoutingReport { guard, guard_problem, routes, findings, routing_problem });
    match outcome {
        Err(error) if !error.is_obstacle() => Err(error),
        _ if waits => Ok(Next::After(LOOK_AGAIN)),
        _ => Ok(Next::Change),
    }
}

fn upstream_entry<'a>(
    configurations: &'a [Arc<ValidatingWebhookConfiguration>],
    world: &World,
) -> Option<&'a ValidatingWebhook> {
    let name = world.settings.routing.upstream.as_deref();
    upstream(configurations.iter().map(AsRef::as_ref), name)
}

/// Each constraint with its template.
fn join<'a>(
    templates: &'a [Arc<TemplateSource>],
    constraints: &'a [(String, String, Arc<Matcher>)],
) -> Vec<UserConstraint<'a>> {
    let with_template = |(kind, name, matches): &'a (String, String, Arc<Matcher>)| {
        let template = templates.iter().find(|template| template.kind == *kind)?;
        Some(UserConstraint { name, template, matches })
    };
    constraints.iter().filter_map(with_template).collect()
}

/// What the API server serves of the kinds whose deletion a constraint wants to see. It is asked again only when the
/// kinds change, or while one is not served.
async fn resources(world: &World, constraints: &[UserConstraint<'_>]) -> Result<Vec<Resource>, Error> {
    let meant = constraints.iter().filter(|constraint| constraint.template.means(Operation::Delete));
    let kinds = meant.flat_map(|one| one.matches.kinds_by_name()).map(str::to_owned);
    let kinds: BTreeSet<_> = kinds.collect();
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
    let served = discovery.groups().flat_map(kube::discovery::ApiGroup::resources_by_stability);
    let wanted = served.filter(|(resource, _)| kinds.contains(&resource.kind));
    let resource =
        |(resource, capabilities): (kube::core::ApiResource, kube::discovery::ApiCapabilities)| Resource {
            group: resource.group,
            kind: resource.kind,
            resource: resource.plural,
            namespaced: capabilities.scope == kube::discovery::Scope::Namespaced,
        };
    Ok(wanted.map(resource).collect::<BTreeSet<_>>().into_iter().collect())
}

/// The requests that our own constraints need. Policies are asked only where upstream leaves something out.
fn needed(world: &World, entry: Option<&ValidatingWebhook>) -> Vec<Route> {
    if entry.is_none_or(|entry| routes_all(entry, &subresources())) {
        return vec![];
    }
    let mut routes: BTreeSet<_> = standards_routes(&world.settings).into_iter().collect();
    routes.extend(routes_of::<SecurityPolicy>(world));
    routes.extend(routes_of::<OperationPolicy>(world));
    routes.into_iter().collect()
}

fn routes_of<P: Watched>(world: &World) -> Vec<Route> {
    let policies = P::cache(world).values();
    let parsed = policies.iter().filter_map(|policy| policy.parsed.as_ref().ok());
    let compiled = parsed.filter_map(|policy| compile(&**policy, &world.settings).ok());
    compiled.flat_map(|compiled| compiled.routes).collect()
}

/// Makes our configuration as planned; with nothing to route there is none.
async fn apply(world: &World, entry: Option<&ValidatingWebhook>, plan: &Plan) -> Result<(), Error> {
    let planned = entry.filter(|_| !plan.routes.is_empty());
    let Some(object) = planned.and_then(|entry| desired(entry, plan)) else {
        return withdraw(world).await;
    };
    let live = world.own_webhook.get(WEBHOOK_CONFIGURATION);
    let desired = Desired { api: &world.webhook_api(), kind: KIND, object };
    world.ensure(&desired, live.as_deref()).await.map(drop)
}

async fn withdraw(world: &World) -> Result<(), Error> {
    match world.own_webhook.get(WEBHOOK_CONFIGURATION).filter(|live| live.ours) {
        Some(live) => {
            world.kept.forget(KIND, WEBHOOK_CONFIGURATION);
            apply::delete(&world.webhook_api(), KIND, WEBHOOK_CONFIGURATION, &live).await
        }
        None => Ok(()),
    }
}

fn desired(entry: &ValidatingWebhook, plan: &Plan) -> Option<DynamicObject> {
    let ValidatingWebhookConfiguration { metadata, webhooks } = configuration(entry, &plan.routes, builtin());
    serde_json::from_value(json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": KIND, "metadata": metadata, "webhooks": webhooks,
    }))
    .ok()
}

/// Keeps the report for whoever asks, and tells what is new in it, once.
fn report(world: &World, new: RoutingReport) {
    world.routing.send_if_modified(|old| {
        let changed = old.as_ref() != Some(&new);
        if changed {
            let nothing = RoutingReport::default();
            tell(old.as_ref().unwrap_or(&nothing), &new);
            *old = Some(new);
            world.wake_system();
        }
        changed
    });
}

fn tell(old: &RoutingReport, new: &RoutingReport) {
    if old.guard != new.guard {
        info!(stands = new.guard, "exec guard");
    }
    for finding in new.findings.iter().filter(|finding| !old.findings.contains(finding)) {
        warn!(reason = finding.reason(), "{finding}");
    }
    for finding in old.findings.iter().filter(|finding| !new.findings.contains(finding)) {
        info!(reason = finding.reason(), "no longer so: {finding}");
    }
    for (what, old, new) in [
        ("exec guard", &old.guard_problem, &new.guard_problem),
        ("routing", &old.routing_problem, &new.routing_problem),
    ] {
        if let Some(problem) = new.as_ref().filter(|_| old != new) {
            warn!(because = problem, "{what} is not as it should be");
        }
    }
}
