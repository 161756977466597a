//! Everything that the operator watches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_api::{Guarded, OperationPolicy, Policy, SecurityPolicy};
use gatewright_compiler::{Compile, Settings, standards};
use gatewright_gatekeeper::{
    CONSTRAINT_GROUP, CONSTRAINT_VERSION, Exemption, Process, SYSTEM_LABEL, TEMPLATE_GROUP, TEMPLATE_VERSION,
    exemptions,
};
use gatewright_rules::Template;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Namespace as NamespaceObject, Pod};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt as _};
use tokio::task::JoinSet;

use crate::cache::{Cache, Change, Entry, Knowledge};
use crate::live::Live;
use crate::namespaces::{Namespaces, namespace};
use crate::queue::{Key, Requests};
use crate::watch::{Source, keep_filled};

/// The `Config` of Gatekeeper has this name, or none.
const CONFIG_NAME: &str = "config";

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
    pub(crate) namespaces: Namespaces,
    security: Cache<Guarded<SecurityPolicy>>,
    operation: Cache<Guarded<OperationPolicy>>,
    constraints: BTreeMap<&'static str, Cache<Live>>,
    requests: Requests,
    watches: JoinSet<()>,
}

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

impl Entry for Vec<Exemption> {
    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

impl World {
    /// Starts all watches.
    pub(crate) fn watch(client: Client, settings: Settings, requests: &Requests) -> Self {
        let mut world = Self {
            client,
            settings,
            templates: Cache::new(),
            pods: Cache::new(),
            webhooks: Cache::new(),
            exemptions: Cache::new(),
            namespaces: Namespaces::new(),
            security: Cache::new(),
            operation: Cache::new(),
            constraints: gatewright_rules::catalogue().iter().map(|t| (t.kind, Cache::new())).collect(),
            requests: requests.clone(),
            watches: JoinSet::new(),
        };
        world.watch_policies::<SecurityPolicy>();
        world.watch_policies::<OperationPolicy>();
        world.watch_templates();
        world.watch_gatekeeper();
        world.watch_namespaces();
        world
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
        Api::all_with(self.client.clone(), &constraint_resource(template))
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
        let (cache, changed) = (P::cache(self).clone(), self.changed(P::TEMPLATE.kind));
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
        };
        let config = watcher::Config::default().page_size(PAGE_OF_LARGE_OBJECTS);
        let (api, cache) = (self.template_api(), self.templates.clone());
        self.spawn(api, template_resource(), config, cache, Live::from, changed);
        for template in gatewright_rules::catalogue() {
            self.watch_constraints(template);
        }
    }

    fn watch_constraints(&mut self, template: &'static Template) {
        let changed = self.changed(template.kind);
        let (api, cache) = (self.constraint_api(template), self.constraints(template).clone());
        let config = watcher::Config::default();
        self.spawn(api, constraint_resource(template), config, cache, Live::from, changed);
    }

    /// What decides, beside our own objects, whether constraints are enforced.
    fn watch_gatekeeper(&mut self) {
        let namespace = self.settings.gatekeeper_namespace.clone();
        let pods: Api<PartialObjectMeta<Pod>> = Api::namespaced(self.client.clone(), &namespace);
        let cache = self.pods.clone();
        self.spawn(pods, pod_resource(), watcher::Config::default(), cache, process, self.everybody());

        let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        let resource = ApiResource::erase::<ValidatingWebhookConfiguration>(&());
        let (key, value) = SYSTEM_LABEL;
        let config = watcher::Config::default().labels(&format!("{key}={value}"));
        let reduce = |mut webhook: ValidatingWebhookConfiguration| {
            webhook.metadata.managed_fields = None;
            webhook
        };
        let cache = self.webhooks.clone();
        self.spawn(webhooks, resource, config, cache, reduce, self.everybody());

        let resource =
            ApiResource::from_gvk(&GroupVersionKind::gvk("config.gatekeeper.sh", "v1alpha1", "Config"));
        let resource = ApiResource { plural: "configs".to_owned(), ..resource };
        let configs: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &resource);
        let config = watcher::Config::default().fields(&format!("metadata.name={CONFIG_NAME}"));
        let reduce = |object: DynamicObject| exemptions(&object.data["spec"]);
        let cache = self.exemptions.clone();
        self.spawn(configs, resource, config, cache, reduce, self.everybody());
    }

    /// Of a namespace only the metadata is asked for.
    fn watch_namespaces(&mut self) {
        let (everybody, requests) = (self.everybody(), self.requests.clone());
        let changed = move |change| match change {
            Change::Nothing => {}
            Change::Object(name) => requests.send(Key::Namespace(name)),
            Change::Everything => {
                requests.send(Key::Namespaces);
                everybody(Change::Everything);
            }
        };
        let api: Api<PartialObjectMeta<NamespaceObject>> = Api::all(self.client.clone());
        let resource = ApiResource::erase::<NamespaceObject>(&());
        let cache = self.namespaces.cache.clone();
        self.spawn(api, resource, watcher::Config::default(), cache, namespace, changed);
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
        move |change| match change {
            Change::Nothing => {}
            Change::Object(name) => requests.send(Key::Constraint(kind, name)),
            Change::Everything => wake(kind),
        }
    }

    /// Wakes everybody when anything has changed.
    fn everybody(&self) -> impl Fn(Change) + Send + Sync + 'static {
        let wake = self.waker();
        move |_| gatewright_rules::catalogue().iter().for_each(|template| wake(template.kind))
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
}

impl Owner {
    pub(crate) fn of(kind: &str) -> Self {
        if kind == SecurityPolicy::TEMPLATE.kind {
            Self::SecurityPolicy
        } else if kind == OperationPolicy::TEMPLATE.kind {
            Self::OperationPolicy
        } else {
            Self::Standards
        }
    }
}

fn process(pod: PartialObjectMeta<Pod>) -> Process {
    Process {
        name: pod.name_any(),
        terminating: pod.metadata.deletion_timestamp.is_some(),
        labels: pod.metadata.labels.unwrap_or_default(),
    }
}

fn pod_resource() -> ApiResource {
    ApiResource::erase::<Pod>(&())
}

fn template_resource() -> ApiResource {
    let kind = GroupVersionKind::gvk(TEMPLATE_GROUP, TEMPLATE_VERSION, "ConstraintTemplate");
    ApiResource::from_gvk(&kind)
}

/// The plural of a constraint kind is the kind in lower case: Gatekeeper adds no s.
fn constraint_resource(template: &Template) -> ApiResource {
    let kind = GroupVersionKind::gvk(CONSTRAINT_GROUP, CONSTRAINT_VERSION, template.kind);
    ApiResource { plural: template.name(), ..ApiResource::from_gvk(&kind) }
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
