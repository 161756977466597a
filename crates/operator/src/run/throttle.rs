//! The request throttle: no request waits forever for the API server, none presses a server in trouble, and what it
//! does not answer is known.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use kube::Client;
use kube::client::Body;
use tokio::time::Instant;
use tower::service_fn;
use tracing::info;

use crate::error::said;

/// How long the API server may take to begin an answer: a list of a large cluster takes its time.
const ANSWER: Duration = Duration::from_secs(20);

/// How often one watch is begun at most. A server that ends each at once is not run down.
const BETWEEN_WATCHES: Duration = Duration::from_secs(1);

/// Longer than this the API server cannot make us wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What failed and was not tried again for so long is no longer wanted.
const FORGOTTEN: Duration = Duration::from_mins(1);

/// The parameters of a list or watch that say which objects it is about.
const SELECTORS: [&str; 2] = ["fieldSelector", "labelSelector"];

/// What is remembered of the answers. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Throttle(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    /// Until when the API server wants to be left alone.
    pause: Option<Instant>,
    /// When each watch was last begun.
    begun: HashMap<Followed, Instant>,
    /// What cannot be listed or watched: since when, when last tried, and why.
    failing: HashMap<Followed, Failing>,
}

struct Failing {
    since: Instant,
    tried: Instant,
    why: String,
}

/// The API server did not begin an answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", ANSWER.as_secs())]
struct NoAnswer;

impl Throttle {
    /// A client whose requests pass the throttle.
    pub(crate) fn wrap(&self, client: Client) -> Client {
        let throttle = self.clone();
        let namespace = client.default_namespace().to_owned();
        let service = service_fn(move |request| throttle.clone().send(client.clone(), request));
        Client::new(service, namespace)
    }

    /// What cannot be listed or watched now, with the reason.
    pub(crate) fn failing(&self) -> Vec<String> {
        let mut memory = self.memory();
        memory.failing.retain(|_, failing| failing.tried.elapsed() < FORGOTTEN);
        let mut all: Vec<_> = memory.failing.iter().map(|(what, it)| format!("{what}: {}", it.why)).collect();
        all.sort();
        all
    }

    async fn send(self, client: Client, request: Request<Body>) -> kube::Result<Response<Body>> {
        let read = Read::of(&request);
        tokio::time::sleep_until(self.not_before(read.as_ref())).await;
        let answer = tokio::time::timeout(ANSWER, client.send(request)).await;
        let answer = answer.unwrap_or_else(|_| Err(kube::Error::Service(Box::new(NoAnswer))));
        if let Ok(response) = &answer {
            self.take_in(response.status(), response.headers());
        }
        if let Some(read) = read {
            self.note(read.followed, failure(&answer));
        }
        answer
    }

    /// When a request may be sent.
    fn not_before(&self, read: Option<&Read>) -> Instant {
        let mut memory = self.memory();
        let now = Instant::now();
        let mut time = memory.pause.map_or(now, |pause| pause.max(now));
        if let Some(Read { followed, watch: true }) = read {
            memory.begun.retain(|_, begun| begun.elapsed() < FORGOTTEN);
            if let Some(begun) = memory.begun.get(followed) {
                time = time.max(*begun + BETWEEN_WATCHES);
            }
            memory.begun.insert(followed.clone(), time);
        }
        time
    }

    /// Does as the API server asks, in reason.
    fn take_in(&self, status: StatusCode, headers: &HeaderMap) {
        if ![StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status) {
            return;
        }
        let asked = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        if let Some(asked) = asked.map(Duration::from_secs) {
            self.memory().pause = Some(Instant::now() + asked.min(LONGEST_PAUSE));
        }
    }

