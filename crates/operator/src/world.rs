//! Everything that the operator watches.

mod watches;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_api::{GatewrightStatus, Guarded, OperationPolicy, Policy, SecurityPolicy};
use gatewright_compiler::{Compile, Settings};
use gatewright_gatekeeper::{
    CONSTRAINT_GROUP, CONSTRAINT_VERSION, Exemption, Process, Resource as ServedResource, SYNC_SET_GROUP,
    SYNC_SET_VERSION, TEMPLATE_GROUP, TEMPLATE_VERSION, expected_processes,
};
use gatewright_rules::Template;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use crate::RoutingReport;
use crate::cache::{Cache, Entry, Knowledge};
use crate::events::Events;
use crate::foreign::ForeignConstraints;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::namespaces::Namespaces;
use crate::queue::{Key, Requests};
use crate::repairs::Kept;
use crate::report::Reports;
use crate::system::SystemObject;

/// The kind of SyncSets.
pub(crate) const SYNC_SET_KIND: &str = "SyncSet";

/// The caches, and what they are filled with.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) templates: Cache<Live>,
    pub(crate) pods: Cache<Process>,
    pub(crate) webhooks: Cache<ValidatingWebhookConfiguration>,
    pub(crate) exemptions: Cache<Vec<Exemption>>,
    /// The Pods that the exec guard guards.
    pub(crate) platform_pods: Cache<PlatformPod>,
    pub(crate) sync_sets: Cache<Live>,
    pub(crate) own_webhook: Cache<Live>,
    pub(crate) foreign: ForeignConstraints,
    /// What is known of the resources of some kinds.
    pub(crate) resources: Mutex<(BTreeSet<String>, Vec<ServedResource>)>,
    /// What became of the exec guard and of the routing; none until something is known.
    pub(crate) routing: watch::Sender<Option<RoutingReport>>,
    pub(crate) namespaces: Namespaces,
    pub(crate) system: Cache<SystemObject>,
    pub(crate) reports: Reports,
    security: Cache<Guarded<SecurityPolicy>>,
    operation: Cache<Guarded<OperationPolicy>>,
    constraints: BTreeMap<Template, Cache<Live>>,
    pub(crate) metrics: Metrics,
    pub(crate) events: Events,
    pub(crate) kept: Kept,
    requests: Requests,
    watches: JoinSet<()>,
}

/// A Pod of the platform. That there is one is all that we need to know.
pub(crate) struct PlatformPod;

/// A policy kind that is watched.
pub(crate) trait Watched: Compile {
    fn cache(world: &World) -> &Cache<Guarded<Self>>;
}

impl Watched for SecurityPolicy {
    fn cache(world: &World) -> &Cache<Guarded<Self>> {
        &world.security
    }
}

impl Watched for OperationPolicy {
    fn cache(world: &World) -> &Cache<Guarded<Self>> {
        &world.operation
    }
}

impl<P: Policy> Entry for Guarded<P> {
    fn same(&self, other: &Self) -> bool {
        let (a, b) = (&self.metadata, &other.metadata);
        // What was read before the API server knew of a field may parse, and not after.
        (&a.uid, a.generation, &self.status) == (&b.uid, b.generation, &other.status)
            && self.parsed.is_ok() == other.parsed.is_ok()
    }
}

impl Entry for Process {
    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

impl Entry for ValidatingWebhookConfiguration {
    fn same(&self, other: &Self) -> bool {
        (&self.metadata.labels, &self.webhooks) == (&other.metadata.labels, &other.webhooks)
    }
}

impl Entry for PlatformPod {
    fn same(&self, _: &Self) -> bool {
        true
    }
}

impl Entry for Vec<Exemption> {
    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

impl World {
    /// Starts all watches.
    pub(crate) fn watch(
        client: Client,
        settings: Settings,
        requests: &Requests,
        metrics: Metrics,
        events: Events,
    ) -> Self {
        let foreign = ForeignConstraints::new(client.clone(), requests.clone());
        let reports = Reports::watch(&client, requests);
        let mut world = Self {
            client,
            settings,
            templates: Cache::new(),
            pods: Cache::new(),
            webhooks: Cache::new(),
            exemptions: Cache::new(),
            platform_pods: Cache::new(),
            sync_sets: Cache::new(),
            own_webhook: Cache::new(),
            foreign,
            resources: Mutex::default(),
            routing: watch::Sender::new(None),
            namespaces: Namespaces::new(),
            system: Cache::new(),
            reports,
            security: Cache::new(),
            operation: Cache::new(),
            constraints: Template::ALL.iter().map(|t| (*t, Cache::new())).collect(),
            metrics,
            events,
            kept: Kept::default(),
            requests: requests.clone(),
            watches: JoinSet::new(),
        };
        world.watch_policies::<SecurityPolicy>();
        world.watch_policies::<OperationPolicy>();
        world.watch_templates();
        world.watch_gatekeeper();
        world.watch_routing();
        world.watch_namespaces();
        world.watch_system();
        world
    }

