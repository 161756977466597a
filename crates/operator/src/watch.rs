//! Keeps a cache filled, whatever happens to the kind or to the API server.

use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use kube::core::{ApiResource, Status};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::Error;
use crate::cache::{Cache, Change, Entry};
use crate::error::request;

/// How often we look whether an absent kind is served by now.
const SERVED_INTERVAL: Duration = Duration::from_millis(500);

/// The pause after a watch failed; doubled with each failure in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Failures further apart than this are not in a row. Longer than the longest pause and the wait for an answer.
const CALM: Duration = Duration::from_secs(30);

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
    let tell = |change| {
        if change != Change::Nothing {
            changed(change);
        }
    };
    loop {
        until_served(&source.client, &source.resource, || tell(cache.absent())).await;
        follow(&source, &cache, &reduce, &tell).await;
        tell(cache.absent());
    }
}

/// Watches until the kind is no longer served.
async fn follow<K, T>(source: &Source<K>, cache: &Cache<T>, reduce: impl Fn(K) -> T, tell: impl Fn(Change))
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    T: Entry,
{
    let config = source.config.clone().timeout(WATCH_SECONDS);
    let begin = || watcher(source.api.clone(), config.clone());
    let mut events = pin!(begin());
    let mut backoff = Backoff::default();
    let named = |object: K| (key(&object), reduce(object));
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => tell(cache.take(map(event, named))),
            Err(error) if is_not_served(&error) => {
                warn!(kind = source.resource.kind, "kind is no longer served");
                return;
            }
            Err(error) => {
                let pause = backoff.failed();
                if pause == FIRST_PAUSE {
                    let said =
                        answer(&error).map_or_else(|| error.to_string(), |status| status.message.clone());
                    warn!(kind = source.resource.kind, error = said, "watch failed; trying again");
                }
                if is_forbidden(&error) {
                    tell(cache.absent());
                }
                tokio::time::sleep(pause).await;
                // The watcher by itself would ask for the version that is gone again and again.
                if is_expired(&error) {
                    events.set(begin());
                }
            }
        }
    }
}

/// The pauses of one watch. That objects come in between proves nothing: a list may work where watching does not.
#[derive(Default)]
struct Backoff {
    last: Option<(Instant, Duration)>,
}

impl Backoff {
    fn failed(&mut self) -> Duration {
        let now = Instant::now();
        let recent = self.last.filter(|(at, _)| now < *at + CALM);
        let pause = recent.map_or(FIRST_PAUSE, |(_, pause)| (pause * 2).min(LONGEST_PAUSE));
        self.last = Some((now, pause));
        pause
    }
}

/// The object's name, behind its namespace if it has one.
fn key(object: &impl Resource) -> String {
    let name = object.meta().name.clone().unwrap_or_default();
    object.meta().namespace.as_ref().map_or_else(|| name.clone(), |namespace| format!("{namespace}/{name}"))
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
    answer(error).is_some_and(Status::is_not_found)
}

fn is_forbidden(error: &watcher::Error) -> bool {
    answer(error).is_some_and(Status::is_forbidden)
}

/// Whether the version to watch from is no longer kept.
fn is_expired(error: &watcher::Error) -> bool {
    answer(error).is_some_and(|status| status.code == 410)
}

/// What the API server answered, if it did.
fn answer(error: &watcher::Error) -> Option<&Status> {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        WatchError(status) => Some(status),
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status)) => Some(status),
        _ => None,
    }
}

/// Waits for the API server to serve a kind; says once that it does not.
async fn until_served(client: &Client, resource: &ApiResource, absent: impl Fn()) {
    let mut told = false;
    loop {
        match is_served(client, resource).await {
            Ok(true) => break,
            Ok(false) if !told => {
                info!(kind = resource.kind, group = resource.group, "waiting for the kind to be served");
                absent();
                told = true;
            }
            Ok(false) => {}
            Err(error) => debug!(%error, "discovery failed"),
        }
        tokio::time::sleep(SERVED_INTERVAL).await;
    }
    if told {
        info!(kind = resource.kind, group = resource.group, "kind is served");
    }
}

async fn is_served(client: &Client, resource: &ApiResource) -> Result<bool, Error> {
    if resource.group.is_empty() {
        return Ok(true);
    }
    let doing = format!("looking for {}", resource.kind);
    match request(doing, client.list_api_group_resources(&resource.api_version)).await {
        Ok(list) => Ok(list.resources.iter().any(|served| served.name == resource.plural)),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, CALM, FIRST_PAUSE, LONGEST_PAUSE};
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_a_bound_and_start_anew_after_calm() {
        let mut backoff = Backoff::default();
        let mut pauses = vec![];
        for _ in 0..10 {
            let pause = backoff.failed();
            pauses.push(pause);
            tokio::time::sleep(pause).await;
        }
        assert_eq!((pauses[0], pauses[1], pauses[9]), (FIRST_PAUSE, FIRST_PAUSE * 2, LONGEST_PAUSE));
        tokio::time::sleep(CALM - Duration::from_secs(6)).await;
        assert_eq!(backoff.failed(), LONGEST_PAUSE);
        tokio::time::sleep(CALM).await;
        assert_eq!(backoff.failed(), FIRST_PAUSE);
    }
}