    fn note(&self, followed: Followed, why: Option<String>) {
        let now = Instant::now();
        let mut memory = self.memory();
        match why {
            Some(why) => {
                let since = memory.failing.get(&followed).map_or(now, |failing| failing.since);
                memory.failing.insert(followed, Failing { since, tried: now, why });
            }
            None => {
                if let Some(failing) = memory.failing.remove(&followed) {
                    info!(what = %followed, after = ?failing.since.elapsed(), "answered again");
                }
            }
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one watch lists and follows. Two watches of one resource differ in their selectors.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Followed {
    path: String,
    selectors: Vec<(String, String)>,
}

impl std::fmt::Display for Followed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path)?;
        for (i, (name, value)) in self.selectors.iter().enumerate() {
            write!(f, "{}{name}={value}", if i == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

/// A request that a watch consists of.
struct Read {
    followed: Followed,
    watch: bool,
}

impl Read {
    /// Lists have a limit, other reads have none.
    fn of(request: &Request<Body>) -> Option<Self> {
        let query = request.uri().query().unwrap_or_default().as_bytes();
        let parameters: Vec<_> = form_urlencoded::parse(query).into_owned().collect();
        let has = |wanted: &str| parameters.iter().any(|(name, _)| name == wanted);
        let watch = has("watch");
        let follows = request.method() == Method::GET && (watch || has("limit"));
        let mut selectors = parameters;
        selectors.retain(|(name, _)| SELECTORS.contains(&name.as_str()));
        selectors.sort();
        let path = request.uri().path().to_owned();
        follows.then_some(Self { followed: Followed { path, selectors }, watch })
    }
}

/// Why a request was not answered as it should be. That a kind is not served, or not to us, is an answer.
fn failure(answer: &kube::Result<Response<Body>>) -> Option<String> {
    match answer {
        Err(error) => Some(said(error)),
        Ok(response) => {
            let status = response.status();
            let failed = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
            failed.then(|| status.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ANSWER, BETWEEN_WATCHES, LONGEST_PAUSE, Throttle};
    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use std::convert::Infallible;
    use std::time::Duration;
    use tokio::time::Instant;
    use tower::service_fn;

    const WATCH: &str = "/api/v1/pods?&watch=true&timeoutSeconds=60";

    /// A client of an API server that answers with this status; 0 is no answer at all.
    fn client(throttle: &Throttle, status: u16) -> Client {
        let answer = move |_: Request<Body>| async move {
            if status == 0 {
                std::future::pending::<()>().await;
            }
            let response = Response::builder().status(status).header("retry-after", "3600");
            Ok::<_, Infallible>(response.body(Body::empty()).unwrap())
        };
        throttle.wrap(Client::new(service_fn(answer), "default"))
    }

    async fn send(client: &Client, path: &str) -> Duration {
        let begun = Instant::now();
        let _ = client.send(Request::get(path).body(Body::empty()).unwrap()).await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_is_not_begun_in_a_hurry() {
        let client = client(&Throttle::default(), 200);
        assert_eq!(send(&client, WATCH).await, Duration::ZERO);
        assert!(send(&client, WATCH).await >= BETWEEN_WATCHES);
        assert_eq!(send(&client, "/api/v1/nodes?&watch=true").await, Duration::ZERO);
        assert_eq!(send(&client, "/api/v1/pods?&limit=500").await, Duration::ZERO);
        tokio::time::sleep(BETWEEN_WATCHES).await;
        assert_eq!(send(&client, WATCH).await, Duration::ZERO);
    }

    /// Upstream's webhook configurations and our own: one resource, two watches.
    const UPSTREAM: &str = "/apis/a/v1/webhooks?&watch=true&labelSelector=gatekeeper.sh%2Fsystem%3Dyes";
    const OWN: &str = "/apis/a/v1/webhooks?&watch=true&fieldSelector=metadata.name%3Down";

    #[tokio::test(start_paused = true)]
    async fn watches_of_one_resource_with_other_selectors_are_apart() {
        let throttle = Throttle::default();
        let (works, fails) = (client(&throttle, 200), client(&throttle, 500));
        assert_eq!(send(&fails, OWN).await, Duration::ZERO);
        assert_eq!(send(&works, UPSTREAM).await, Duration::ZERO);
        let failing = ["/apis/a/v1/webhooks?fieldSelector=metadata.name=own: 500 Internal Server Error"];
        assert_eq!(throttle.failing(), failing, "the success of one does not hide the failure of the other");
        // A list of the same objects, in pages, is of the same watch.
        let list = "/apis/a/v1/webhooks?&limit=50&continue=x&fieldSelector=metadata.name%3Down";
        send(&works, list).await;
        assert!(throttle.failing().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_asks_for_a_pause_gets_one_but_not_forever() {
        for (status, pause) in [(429, LONGEST_PAUSE), (503, LONGEST_PAUSE), (500, Duration::ZERO)] {
            let client = client(&Throttle::default(), status);
            assert_eq!(send(&client, "/version").await, Duration::ZERO);
            let waited = send(&client, "/version").await;
            assert!(waited >= pause && waited < pause + Duration::from_secs(1), "{status}: {waited:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_answered_is_known_until_it_is() {
        let throttle = Throttle::default();
        assert!(send(&client(&throttle, 0), WATCH).await >= ANSWER);
        assert_eq!(throttle.failing(), ["/api/v1/pods: ServiceError: no answer within 20 s"]);
        send(&client(&throttle, 500), WATCH).await;
        assert_eq!(throttle.failing(), ["/api/v1/pods: 500 Internal Server Error"]);
        // Not to be served, or not to us, is an answer.
        send(&client(&throttle, 403), WATCH).await;
        assert!(throttle.failing().is_empty());
        send(&client(&throttle, 500), "/api/v1/pods/one").await;
        assert!(throttle.failing().is_empty(), "a single object is not followed");
        send(&client(&throttle, 503), WATCH).await;
        tokio::time::sleep(super::FORGOTTEN).await;
        assert!(throttle.failing().is_empty());
    }
}
