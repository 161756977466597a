//! A world for tests, filled by hand.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use gatewright_api::{PolicyKind, with_policy_type};
use gatewright_compiler::Settings;
use gatewright_rules::Template;
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use kube::core::DynamicObject;
use kube::runtime::watcher::Event;
use serde_json::Value;
use tokio::sync::watch;
use tower::service_fn;

use crate::watch::cache::{Cache, Entry};
use crate::watch::key::{Changes, Key};
use crate::watch::live::Live;
use crate::watch::policies::Watched as _;
use crate::watch::schemas::Schemas;
use crate::watch::system::Replica;
use crate::watch::world::World;

/// A world that knows nothing, and the keys of what has changed in it. Its API server answers nobody.
pub(crate) fn world() -> (World, Arc<Mutex<Vec<Key>>>) {
    let silent = service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let woken = Arc::<Mutex<Vec<Key>>>::default();
    let keys = Arc::clone(&woken);
    let changes = Changes::new(move |key| keys.lock().unwrap().push(key));
    let (_, settings_problem) = watch::channel(None);
    let replica = Replica { identity: "a".to_owned(), elects: false, settings_problem };
    let client = Client::new(silent, "default");
    (World::new(client, Settings::default(), Arc::default(), changes, replica), woken)
}

/// These are all objects of a kind.
pub(crate) fn fill<T: Entry>(cache: &Cache<T>, objects: impl IntoIterator<Item = (&'static str, T)>) {
    cache.take(Event::Init);
    for (name, object) in objects {
        cache.take(Event::InitApply((name.to_owned(), object)));
    }
    cache.take(Event::InitDone);
}

/// What fills a cache with nothing.
type Fill = Box<dyn Fn(&World)>;

/// Everything that is watched, each as what fills it with nothing.
pub(crate) fn caches() -> Vec<(&'static str, Fill)> {
    let policies = PolicyKind::ALL.iter().map(|kind| -> (_, Fill) {
        let empty = |world: &World| with_policy_type!(*kind, P => fill(P::cache(&world.policies), []));
        (kind.name(), Box::new(empty))
    });
    let constraints = Template::ALL.iter().map(|template| -> (_, Fill) {
        (template.kind(), Box::new(|world| fill(world.constraints(*template), [])))
    });
    let others = OTHERS.iter().map(|(name, fill)| -> (_, Fill) { (*name, Box::new(fill)) });
    policies.chain(others).chain(constraints).collect()
}

/// The same of a kind that there is one cache for.
type FillOne = fn(&World);

const OTHERS: [(&str, FillOne); 11] = [
    ("templates", |world| fill(&world.templates, [])),
    ("pods", |world| fill(&world.pods, [])),
    ("webhooks", |world| fill(&world.webhooks, [])),
    ("exemptions", |world| fill(&world.exemptions, [])),
    ("platform pods", |world| fill(&world.platform_pods, [])),
    ("sync sets", |world| fill(&world.sync_sets, [])),
    ("own webhook", |world| fill(&world.own_webhook, [])),
    ("providers", |world| fill(&world.providers, [])),
    ("namespaces", |world| {
        fill(&world.namespaces.cache, []);
        world.namespaces.turn_all();
    }),
    ("release", |world| {
        world.release.publish(None);
    }),
    ("schemas", |world| {
        world.schemas.publish(Schemas { unavailable: true, ..Schemas::default() });
    }),
];

/// Everything is known, and nothing is there.
pub(crate) fn empty_world() -> World {
    let (world, _) = world();
    for (_, fill) in caches() {
        fill(&world);
    }
    world
}

/// An object as it is in the API.
pub(crate) fn live(object: Value) -> Live {
    Live::from(serde_json::from_value::<DynamicObject>(object).unwrap())
}
