//! Everything that the operator watches.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, PoisonError};

use gatewright_api::{
    GatewrightStatus, Guarded, OperationPolicy, Policy, SYSTEM_STATUS_NAME, SecurityPolicy,
};
use gatewright_compiler::{Compile, SYNC_SET, Settings, standards};
use gatewright_gatekeeper::{
    CONSTRAINT_GROUP, CONSTRAINT_VERSION, Exemption, Process, Resource as ServedResource, SYNC_SET_GROUP,
    SYNC_SET_VERSION, SYSTEM_LABEL, TEMPLATE_GROUP, TEMPLATE_VERSION, WEBHOOK_CONFIGURATION, exemptions,
    expected_processes,
};
use gatewright_rules::Template;
use gatewright_rules::deny_exec_heritage::{self, HERITAGE_LABEL};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Namespace as NamespaceObject, Pod};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt as _};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use crate::apply::Desired;
use crate::cache::{Cache, Change, Entry, Knowledge};
use crate::events::Events;
use crate::foreign::ForeignConstraints;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::namespaces::{Namespaces, namespace};
use crate::queue::{Key, Requests};
use crate::report::Reports;
use crate::system::SystemObject;
use crate::watch::{Source, keep_filled};
use crate::{Error, RoutingReport};

/// The `Config` of Gatekeeper has this name, or none.
const CONFIG_NAME: &str = "config";

/// The kind of SyncSets.
pub(crate) const SYNC_SET_KIND: &str = "SyncSet";

