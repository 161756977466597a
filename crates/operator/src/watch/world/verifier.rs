//! What is followed of the verifier: the Provider by every replica; the Secret with its certificate, and the verifiers
//! themselves, by the leader alone.

use std::sync::Arc;

use gatewright_rules::Template;
use gatewright_rules::verify_image_signatures::PROVIDER;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::core::ApiResource;
use kube::runtime::watcher;
use tokio::task::JoinSet;

use super::World;
use super::watches::named;
use crate::names::VERIFIER_SECRET;
use crate::watch::cache::Change;
use crate::watch::certificate::Held;
use crate::watch::follow::{Source, keep_filled};
use crate::watch::key::Key;
use crate::watch::kind::Kind;
use crate::watch::live::Live;
use crate::watch::verifiers::ask;

const TEMPLATE: Template = Template::VerifyImageSignatures;

impl World {
    /// All Providers: those of others are only looked at.
    pub(super) fn watch_providers(&mut self) {
        let (api, cache, notify) =
            (self.api(Kind::Provider), self.providers.clone(), self.provider_changed());
        let config = watcher::Config::default();
        self.spawn(api, Kind::Provider.resource(), config, cache, Live::provider, notify);
    }

    /// Wakes whom a Provider concerns: those of others the state of the system alone.
    pub(super) fn provider_changed(&self) -> impl Fn(Change) + Send + Sync + 'static {
        let (wake, changes) = (self.of_verifier(), self.changes.clone());
        move |change| {
            if matches!(&change, Change::Object(name) if name != PROVIDER) {
                return changes.send(Key::System);
            }
            changes.send(Key::Verifier);
            changes.send(Key::Template(TEMPLATE));
            wake();
        }
    }

    /// What the leader alone follows, until what is returned is dropped.
    pub(crate) fn follow_verifier(&self) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        tasks.spawn(self.secret());
        if self.settings.signatures.enabled {
            let (url, published) = (self.settings.verifier_url(), Arc::clone(&self.verifiers));
            let news = Arc::clone(&self.ask_verifiers);
            tasks.spawn(ask(url, self.providers.clone(), published, news, self.of_verifier()));
        }
        tasks
    }

    fn secret(&self) -> impl Future<Output = ()> + Send + 'static {
        let (wake, changes) = (self.of_verifier(), self.changes.clone());
        let notify = move |_| {
            changes.send(Key::Verifier);
            wake();
        };
        let source = Source::<Secret> {
            client: self.client.clone(),
            api: Api::namespaced(self.client.clone(), &self.settings.operator_namespace),
            resource: ApiResource::erase::<Secret>(&()),
            config: named(VERIFIER_SECRET),
            schemas: None,
        };
        keep_filled(source, self.certificate.clone(), Held::from, notify)
    }

    /// Wakes the policies whose entries the verifier judges, and the state of the system.
    fn of_verifier(&self) -> impl Fn() + Send + Sync + 'static {
        let (wake, changes) = (self.waker(), self.changes.clone());
        move || {
            wake(TEMPLATE);
            changes.send(Key::System);
        }
    }

    /// The name under which the Secret stands in its cache.
    pub(crate) fn secret_key(&self) -> String {
        format!("{}/{VERIFIER_SECRET}", self.settings.operator_namespace)
    }
}
