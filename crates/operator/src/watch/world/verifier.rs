//! What is followed of the verifier: the Provider by every replica; the Secret with its certificate, and the verifiers
//! themselves, by the leader alone. Where no verifier is installed, the operator has no right to see them, and does not ask.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use gatewright_rules::Template;
use gatewright_rules::verify_image_signatures::PROVIDER;
use k8s_openapi::api::core::v1::Secret;
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::watcher;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::World;
use super::watches::named;
use crate::names::VERIFIER_SECRET;
use crate::watch::cache::{Cache, Change, Entry, Knowledge};
use crate::watch::certificate::Held;
use crate::watch::follow::{Source, keep_filled};
use crate::watch::key::Key;
use crate::watch::kind::Kind;
use crate::watch::live::Live;
use crate::watch::verifiers::ask;

const TEMPLATE: Template = Template::VerifyImageSignatures;

/// How often we look whether something is left of signatures that are not verified any more.
const LEFT: Duration = Duration::from_secs(1);

/// Waits until the verifier's objects concern us: signatures are verified, or our template is still there, so that all must
/// go. Until then the cache says that there are none.
async fn concerned<T: Entry>(
    enabled: bool,
    templates: &Cache<Live>,
    cache: &Cache<T>,
    changed: impl Fn(Change),
) {
    while !enabled && templates.get(&TEMPLATE.name()).is_none_or(|template| !template.ours) {
        if templates.knowledge() != Knowledge::Unknown && cache.absent() != Change::Nothing {
            changed(Change::Everything);
        }
        tokio::time::sleep(LEFT).await;
    }
}

impl World {
    /// All Providers: those of others are only looked at.
    pub(super) fn watch_providers(&mut self) {
        let source = Source::<DynamicObject> {
            client: self.client.clone(),
            api: self.api(Kind::Provider),
            resource: Kind::Provider.resource(),
            config: watcher::Config::default(),
            schemas: Some(self.addresses.subscribe()),
        };
        let filled = self.filled(source, self.providers.clone(), Live::provider, self.provider_changed());
        self.watches.spawn(filled);
    }

    /// Keeps a cache filled while it concerns us.
    fn filled<K, T>(
        &self,
        source: Source<K>,
        cache: Cache<T>,
        reduce: impl Fn(K) -> T + Send + Sync + 'static,
        changed: impl Fn(Change) + Send + Sync + 'static,
    ) -> impl Future<Output = ()> + Send + 'static
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
        T: Entry,
    {
        let (enabled, templates) = (self.settings.signatures.is_enabled(), self.templates.clone());
        async move {
            concerned(enabled, &templates, &cache, &changed).await;
            keep_filled(source, cache, reduce, changed).await;
        }
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
        if self.settings.signatures.is_enabled() {
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
        self.filled(source, self.certificate.clone(), Held::from, notify)
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::{Cache, Knowledge, Live, TEMPLATE, concerned};
    use crate::watch::fixtures::{fill, live};
    use serde_json::json;
    use tokio::time::timeout;

    const NAME: &str = "d8verifyimagesignatures";

    fn template(owner: &str) -> Live {
        assert_eq!(TEMPLATE.name(), NAME);
        live(json!({"metadata": {"name": NAME, "labels": {"gatewright.io/owner": owner}}}))
    }

    /// Without rights every question would be refused, each few seconds.
    #[tokio::test(start_paused = true)]
    async fn nothing_is_followed_before_it_concerns_us() {
        let (templates, cache) = (Cache::<Live>::new(), Cache::<Live>::new());
        let told = AtomicUsize::new(0);
        let wait = async |enabled| {
            let changed = |_| {
                told.fetch_add(1, Ordering::Relaxed);
            };
            timeout(Duration::from_mins(1), concerned(enabled, &templates, &cache, changed)).await.is_ok()
        };
        assert!(!wait(false).await, "the templates are not known yet");
        assert_eq!(cache.knowledge(), Knowledge::Unknown);
        fill(&templates, []);
        assert!(!wait(false).await, "nothing is left");
        assert_eq!((cache.knowledge(), told.load(Ordering::Relaxed)), (Knowledge::Absent, 1));
        assert!(wait(true).await, "signatures are verified");
        fill(&templates, [(NAME, template("render"))]);
        assert!(!wait(false).await, "somebody else's is left");
        fill(&templates, [(NAME, template("builtin"))]);
        assert!(wait(false).await, "ours is left");
    }
}
