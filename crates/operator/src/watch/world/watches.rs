//! The watches that fill the caches, and whom an event wakes.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatewright_api::{GatewrightStatus, Guarded, PolicyKind, SYSTEM_STATUS_NAME};
use gatewright_compiler::{SYNC_SET, standards};
use gatewright_gatekeeper::{
    Process, SYSTEM_LABEL, WEBHOOK_CONFIGURATION, exempt_by_flags, exemptions, image_version,
};
use gatewright_rules::deny_exec_heritage::HERITAGE_LABEL;
use gatewright_rules::{Owner, Template};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use kube::runtime::watcher;
use kube::{Api, Resource, ResourceExt as _};

use super::{PlatformPod, World};
use crate::watch::cache::{Cache, Change, Entry};
use crate::watch::follow::{Source, keep_filled};
use crate::watch::key::Key;
use crate::watch::kind::Kind;
use crate::watch::live::Live;
use crate::watch::namespaces::namespace;
use crate::watch::policies::Watched;
use crate::watch::regular;
use crate::watch::system::SystemObject;

/// The `Config` of Gatekeeper has this name, or none.
const CONFIG_NAME: &str = "config";

/// Lists of large objects are taken in pages of this size.
const PAGE_OF_LARGE_OBJECTS: u32 = 50;

impl World {
    pub(super) fn watch_policies<P: Watched>(&mut self) {
        let api = Api::<Guarded<P>>::all(self.client.clone());
        let (cache, wake, changes) =
            (P::cache(&self.policies).clone(), self.changed(P::TEMPLATE), self.changes.clone());
        let notify = move |change: Change| {
            if change == Change::Everything {
                changes.send(Key::System);
            }
            wake(change);
            changes.send(Key::Routing);
        };
        let config = watcher::Config::default().page_size(PAGE_OF_LARGE_OBJECTS);
        let reduce = |mut policy: Guarded<P>| {
            if let Ok(parsed) = &mut policy.parsed {
                parsed.forget_credentials();
            }
            policy
        };
        self.spawn(api, ApiResource::erase::<P>(&()), config, cache, reduce, notify);
    }

    /// Templates and the constraints of each. A template's news concern all policies of its kind.
    pub(super) fn watch_templates(&mut self) {
        let wake = self.waker();
        let changes = self.changes.clone();
        let notify = move |change: Change| {
            for template in Template::ALL {
                if matches!(&change, Change::Object(name) if *name != template.name()) {
                    continue;
                }
                changes.send(Key::Template(*template));
                changes.send(Key::System);
                wake(*template);
            }
            changes.send(Key::Routing);
            changes.send(Key::Verifier);
            changes.send(Key::System);
        };
        let config = watcher::Config::default().page_size(PAGE_OF_LARGE_OBJECTS);
        let (api, cache) = (self.api(Kind::Template), self.templates.clone());
        self.spawn(api, Kind::Template.resource(), config, cache, Live::template, notify);
        for template in Template::ALL {
            self.watch_constraints(*template);
        }
    }

    fn watch_constraints(&mut self, template: Template) {
        let notify = self.constraint_changed(template);
        let (api, cache) = (self.api(Kind::Constraint(template)), self.constraints(template).clone());
        let config = watcher::Config::default().page_size(PAGE_OF_LARGE_OBJECTS);
        self.spawn(api, Kind::Constraint(template).resource(), config, cache, Live::from, notify);
    }

