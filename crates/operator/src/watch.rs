//! Keeps a cache filled, whatever happens to the kind or to the API server.

use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use kube::core::ApiResource;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tracing::{debug, info, warn};

use crate::cache::{Cache, Change, Entry};
use crate::error::request;

/// How often we look whether an absent kind is served by now.
const SERVED_INTERVAL: Duration = Duration::from_millis(500);

/// The pause after a watch failed; doubled with each failure in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long one watch request lasts, in seconds: a connection that died in silence is noticed by then.
const WATCH_SECONDS: u32 = 60;

/// What to watch.
pub(crate) struct Source<K> {
    pub(crate) client: Client,
    pub(crate) api: Api<K>,
    pub(crate) resource: ApiResource,
    pub(crate) config: watcher::Config,
}

/// Watches forever. `reduce` keeps of an object what is needed; `changed` hears what the events changed.
pub(crate) async fn keep_filled<K, T>(
    source: Source<K>,
    cache: Cache<T>,
    reduce: impl Fn(K) -> T,
    changed: impl Fn(Change),
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    T: Entry,
{
    loop {
        until_served(&source.client, &source.resource).await;
        follow(&source, &cache, &reduce, &changed).await;
        cache.lost();
        changed(Change::Everything);
    }
}

/// Watches until the kind is no longer served.
async fn follow<K, T>(source: &Source<K>, cache: &Cache<T>, reduce: impl Fn(K) -> T, changed: impl Fn(Change))
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    T: Entry,
{
    let config = source.config.clone().timeout(WATCH_SECONDS);
    let mut events = pin!(watcher(source.api.clone(), config));
    let mut pause = FIRST_PAUSE;
    let named = |object: K| (object.name_any(), reduce(object));
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                pause = FIRST_PAUSE;
                match cache.take(map(event, named)) {
                    Change::Nothing => {}
                    change => changed(change),
                }
            }
            Err(error) if is_not_served(&error) => {
                warn!(kind = source.resource.kind, "kind is no longer served");
                return;
            }
            Err(error) => {
                if pause == FIRST_PAUSE {
                    warn!(kind = source.resource.kind, %error, "watch failed; trying again");
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

fn map<K, T>(event: Event<K>, f: impl Fn(K) -> T) -> Event<T> {
    match event {
        Event::Apply(object) => Event::Apply(f(object)),
        Event::Delete(object) => Event::Delete(f(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(f(object)),
        Event::InitDone => Event::InitDone,
    }
}

fn is_not_served(error: &watcher::Error) -> bool {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    let (InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error)) = error else {
        return false;
    };
    matches!(error, kube::Error::Api(status) if status.is_not_found())
}

/// Waits for the API server to serve a kind, and says so once.
async fn until_served(client: &Client, resource: &ApiResource) {
    let mut told = false;
    while !is_served(client, resource).await {
        if !told {
            info!(
                kind = resource.kind,
                group = resource.group,
                "waiting for the kind to be served"
            );
            told = true;
        }
        tokio::time::sleep(SERVED_INTERVAL).await;
    }
    if told {
        info!(kind = resource.kind, group = resource.group, "kind is served");
    }
}

async fn is_served(client: &Client, resource: &ApiResource) -> bool {
    if resource.group.is_empty() {
        return true;
    }
    let doing = format!("looking for {}", resource.kind);
    match request(doing, client.list_api_group_resources(&resource.api_version)).await {
        Ok(list) => list.resources.iter().any(|served| served.name == resource.plural),
        Err(error) if error.is_not_found() => false,
        Err(error) => {
            debug!(%error, "discovery failed");
            false
        }
    }
}
