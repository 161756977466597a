//! What to reconcile, once each, with pauses after failures.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::channel::mpsc;
use futures::future::BoxFuture;
use kube::runtime::scheduler::{ScheduleRequest, scheduler};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, warn};

use crate::Error;
use crate::world::Owner;

/// How many reconciliations run at once.
const CONCURRENCY: usize = 16;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What comes within this time is reported at once.
const REPORTS_PAUSE: Duration = Duration::from_secs(1);

/// How often one key may be worked on within a time before it must rest in between: whoever undoes each of our repairs
/// at once does not get an endless race, and a burst of news is worked off together.
const BURST: u32 = 20;
const BURST_TIME: Duration = Duration::from_secs(10);
const REST: Duration = Duration::from_millis(500);

/// What is reconciled as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// The template of this constraint kind.
    Template(&'static str),
    /// The constraint of this kind and name, and the policy that it is made from, whether they exist or not.
    Constraint(&'static str, String),
    /// The exec guard and our webhook configuration.
    Routing,
    /// The namespace of this name.
    Namespace(String),
    /// All namespaces.
    Namespaces,
    /// What is told of everything that is no policy.
    System,
    /// All reports.
    Reports,
}

impl Key {
    /// What reconciles the key, as a word for the metrics.
    pub(crate) fn controller(&self) -> &'static str {
        match self {
            Self::Template(_) => "template",
            Self::Constraint(kind, _) => match Owner::of(kind) {
                Owner::SecurityPolicy => "securitypolicy",
                Owner::OperationPolicy => "operationpolicy",
                Owner::Standards => "standard",
                Owner::ExecGuard => "routing",
            },
            Self::Routing => "routing",
            Self::Namespace(_) | Self::Namespaces => "namespace",
            Self::System => "system",
            Self::Reports => "report",
        }
    }
}

/// What a reconciliation leaves to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing, until something changes.
    Change,
    /// The same again after a while.
    After(Duration),
}

/// The end of the queue that is written to.
#[derive(Clone)]
pub(crate) struct Requests {
    sender: mpsc::UnboundedSender<ScheduleRequest<Key>>,
    waiting: Arc<Mutex<HashSet<Key>>>,
}

/// The end of the queue that is worked off.
pub(crate) type Keys = mpsc::UnboundedReceiver<ScheduleRequest<Key>>;

/// A queue. It is bounded by the number of keys, since a key that waits is not added again.
pub(crate) fn channel() -> (Requests, Keys) {
    let (sender, receiver) = mpsc::unbounded();
    (Requests { sender, waiting: Arc::default() }, receiver)
}

impl Requests {
    /// Asks for a reconciliation now.
    pub(crate) fn send(&self, key: Key) {
        self.send_after(key, Duration::ZERO);
    }

    /// Asks to look at the reports soon: one run of audit changes many constraints.
    pub(crate) fn wake_reports(&self) {
        self.send_after(Key::Reports, REPORTS_PAUSE);
    }

    fn send_after(&self, key: Key, pause: Duration) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        // Fails only when the queue is gone, and with it everybody who could be told.
        let _ = self.sender.unbounded_send(ScheduleRequest { message: key, run_at: Instant::now() + pause });
    }

    /// How many keys wait, those included that wait to be tried again.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// A key is being worked on.
    fn begun(&self, key: &Key) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// Collects keys without working on them, and puts each back once when `until` is done.
pub(crate) async fn hold(requests: &Requests, keys: &mut Keys, until: impl Future<Output = ()>) {
    let mut until = pin!(until);
    let mut held = HashSet::new();
    loop {
        tokio::select! {
            () = &mut until => break,
            Some(request) = keys.next() => held.insert(request.message),
        };
    }
    for key in held {
        requests.send(key);
    }
}

