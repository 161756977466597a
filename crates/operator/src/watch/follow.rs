//! Keeps a cache filled, whatever happens to the kind or to the API server.

use std::fmt::Debug;
use std::future::pending;
use std::time::Duration;

use futures::StreamExt as _;
use kube::core::{ApiResource, Status};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch::Receiver;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::Error;
use crate::error::{request, with_causes};
use crate::watch::cache::{Cache, Change, Entry};
use crate::watch::schemas::Addresses;

/// How often we look whether an absent kind is served by now: at first, and when it has been absent for long.
const SERVED_INTERVAL: Duration = Duration::from_millis(500);
const LONGEST_INTERVAL: Duration = Duration::from_secs(5);

/// The pause after a watch failed; doubled with each failure in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Failures further apart than this are not in a row. Longer than the longest pause and the wait for an answer.
const CALM: Duration = Duration::from_secs(30);

/// How long one watch request lasts, in seconds: a connection that died in silence is noticed by then.
const WATCH_SECONDS: u32 = 60;

/// After a schema has changed, the kind is listed once more so much later: another API server may have learned of the
/// change a moment after the one that reported it.
const AGAIN: Duration = Duration::from_secs(10);

/// What to watch.
pub(crate) struct Source<K> {
    pub(crate) client: Client,
    pub(crate) api: Api<K>,
    pub(crate) resource: ApiResource,
    pub(crate) config: watcher::Config,
    /// Where the schemas are served; none for a kind whose schema does not change or does not matter.
    pub(crate) schemas: Option<Receiver<Option<Addresses>>>,
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

/// Watches until the kind is no longer served. Where a watch may not or cannot go on, all is listed anew: only a list
/// says what was missed, and that everything is known again. So it is when the schema has changed.
async fn follow<K, T>(source: &Source<K>, cache: &Cache<T>, reduce: impl Fn(K) -> T, tell: impl Fn(Change))
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    T: Entry,
{
    let config = source.config.clone().timeout(WATCH_SECONDS);
    let begin = || watcher(source.api.clone(), config.clone()).boxed();
    let mut schema = Schema::of(source.schemas.clone(), source.resource.clone()).await;
    let mut events = begin();
    let mut backoff = Backoff::default();
    let named = |object: K| (key(&object), reduce(object));
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = schema.changed() => {
                debug!(kind = source.resource.kind, "the schema has changed; listing anew");
                events = begin();
                continue;
            }
        };
        let Some(event) = event else { return };
        match event {
            Ok(event) => {
                let all_listed = matches!(event, Event::InitDone);
                let change = cache.take(map(event, named));
                // Not before: nobody may take what was listed earlier for what the new schema shows.
                if all_listed {
                    cache.listed_under(schema.current.clone());
                }
                tell(change);
            }
            Err(error) if is_not_served(&error) => {
                warn!(kind = source.resource.kind, "kind is no longer served");
                return;
            }
            Err(error) => {
                let pause = backoff.failed();
                if pause == FIRST_PAUSE {
                    let said =
                        answer(&error).map_or_else(|| with_causes(&error), |status| status.message.clone());
                    warn!(kind = source.resource.kind, error = said, "watch failed; trying again");
                }
                if is_forbidden(&error) {
                    tell(cache.absent());
                }
                // The watcher by itself would ask for the version that is gone again and again.
                if is_forbidden(&error) || is_expired(&error) {
                    events = begin();
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// The schema of a kind, as far as it is followed.
struct Schema {
    addresses: Option<Receiver<Option<Addresses>>>,
    resource: ApiResource,
    /// The address of the schema that is served.
    current: Option<String>,
    /// When to list once more.
    again: Option<Instant>,
}

impl Schema {
    /// Waits until it is known where schemas are served.
    async fn of(mut addresses: Option<Receiver<Option<Addresses>>>, resource: ApiResource) -> Self {
        let mut current = None;
        if let Some(receiver) = &mut addresses {
            let known = receiver.wait_for(Option::is_some).await;
            current = known.ok().and_then(|known| address(known.as_ref(), &resource));
        }
        Self { addresses, resource, current, again: None }
    }

    /// Returns when the objects have to be listed anew.
    async fn changed(&mut self) {
        let Some(receiver) = &mut self.addresses else { return pending().await };
        loop {
            let again = self.again;
            let later = async {
                match again {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = later => {
                    self.again = None;
                    return;
                }
                news = receiver.changed() => {
                    if news.is_err() {
                        return pending().await;
                    }
                }
            }
            let now = address(receiver.borrow_and_update().as_ref(), &self.resource);
            if now != self.current {
                self.current = now;
                self.again = Some(Instant::now() + AGAIN);
                return;
            }
        }
    }
}

fn address(known: Option<&Addresses>, resource: &ApiResource) -> Option<String> {
    known?.of(resource).map(str::to_owned)
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

/// The API server answers so for a kind that it does not serve, in plain text or as an object. Codes tell: of plain
/// text kube makes up a reason.
fn is_not_served(error: &watcher::Error) -> bool {
    code(error) == Some(404)
}

fn is_forbidden(error: &watcher::Error) -> bool {
    code(error) == Some(403)
}

/// Whether the version to go on from is too old.
fn is_expired(error: &watcher::Error) -> bool {
    code(error) == Some(410)
}

fn code(error: &watcher::Error) -> Option<u16> {
    answer(error).map(|status| status.code)
}

/// What the API server answered, if it did.
fn answer(error: &watcher::Error) -> Option<&Status> {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        WatchError(status)
        | InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status)) => Some(status),
        _ => None,
    }
}

/// Waits for the API server to serve a kind; says once that it does not.
async fn until_served(client: &Client, resource: &ApiResource, absent: impl Fn()) {
    let mut logged = false;
    let begun = Instant::now();
    loop {
        match is_served(client, resource).await {
            Ok(true) => break,
            Ok(false) if !logged => {
                info!(kind = resource.kind, group = resource.group, "waiting for the kind to be served");
                absent();
                logged = true;
            }
            Ok(false) => {}
            Err(error) => debug!(%error, "discovery failed"),
        }
        tokio::time::sleep((begun.elapsed() / 10).clamp(SERVED_INTERVAL, LONGEST_INTERVAL)).await;
    }
    if logged {
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
    use super::{
        AGAIN, Backoff, CALM, FIRST_PAUSE, LONGEST_PAUSE, Schema, is_expired, is_forbidden, is_not_served,
    };
    use crate::watch::schemas::Addresses;
    use kube::core::{ApiResource, GroupVersionKind, Status};
    use kube::runtime::watcher;
    use std::time::Duration;
    use tokio::sync::watch::Sender;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn objects_are_listed_anew_when_their_schema_changes_and_once_more_later() {
        let at = |hash| Some(Addresses::at("apis/deckhouse.io/v1alpha1", hash));
        let resource =
            ApiResource::from_gvk(&GroupVersionKind::gvk("deckhouse.io", "v1alpha1", "SecurityPolicy"));
        let addresses = Sender::new(None);
        let listed = Schema::of(Some(addresses.subscribe()), resource);
        addresses.send_replace(at("1"));
        let mut schema = listed.await;
        assert_eq!(schema.current.as_deref(), Some("1"));
        let long = Duration::from_hours(1);
        assert!(timeout(long, schema.changed()).await.is_err(), "nothing has changed");
        // Documents of others.
        addresses.send_replace(Some(Addresses::at("apis/example.com/v1", "1").and(at("1").unwrap())));
        assert!(timeout(long, schema.changed()).await.is_err());

        addresses.send_replace(at("2"));
        timeout(Duration::ZERO, schema.changed()).await.unwrap();
        assert_eq!(schema.current.as_deref(), Some("2"));
        assert!(timeout(AGAIN / 2, schema.changed()).await.is_err());
        timeout(AGAIN, schema.changed()).await.unwrap();
        assert!(timeout(long, schema.changed()).await.is_err());
    }

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
        tokio::time::sleep(CALM.checked_sub(Duration::from_secs(6)).unwrap()).await;
        assert_eq!(backoff.failed(), LONGEST_PAUSE);
        tokio::time::sleep(CALM).await;
        assert_eq!(backoff.failed(), FIRST_PAUSE);
    }

    #[test]
    fn what_the_api_server_says_of_a_kind() {
        let failed = |reason: &str, code| {
            let status = Status::failure("404 page not found", reason).with_code(code);
            watcher::Error::WatchStartFailed(kube::Error::Api(Box::new(status)))
        };
        let said = |error| [is_not_served(&error), is_forbidden(&error), is_expired(&error)];
        for (reason, code, expected) in [
            ("NotFound", 404, [true, false, false]),
            ("Failed to parse error data", 404, [true, false, false]),
            ("Forbidden", 403, [false, true, false]),
            ("Expired", 410, [false, false, true]),
            ("ServiceUnavailable", 503, [false, false, false]),
        ] {
            assert_eq!(said(failed(reason, code)), expected, "{reason} {code}");
        }
    }
}
