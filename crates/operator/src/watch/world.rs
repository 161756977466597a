//! Everything that the operator watches.

mod verifier;
mod watches;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_api::{GatewrightStatus, Notice, PolicyKind, with_policy_type};
use gatewright_compiler::Settings;
use gatewright_gatekeeper::{Exemption, Process, expected_processes};
use gatewright_rules::Template;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client};
use tokio::sync::Notify;
use tokio::sync::watch::Sender;
use tokio::task::JoinSet;

use crate::watch::cache::{Cache, Entry, Knowledge};
use crate::watch::certificate::Held;
use crate::watch::foreign::ForeignConstraints;
use crate::watch::key::{Changes, Key};
use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::{LastApplied, Observed};
use crate::watch::live::Live;
use crate::watch::namespaces::Namespaces;
use crate::watch::policies::{Policies, Watched as _};
use crate::watch::published::{Published, RoutingOutcome, Verifiers};
use crate::watch::reports::Reports;
use crate::watch::schemas::{Addresses, Schemas};
use crate::watch::served::ServedKinds;
use crate::watch::system::{Replica, SystemObject};

/// The caches, and what they are filled with.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) policies: Policies,
    pub(crate) templates: Cache<Live>,
    pub(crate) pods: Cache<Process>,
    pub(crate) webhooks: Cache<ValidatingWebhookConfiguration>,
    pub(crate) exemptions: Cache<Vec<Exemption>>,
    /// The Pods that the exec guard guards.
    pub(crate) platform_pods: Cache<PlatformPod>,
    pub(crate) sync_sets: Cache<Live>,
    pub(crate) own_webhook: Cache<Live>,
    /// Whom Gatekeeper asks about external data: the verifier, and servers of others.
    pub(crate) providers: Cache<Live>,
    /// The Secret with the verifier's certificate, without its keys. Only the leader sees it.
    pub(crate) certificate: Cache<Held>,
    /// What the verifiers say of themselves; none until they were asked. Only the leader asks.
    pub(crate) verifiers: Arc<Published<Arc<Verifiers>>>,
    /// That a constraint has changed which the verifiers should know.
    ask_verifiers: Arc<Notify>,
    pub(crate) foreign: ForeignConstraints,
    pub(crate) served: ServedKinds,
    /// What became of the exec guard and of the routing; none until something is known.
    pub(crate) routing: Published<RoutingOutcome>,
    pub(crate) namespaces: Namespaces,
    pub(crate) system: Cache<SystemObject>,
    pub(crate) reports: Reports,
    /// What an administrator should know of and this process has logged.
    pub(crate) logged: Published<Vec<Notice>>,
    pub(crate) replica: Replica,
    /// Which fields are served; none until that is known.
    pub(crate) schemas: Arc<Published<Schemas>>,
    /// Where the schemas are served, for the watches; none until that is known.
    addresses: Sender<Option<Addresses>>,
    /// Who owns what goes with the release; none until that is known.
    pub(crate) release: Arc<Published<Option<OwnerReference>>>,
    constraints: BTreeMap<Template, Cache<Live>>,
    /// What we last left in the API.
    pub(crate) last_applied: Arc<LastApplied>,
    changes: Changes,
    watches: JoinSet<()>,
}