/// Lists of large objects are taken in pages of this size.
const PAGE_OF_LARGE_OBJECTS: u32 = 50;

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
    constraints: BTreeMap<&'static str, Cache<Live>>,
    pub(crate) metrics: Metrics,
    pub(crate) events: Events,
    /// What we last left in the API, by kind and name: a difference to that is somebody else's.
    kept: std::sync::Mutex<HashMap<(String, String), u64>>,
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
        (&a.uid, a.generation, &self.status) == (&b.uid, b.generation, &other.status)
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
            constraints: gatewright_rules::catalogue().iter().map(|t| (t.kind, Cache::new())).collect(),
            metrics,
            events,
            kept: std::sync::Mutex::default(),
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
        caches.extend(self.constraints.iter().map(|(kind, cache)| of(kind, cache)));
        caches.extend(self.reports.all().map(|watched| of(watched.kind.kind, &watched.cache)));
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

    /// Makes an object as desired, and counts it if somebody else had changed what we left.
    ///
    /// # Errors
    /// As of [`Desired::ensure`].
    pub(crate) async fn ensure(&self, desired: &Desired<'_>, live: Option<&Live>) -> Result<Live, Error> {
        let now = desired.ensure(live).await?;
        let mut hasher = DefaultHasher::new();
        serde_json::to_string(&desired.object).unwrap_or_default().hash(&mut hasher);
        let left = hasher.finish();
        let key = (desired.kind.to_owned(), desired.object.name_any());
        let before = self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(key, left);
        let written = live.is_none_or(|live| live.resource_version != now.resource_version);
        if written && before == Some(left) {
            self.metrics.repaired(desired.kind);
        }
        Ok(now)
    }

    /// An object is deleted on purpose: the next one of its name is new.
    pub(crate) fn forget(&self, kind: &str, name: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&(kind.to_owned(), name.to_owned()));
    }

    /// Wakes what tells the state of everything that is no policy.
    pub(crate) fn wake_system(&self) {
        self.requests.send(Key::System);
    }

    /// Wakes the constraints of which this holds, and their policies.
    pub(crate) fn wake(&self, concerned: impl Fn(&Live) -> bool) {
        for (kind, cache) in &self.constraints {
            for name in cache.names_of(&concerned) {
                self.requests.send(Key::Constraint(kind, name));
            }
        }
    }

    /// The constraints of a template.
    pub(crate) fn constraints(&self, template: &Template) -> &Cache<Live> {
        &self.constraints[template.kind]
    }

    /// Where constraints of a kind live.
    pub(crate) fn constraint_api(&self, template: &Template) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &constraint_resource(template.kind))
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

    fn watch_policies<P: Watched>(&mut self) {
        let reduce = |mut policy: Guarded<P>| {
            policy.metadata.managed_fields = None;
            policy
        };
        let api = Api::<Guarded<P>>::all(self.client.clone());
        let (cache, wake, requests) =
            (P::cache(self).clone(), self.changed(P::TEMPLATE.kind), self.requests.clone());
        let changed = move |change| {
            wake(change);
            requests.send(Key::Routing);
        };
        self.spawn(api, ApiResource::erase::<P>(&()), watcher::Config::default(), cache, reduce, changed);
    }

    /// Templates and the constraints of each. A template's news concern all policies of its kind.
    fn watch_templates(&mut self) {
        let wake = self.waker();
        let requests = self.requests.clone();
        let changed = move |change: Change| {
            for template in gatewright_rules::catalogue() {
                if matches!(&change, Change::Object(name) if *name != template.name()) {
                    continue;
                }
                requests.send(Key::Template(template.kind));
                wake(template.kind);
            }
            requests.send(Key::Routing);
        };
        let config = watcher::Config::default().page_size(PAGE_OF_LARGE_OBJECTS);
        let (api, cache) = (self.template_api(), self.templates.clone());
        self.spawn(api, template_resource(), config, cache, Live::template, changed);
        for template in gatewright_rules::catalogue() {
            self.watch_constraints(template);
        }
    }

    fn watch_constraints(&mut self, template: &'static Template) {
        let (wake, requests) = (self.changed(template.kind), self.requests.clone());
        let changed = move |change| {
            requests.wake_reports();
            wake(change);
        };
        let (api, cache) = (self.constraint_api(template), self.constraints(template).clone());
        let config = watcher::Config::default();
        self.spawn(api, constraint_resource(template.kind), config, cache, Live::from, changed);
    }

    /// What decides, beside our own objects, whether constraints are enforced.
    fn watch_gatekeeper(&mut self) {
        let namespace = self.settings.gatekeeper_namespace.clone();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let cache = self.pods.clone();
        self.spawn(pods, pod_resource(), watcher::Config::default(), cache, process, self.everybody());

        let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        let (key, value) = SYSTEM_LABEL;
        let config = match &self.settings.routing.upstream {
            Some(name) => named(name),
            None => watcher::Config::default().labels(&format!("{key}={value}")),
        };
        let reduce = |mut webhook: ValidatingWebhookConfiguration| {
            webhook.metadata.managed_fields = None;
            webhook
        };
        let cache = self.webhooks.clone();
        self.spawn(webhooks, webhook_resource(), config, cache, reduce, self.everybody());

        let resource =
            ApiResource::from_gvk(&GroupVersionKind::gvk("config.gatekeeper.sh", "v1alpha1", "Config"));
        let resource = ApiResource { plural: "configs".to_owned(), ..resource };
        let configs: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &resource);
        let config = named(CONFIG_NAME);
        let reduce = |object: DynamicObject| exemptions(&object.data["spec"]);
        let cache = self.exemptions.clone();
        self.spawn(configs, resource, config, cache, reduce, self.everybody());
    }

    /// What decides about the exec guard and our own webhook configuration, and these themselves.
    fn watch_routing(&mut self) {
        let requests = self.requests.clone();
        let changed = move |_| requests.send(Key::Routing);

        let pods: Api<PartialObjectMeta<Pod>> = Api::all(self.client.clone());
        let (key, value) = HERITAGE_LABEL;
        let config = watcher::Config::default().labels(&format!("{key}={value}"));
        let cache = self.platform_pods.clone();
        self.spawn(pods, pod_resource(), config, cache, |_| PlatformPod, changed.clone());

        let (api, cache) = (self.sync_set_api(), self.sync_sets.clone());
        self.spawn(api, sync_set_resource(), named(SYNC_SET), cache, Live::from, changed);

        let (api, cache) = (self.webhook_api(), self.own_webhook.clone());
        let config = named(WEBHOOK_CONFIGURATION);
        self.spawn(api, webhook_resource(), config, cache, Live::from, self.everybody());
    }

    /// Of a namespace only the metadata is asked for.
    fn watch_namespaces(&mut self) {
        let (everybody, requests) = (self.everybody(), self.requests.clone());
        let changed = move |change| {
            requests.wake_reports();
            match change {
                Change::Nothing => {}
                Change::Object(name) => requests.send(Key::Namespace(name)),
                Change::Everything => {
                    requests.send(Key::Namespaces);
                    everybody(Change::Everything);
                }
            }
        };
        let api: Api<PartialObjectMeta<NamespaceObject>> = Api::all(self.client.clone());
        let resource = ApiResource::erase::<NamespaceObject>(&());
        let cache = self.namespaces.cache.clone();
        self.spawn(api, resource, watcher::Config::default(), cache, namespace, changed);
    }

    fn watch_system(&mut self) {
        let requests = self.requests.clone();
        let (api, cache) = (self.system_api(), self.system.clone());
        let resource = ApiResource::erase::<GatewrightStatus>(&());
        let changed = move |_| requests.send(Key::System);
        self.spawn(api, resource, named(SYSTEM_STATUS_NAME), cache, SystemObject::from, changed);
    }

    fn spawn<K, T>(
        &mut self,
        api: Api<K>,
        resource: ApiResource,
        config: watcher::Config,
        cache: Cache<T>,
        reduce: impl Fn(K) -> T + Send + Sync + 'static,
        changed: impl Fn(Change) + Send + Sync + 'static,
    ) where
        K: Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
        T: Entry,
    {
        let source = Source { client: self.client.clone(), api, resource, config };
        self.watches.spawn(keep_filled(source, cache, reduce, changed));
    }

    /// Wakes what has the object's name: policies and constraints share their names.
    fn changed(&self, kind: &'static str) -> impl Fn(Change) + Send + Sync + 'static {
        let (wake, requests) = (self.waker(), self.requests.clone());
        let of_system = [Owner::Standards, Owner::ExecGuard].contains(&Owner::of(kind));
        move |change| {
            if of_system && change != Change::Nothing {
                requests.send(Key::System);
            }
            match change {
                Change::Nothing => {}
                Change::Object(_) if Owner::of(kind) == Owner::ExecGuard => requests.send(Key::Routing),
                Change::Object(name) => requests.send(Key::Constraint(kind, name)),
                Change::Everything => wake(kind),
            }
        }
    }

    /// Wakes everybody when anything has changed.
    fn everybody(&self) -> impl Fn(Change) + Send + Sync + 'static {
        let (wake, requests) = (self.waker(), self.requests.clone());
        move |_| {
            for template in gatewright_rules::catalogue() {
                wake(template.kind);
            }
            requests.send(Key::System);
        }
    }

    /// Wakes all constraints of a kind: those that should be there, and those that are.
    fn waker(&self) -> impl Fn(&'static str) + Send + Sync + 'static {
        let (security, operation) = (self.security.clone(), self.operation.clone());
        let standards: Vec<_> =
            standards(&self.settings).into_iter().filter_map(|standard| standard.metadata.name).collect();
        let constraints = self.constraints.clone();
        let requests = self.requests.clone();
        move |kind| {
            let wanted = match Owner::of(kind) {
                Owner::SecurityPolicy => security.names(),
                Owner::OperationPolicy => operation.names(),
                Owner::Standards => standards.clone(),
                Owner::ExecGuard => return requests.send(Key::Routing),
            };
            let names: BTreeSet<_> = wanted.into_iter().chain(constraints[kind].names()).collect();
            for name in names {
                requests.send(Key::Constraint(kind, name));
            }
        }
    }
}