    /// What is known of each kind, and how many objects of it, under a name for people.
    pub(crate) fn caches(&self) -> Vec<(&str, Knowledge, usize)> {
        fn of<'a, T: Entry>(name: &'a str, cache: &Cache<T>) -> (&'a str, Knowledge, usize) {
            (name, cache.knowledge(), cache.len())
        }
        let mut caches = vec![
            of("SecurityPolicy", &self.security),
            of("OperationPolicy", &self.operation),
            of("ConstraintTemplate", &self.templates),
            of("Pods of Gatekeeper", &self.pods),
            of("webhook configurations of Gatekeeper", &self.webhooks),
            of("Config", &self.exemptions),
            of("Pods of the platform", &self.platform_pods),
            of("SyncSet", &self.sync_sets),
            of("own webhook configuration", &self.own_webhook),
            of("Namespace", &self.namespaces.cache),
            of("GatewrightStatus", &self.system),
        ];
        caches.extend(self.constraints.iter().map(|(kind, cache)| of(kind.kind(), cache)));
        caches.extend(self.reports.all().map(|watched| of(watched.kind.name, &watched.cache)));
        caches
    }

    /// How many keys wait to be reconciled.
    pub(crate) fn waiting(&self) -> usize {
        self.requests.waiting()
    }

    /// The Gatekeeper processes that must enforce.
    pub(crate) fn expected_processes(&self) -> BTreeSet<String> {
        let templates = self.templates.values();
        let reports: Vec<_> =
            templates.iter().flat_map(|template| template.reports.iter().cloned()).collect();
        expected_processes(self.pods.values().iter().map(AsRef::as_ref), &reports)
    }

    /// When audit last looked at a constraint of ours.
    pub(crate) fn last_audit(&self) -> Option<String> {
        let constraints = self.constraints.values().flat_map(Cache::values);
        constraints.filter_map(|live| live.audit.as_ref().map(|audit| audit.timestamp.clone())).max()
    }

    /// Wakes what tells the state of everything that is no policy.
    pub(crate) fn wake_system(&self) {
        self.requests.send(Key::System);
    }

    /// Wakes a constraint and its policy.
    pub(crate) fn wake(&self, template: Template, name: String) {
        self.requests.send(Key::Constraint(template, name));
    }

    /// The constraints of a template.
    pub(crate) fn constraints(&self, template: Template) -> &Cache<Live> {
        &self.constraints[&template]
    }

    /// Where constraints of a kind live.
    pub(crate) fn constraint_api(&self, template: Template) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &constraint_resource(template.kind()))
    }

    /// Where the object with the state of everything that is no policy lives.
    pub(crate) fn system_api(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &ApiResource::erase::<GatewrightStatus>(&()))
    }

    /// Where SyncSets live.
    pub(crate) fn sync_set_api(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &sync_set_resource())
    }

    /// Where webhook configurations live.
    pub(crate) fn webhook_api(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &webhook_resource())
    }

    /// Where templates live.
    pub(crate) fn template_api(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &template_resource())
    }
}

fn template_resource() -> ApiResource {
    let kind = GroupVersionKind::gvk(TEMPLATE_GROUP, TEMPLATE_VERSION, "ConstraintTemplate");
    ApiResource::from_gvk(&kind)
}

/// The plural of a constraint kind is the kind in lower case: Gatekeeper adds no s.
pub(crate) fn constraint_resource(kind: &str) -> ApiResource {
    let resource = GroupVersionKind::gvk(CONSTRAINT_GROUP, CONSTRAINT_VERSION, kind);
    ApiResource { plural: kind.to_lowercase(), ..ApiResource::from_gvk(&resource) }
}

fn sync_set_resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(SYNC_SET_GROUP, SYNC_SET_VERSION, SYNC_SET_KIND))
}

fn webhook_resource() -> ApiResource {
    ApiResource::erase::<ValidatingWebhookConfiguration>(&())
}

/// A snapshot of one policy and of what is decided about it.
pub(crate) struct Snapshot<P> {
    pub(crate) policies_served: bool,
    pub(crate) policy: Option<Arc<Guarded<P>>>,
    pub(crate) constraints_served: bool,
    pub(crate) constraint: Option<Arc<Live>>,
    pub(crate) templates_served: bool,
    pub(crate) template: Option<Arc<Live>>,
}

impl<P: Watched> Snapshot<P> {
    /// None while something is not known yet, as just after the start: then nothing may be concluded, and the cache
    /// that is filled last wakes everybody.
    pub(crate) fn take(world: &World, name: &str) -> Option<Self> {
        let constraints = world.constraints(P::TEMPLATE);
        let knowledge = [
            P::cache(world).knowledge(),
            constraints.knowledge(),
            world.templates.knowledge(),
            world.pods.knowledge(),
            world.webhooks.knowledge(),
            world.exemptions.knowledge(),
            world.own_webhook.knowledge(),
            world.namespaces.knowledge(),
        ];
        if knowledge.contains(&Knowledge::Unknown) {
            return None;
        }
        Some(Self {
            policies_served: P::cache(world).is_complete(),
            policy: P::cache(world).get(name),
            constraints_served: constraints.is_complete(),
            constraint: constraints.get(name),
            templates_served: world.templates.is_complete(),
            template: world.templates.get(&P::TEMPLATE.name()),
        })
    }
}