    /// Wakes whom a constraint concerns.
    pub(super) fn constraint_changed(&self, template: Template) -> impl Fn(Change) + Send + Sync + 'static {
        let (wake, changes) = (self.changed(template), self.changes.clone());
        let (asks, enabled) = (template.needs_verifier(), self.settings.signatures.is_enabled());
        let ask_verifiers = Arc::clone(&self.ask_verifiers);
        move |change| {
            if change == Change::Nothing {
                return;
            }
            changes.send(Key::Reports);
            if asks && enabled {
                ask_verifiers.notify_one();
            }
            // With the last of its constraints goes what they needed.
            if asks && !enabled {
                changes.send(Key::Verifier);
                changes.send(Key::Template(template));
                changes.send(Key::System);
            }
            wake(change);
        }
    }

    /// What decides, beside our own objects, whether constraints are enforced.
    pub(super) fn watch_gatekeeper(&mut self) {
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
        self.spawn(webhooks, Kind::Webhooks.resource(), config, cache, reduce, self.everybody());

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
    pub(super) fn watch_routing(&mut self) {
        let changes = self.changes.clone();
        let notify = move |_| changes.send(Key::Routing);

        let pods: Api<PartialObjectMeta<Pod>> = Api::all(self.client.clone());
        let (key, value) = HERITAGE_LABEL;
        let config = watcher::Config::default().labels(&format!("{key}={value}"));
        let cache = self.platform_pods.clone();
        self.spawn(pods, pod_resource(), config, cache, |_| PlatformPod, notify.clone());

        let (api, cache) = (self.api(Kind::SyncSet), self.sync_sets.clone());
        self.spawn(api, Kind::SyncSet.resource(), named(SYNC_SET), cache, Live::from, notify);

        let (api, cache) = (self.api(Kind::Webhooks), self.own_webhook.clone());
        let config = named(WEBHOOK_CONFIGURATION);
        self.spawn(api, Kind::Webhooks.resource(), config, cache, Live::webhooks, self.everybody());
    }

    /// Of a namespace only the metadata is asked for.
    pub(super) fn watch_namespaces(&mut self) {
        let changes = self.changes.clone();
        let notify = move |change| {
            if change != Change::Nothing {
                changes.send(Key::Reports);
            }
            match change {
                Change::Nothing => {}
                Change::Object(name) => changes.send(Key::Namespace(name)),
                Change::Everything => changes.send(Key::Namespaces),
            }
        };
        let api: Api<PartialObjectMeta<Namespace>> = Api::all(self.client.clone());
        let resource = ApiResource::erase::<Namespace>(&());
        let cache = self.namespaces.cache.clone();
        self.spawn(api, resource, watcher::Config::default(), cache, namespace, notify);
    }

    pub(super) fn watch_system(&mut self) {
        let changes = self.changes.clone();
        let (api, cache) = (self.system_api(), self.system.clone());
        let resource = ApiResource::erase::<GatewrightStatus>(&());
        let notify = move |_| changes.send(Key::System);
        self.spawn(api, resource, named(SYSTEM_STATUS_NAME), cache, SystemObject::from, notify);
    }

    /// What is wrong with the settings file stands in the status.
    pub(super) fn watch_settings(&mut self) {
        let (changes, mut problem) = (self.changes.clone(), self.replica.settings_problem.clone());
        self.watches.spawn(async move {
            while problem.changed().await.is_ok() {
                changes.send(Key::System);
            }
        });
    }

    /// What cannot be watched.
    pub(super) fn ask_regularly(&mut self) {
        let (client, published, wake) = (self.client.clone(), Arc::clone(&self.schemas), self.everybody());
        let wake_all = move || wake(Change::Everything);
        self.watches.spawn(regular::schemas(client, published, self.addresses.clone(), wake_all));
        let (client, published, wake) = (self.client.clone(), Arc::clone(&self.release), self.everybody());
        let wake_all = move || wake(Change::Everything);
        self.watches.spawn(regular::release(client, published, wake_all));
    }

    pub(super) fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &kind.resource())
    }

    pub(super) fn spawn<K, T>(
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
        let schemas = Some(self.addresses.subscribe());
        let source = Source { client: self.client.clone(), api, resource, config, schemas };
        self.watches.spawn(keep_filled(source, cache, reduce, changed));
    }

    /// Wakes what has the object's name: policies and constraints share their names.
    pub(super) fn changed(&self, template: Template) -> impl Fn(Change) + Send + Sync + 'static {
        let (wake, changes) = (self.waker(), self.changes.clone());
        let of_system = [Owner::Standards, Owner::ExecGuard].contains(&template.owner());
        move |change| {
            if of_system && change != Change::Nothing {
                changes.send(Key::System);
            }
            match change {
                Change::Nothing => {}
                Change::Object(name) => changes.send(Key::of_constraint(template, name)),
                Change::Everything => wake(template),
            }
        }
    }

    /// Wakes everybody.
    pub(crate) fn wake_everybody(&self) {
        self.everybody()(Change::Everything);
    }

    /// Wakes everybody when anything has changed.
    fn everybody(&self) -> impl Fn(Change) + Send + Sync + 'static {
        let (wake, changes) = (self.waker(), self.changes.clone());
        move |_| {
            for template in Template::ALL {
                changes.send(Key::Template(*template));
                wake(*template);
            }
            changes.send(Key::Verifier);
            changes.send(Key::System);
        }
    }

    /// Wakes all constraints of a kind: those that should be there, and those that are.
    pub(super) fn waker(&self) -> impl Fn(Template) + Send + Sync + 'static {
        let policies = self.policies.clone();
        let standards: Vec<_> =
            standards(&self.settings).into_iter().filter_map(|standard| standard.metadata.name).collect();
        let constraints = self.constraints.clone();
        let changes = self.changes.clone();
        move |template| {
            let wanted = match template.owner() {
                Owner::Policy(kind) => policies.names(kind),
                Owner::Standards => standards.clone(),
                Owner::ExecGuard => return changes.send(Key::Routing),
                Owner::Signatures => policies.names(PolicyKind::SecurityPolicy),
            };
            let names: BTreeSet<_> = wanted.into_iter().chain(constraints[&template].names()).collect();
            for name in names {
                changes.send(Key::of_constraint(template, name));
            }
        }
    }
}

pub(super) fn process(pod: Pod) -> Process {
    Process {
        name: pod.name_any(),
        version: version(&pod).unwrap_or_default(),
        exempt: exempt_by_flags(&arguments(&pod)),
        terminating: pod.metadata.deletion_timestamp.is_some() || has_ended(&pod),
        labels: pod.metadata.labels.unwrap_or_default(),
    }
}

/// How the processes of a Pod were started.
fn arguments(pod: &Pod) -> Vec<String> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers.flat_map(|it| it.command.iter().chain(&it.args).flatten().cloned()).collect()
}

/// A Pod that was evicted stays as an object, and will never run again.
fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Failed" | "Succeeded"))
}

/// The tag of the image of the first container, which in upstream's manifests is the only one; the digest where there is
/// no tag.
fn version(pod: &Pod) -> Option<String> {
    let image = pod.spec.as_ref()?.containers.first()?.image.as_deref()?;
    image_version(image).map(str::to_owned)
}

fn pod_resource() -> ApiResource {
    ApiResource::erase::<Pod>(&())
}

/// The one object of this name.
pub(super) fn named(name: &str) -> watcher::Config {
    watcher::Config::default().fields(&format!("metadata.name={name}"))
}