/// A Pod of the platform. That there is one is all that we need to know.
pub(crate) struct PlatformPod;

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
    /// Nothing is known yet, and nothing is watched.
    pub(crate) fn new(
        client: Client,
        settings: Settings,
        last_applied: Arc<LastApplied>,
        changes: Changes,
        replica: Replica,
    ) -> Self {
        Self {
            foreign: ForeignConstraints::new(client.clone(), changes.clone()),
            client,
            settings,
            policies: Policies::new(),
            templates: Cache::new(),
            pods: Cache::new(),
            webhooks: Cache::new(),
            exemptions: Cache::new(),
            platform_pods: Cache::new(),
            sync_sets: Cache::new(),
            own_webhook: Cache::new(),
            providers: Cache::new(),
            certificate: Cache::new(),
            verifiers: Arc::default(),
            ask_verifiers: Arc::default(),
            served: ServedKinds::default(),
            routing: Published::default(),
            namespaces: Namespaces::new(),
            system: Cache::new(),
            reports: Reports::new(),
            logged: Published::default(),
            replica,
            schemas: Arc::default(),
            addresses: Sender::new(None),
            release: Arc::default(),
            constraints: Template::ALL.iter().map(|template| (*template, Cache::new())).collect(),
            last_applied,
            changes,
            watches: JoinSet::new(),
        }
    }

    /// Starts all watches.
    pub(crate) fn watch(&mut self) {
        for kind in PolicyKind::ALL {
            with_policy_type!(*kind, P => self.watch_policies::<P>());
        }
        self.watch_templates();
        self.watch_gatekeeper();
        self.watch_routing();
        self.watch_providers();
        self.watch_namespaces();
        self.watch_system();
        self.watch_settings();
        self.ask_regularly();
        self.reports.watch(&self.client, &self.changes);
    }

    /// What is known of each kind, and how many objects of it, under a name for people.
    pub(crate) fn caches(&self) -> Vec<(&str, Knowledge, usize)> {
        fn of<'a, T: Entry>(name: &'a str, cache: &Cache<T>) -> (&'a str, Knowledge, usize) {
            (name, cache.knowledge(), cache.len())
        }
        let policies =
            |kind: &PolicyKind| with_policy_type!(*kind, P => of(kind.name(), P::cache(&self.policies)));
        let mut caches: Vec<_> = PolicyKind::ALL.iter().map(policies).collect();
        caches.extend([
            of("ConstraintTemplate", &self.templates),
            of("Pods of Gatekeeper", &self.pods),
            of("webhook configurations of Gatekeeper", &self.webhooks),
            of("Config", &self.exemptions),
            of("Pods of the platform", &self.platform_pods),
            of("SyncSet", &self.sync_sets),
            of("own webhook configuration", &self.own_webhook),
            of("Provider", &self.providers),
            of("Namespace", &self.namespaces.cache),
            of("GatewrightStatus", &self.system),
        ]);
        caches.extend(self.constraints.iter().map(|(template, cache)| of(template.kind(), cache)));
        caches.extend(self.reports.all().map(|watched| of(watched.kind.name, &watched.cache)));
        caches
    }

    /// The Gatekeeper processes that must enforce.
    pub(crate) fn expected_processes(&self) -> BTreeSet<String> {
        let templates = self.templates.values();
        let reports: Vec<_> =
            templates.iter().flat_map(|template| template.reports.iter().cloned()).collect();
        expected_processes(self.pods.values().iter().map(AsRef::as_ref), &reports)
    }

    /// Whether it is known who owns what goes with the release, and whether Gatekeeper is new enough: before, nothing may
    /// be written.
    pub(crate) fn may_be_judged(&self) -> bool {
        let is_known = self.pods.knowledge() != Knowledge::Unknown;
        is_known && self.schemas.get().is_some() && self.release.get().is_some()
    }

    /// Who owns what goes with the release, where it is known and there.
    pub(crate) fn release(&self) -> Option<OwnerReference> {
        self.release.get().flatten()
    }

    /// When audit last looked at a constraint of ours.
    pub(crate) fn last_audit(&self) -> Option<String> {
        let constraints = self.constraints.values().flat_map(Cache::values);
        constraints.filter_map(|live| live.audit.as_ref().map(|audit| audit.timestamp.clone())).max()
    }

    /// Wakes what says the state of the system.
    pub(crate) fn wake_system(&self) {
        self.changes.send(Key::System);
    }

    /// Wakes a constraint and its policy.
    pub(crate) fn wake(&self, template: Template, name: String) {
        self.changes.send(Key::of_constraint(template, name));
    }

    /// One object that we write: as it is seen, and what is remembered of it.
    pub(crate) fn observed(&self, id: &Id) -> Observed {
        self.last_applied.observed(id, self.live(id))
    }

    /// Reports are too large to be kept as they are.
    fn live(&self, id: &Id) -> Option<Arc<Live>> {
        match id.kind {
            Kind::Template => self.templates.get(&id.name),
            Kind::Constraint(template) => self.constraints(template).get(&id.name),
            Kind::SyncSet => self.sync_sets.get(&id.name),
            Kind::Provider => self.providers.get(&id.name),
            Kind::Webhooks => self.own_webhook.get(&id.name),
            Kind::Report(_) => None,
        }
    }

    /// The constraints of a template.
    pub(crate) fn constraints(&self, template: Template) -> &Cache<Live> {
        &self.constraints[&template]
    }

    /// Where the object with the state of the system lives.
    pub(crate) fn system_api(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &ApiResource::erase::<GatewrightStatus>(&()))
    }
}

#[cfg(test)]
mod tests;