/// What the constraints of a kind are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    SecurityPolicy,
    OperationPolicy,
    Standards,
    ExecGuard,
}

impl Owner {
    pub(crate) fn of(kind: &str) -> Self {
        if kind == SecurityPolicy::TEMPLATE.kind {
            Self::SecurityPolicy
        } else if kind == OperationPolicy::TEMPLATE.kind {
            Self::OperationPolicy
        } else if kind == deny_exec_heritage::TEMPLATE.kind {
            Self::ExecGuard
        } else {
            Self::Standards
        }
    }
}

fn process(pod: Pod) -> Process {
    Process {
        name: pod.name_any(),
        version: version(&pod).unwrap_or_default(),
        terminating: pod.metadata.deletion_timestamp.is_some(),
        labels: pod.metadata.labels.unwrap_or_default(),
    }
}

/// The digest or tag of the image of the first container, which in upstream's manifests is the only one.
fn version(pod: &Pod) -> Option<String> {
    let image = pod.spec.as_ref()?.containers.first()?.image.as_deref()?;
    let name = image.rsplit('/').next()?;
    let (_, version) = name.split_once('@').or_else(|| name.split_once(':'))?;
    Some(version.to_owned())
}

fn pod_resource() -> ApiResource {
    ApiResource::erase::<Pod>(&())
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

/// The one object of this name.
fn named(name: &str) -> watcher::Config {
    watcher::Config::default().fields(&format!("metadata.name={name}"))
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
            world.namespaces.cache.knowledge(),
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