/// Works forever. One key is never worked on twice at the same time.
pub(crate) async fn run(
    requests: Requests,
    keys: Keys,
    work: impl Fn(Key) -> BoxFuture<'static, Result<Next, Error>>,
) {
    let mut due = pin!(scheduler(keys));
    let (mut running, mut resting) = (JoinSet::new(), JoinSet::new());
    let (mut busy, mut failures, mut pace) = (HashSet::new(), HashMap::new(), Pace::new());
    loop {
        let is_free = running.len() < CONCURRENCY;
        let mut next = due.as_mut().hold_unless(|key| !busy.contains(key));
        let event = tokio::select! {
            Some(key) = next.next(), if is_free => Event::Due(key),
            Some(done) = running.join_next() => match done {
                Ok((key, result)) => Event::Done(key, result),
                Err(error) => {
                    error!(%error, "a reconciliation ended in a way it should not");
                    return;
                }
            },
            Some(Ok(key)) = resting.join_next() => Event::Rested(key),
            else => return,
        };
        match event {
            Event::Due(key) => {
                requests.begun(&key);
                busy.insert(key.clone());
                let task = work(key.clone());
                running.spawn(async move { (key, task.await) });
            }
            Event::Done(key, result) => {
                if let Some(pause) = pause(&key, result, &mut failures) {
                    requests.send_after(key.clone(), pause);
                }
                match pace.rest(&key) {
                    Some(rest) => drop(resting.spawn(async move {
                        tokio::time::sleep(rest).await;
                        key
                    })),
                    None => drop(busy.remove(&key)),
                }
            }
            Event::Rested(key) => drop(busy.remove(&key)),
        }
    }
}

enum Event {
    Due(Key),
    Done(Key, Result<Next, Error>),
    Rested(Key),
}

/// How often each key was worked on lately.
struct Pace {
    since: Instant,
    counts: HashMap<Key, u32>,
}

impl Pace {
    fn new() -> Self {
        Self { since: Instant::now(), counts: HashMap::new() }
    }

    /// How long a key must rest that was just worked on.
    fn rest(&mut self, key: &Key) -> Option<Duration> {
        if self.since.elapsed() > BURST_TIME {
            *self = Self::new();
        }
        let count = self.counts.entry(key.clone()).or_default();
        *count += 1;
        (*count > BURST).then_some(REST)
    }
}

/// When to do the same again. Failures in a row double the pause; the first one is told, the others only at length.
fn pause(key: &Key, result: Result<Next, Error>, failures: &mut HashMap<Key, u32>) -> Option<Duration> {
    match result {
        Ok(next) => {
            failures.remove(key);
            match next {
                Next::Change => None,
                Next::After(pause) => Some(pause),
            }
        }
        Err(error) => {
            let count = failures.entry(key.clone()).or_default();
            let pause = FIRST_PAUSE.saturating_mul(1 << (*count).min(10)).min(LONGEST_PAUSE);
            *count += 1;
            let is_news = !error.is_stale() && !error.is_not_leading();
            if is_news && (*count == 1 || pause == LONGEST_PAUSE) {
                warn!(?key, %error, retry_in = ?pause, "failed; trying again");
            }
            Some(pause)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Next, channel, run};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// Each reconciliation of a key makes news of it, as when somebody undoes our repairs.
    #[tokio::test(start_paused = true)]
    async fn a_race_is_slowed_down_and_holds_up_nobody() {
        let (requests, keys) = channel();
        let (raced, other) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        requests.send(Key::Routing);
        let (sender, races, others) = (requests.clone(), Arc::clone(&raced), Arc::clone(&other));
        let work = move |key: Key| -> futures::future::BoxFuture<'static, _> {
            let (sender, races, others) = (sender.clone(), Arc::clone(&races), Arc::clone(&others));
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                match key {
                    Key::Routing => {
                        races.fetch_add(1, Ordering::SeqCst);
                        sender.send(Key::Routing);
                    }
                    _ => drop(others.fetch_add(1, Ordering::SeqCst)),
                }
                Ok(Next::Change)
            })
        };
        let working = tokio::spawn(run(requests.clone(), keys, work));
        tokio::time::sleep(Duration::from_secs(60)).await;
        let count = raced.load(Ordering::SeqCst);
        assert!((120..300).contains(&count), "{count}");
        requests.send(Key::System);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(other.load(Ordering::SeqCst), 1);
        working.abort();
    }
}
