//! What to reconcile, once each, with pauses after failures.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::channel::mpsc;
use futures::future::BoxFuture;
use kube::runtime::scheduler::{ScheduleRequest, scheduler};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, warn};

use crate::Error;
use crate::judge::plan::Next;
use crate::watch::key::Key;

/// How many reconciliations run at once.
const CONCURRENCY: usize = 16;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What comes within this time is reported at once.
const REPORTS_PAUSE: Duration = Duration::from_secs(1);

/// If more keys than this fail at a time, they are logged together.
const LOGGED_ONE_BY_ONE: usize = 10;

/// How often one key may be worked on within a time before it must rest in between: whoever undoes each of our repairs
/// at once does not get an endless race, and a burst of news is worked off together.
const BURST: u32 = 20;
const BURST_TIME: Duration = Duration::from_secs(10);
const REST: Duration = Duration::from_millis(500);

/// The end of the queue that is written to.
#[derive(Clone)]
pub(crate) struct Requests {
    sender: mpsc::UnboundedSender<ScheduleRequest<Key>>,
    /// When each key that waits is due.
    waiting: Arc<Mutex<HashMap<Key, Instant>>>,
}

/// The end of the queue that is worked off.
pub(crate) type Keys = mpsc::UnboundedReceiver<ScheduleRequest<Key>>;

/// A queue. It is bounded by the number of keys, since a key that waits is not added again, but for an earlier time.
pub(crate) fn channel() -> (Requests, Keys) {
    let (sender, receiver) = mpsc::unbounded();
    (Requests { sender, waiting: Arc::default() }, receiver)
}

impl Requests {
    /// Asks for a reconciliation now; of the reports soon, since one run of audit changes many constraints.
    pub(crate) fn send(&self, key: Key) {
        let pause = if key == Key::Reports { REPORTS_PAUSE } else { Duration::ZERO };
        self.send_after(key, pause);
    }

    fn send_after(&self, key: Key, pause: Duration) {
        let run_at = Instant::now() + pause;
        let mut waiting = self.waiting();
        if waiting.get(&key).is_some_and(|due| *due <= run_at) {
            return;
        }
        waiting.insert(key.clone(), run_at);
        drop(waiting);
        // Fails only when the queue is gone, and with it everybody who could work on the key.
        let _ = self.sender.unbounded_send(ScheduleRequest { message: key, run_at });
    }

    /// How many keys wait, those included that wait to be tried again.
    pub(crate) fn len(&self) -> usize {
        self.waiting().len()
    }

    /// A key is being worked on.
    fn begun(&self, key: &Key) {
        self.waiting().remove(key);
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Key, Instant>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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
        requests.begun(&key);
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
    let (mut busy, mut failures, mut pace) = (HashSet::new(), Failures::default(), Pace::new());
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
                if let Some(pause) = failures.pause(&key, result) {
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

/// The keys that fail, with how often in a row.
#[derive(Default)]
struct Failures {
    counts: HashMap<Key, u32>,
    summarized: Option<Instant>,
}

/// How a failure is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Logging {
    Alone,
    WithOthers,
    Not,
}

impl Failures {
    /// When to do the same again. Failures in a row double the pause.
    fn pause(&mut self, key: &Key, result: Result<Next, Error>) -> Option<Duration> {
        match result {
            Ok(next) => {
                self.counts.remove(key);
                match next {
                    Next::Change => None,
                    Next::After(pause) => Some(pause),
                }
            }
            Err(error) => {
                let count = self.counts.entry(key.clone()).or_default();
                let pause = FIRST_PAUSE.saturating_mul(1 << (*count).min(10)).min(LONGEST_PAUSE);
                *count += 1;
                let is_first = *count == 1;
                if !error.is_stale() && !error.is_not_leading() {
                    match self.logging(is_first, pause) {
                        Logging::Alone => warn!(?key, %error, retry_in = ?pause, "failed; trying again"),
                        Logging::WithOthers => {
                            warn!(failing = self.counts.len(), ?key, %error, "failing; trying again");
                        }
                        Logging::Not => {}
                    }
                }
                Some(pause)
            }
        }
    }

    /// The first failure of a key is logged; of many, and of those that last, one now and then for all.
    fn logging(&mut self, is_first: bool, pause: Duration) -> Logging {
        if is_first && self.counts.len() <= LOGGED_ONE_BY_ONE {
            return Logging::Alone;
        }
        let is_due = self.summarized.is_none_or(|at| at.elapsed() >= LONGEST_PAUSE);
        if !is_due || !(is_first || pause == LONGEST_PAUSE) {
            return Logging::Not;
        }
        self.summarized = Some(Instant::now());
        Logging::WithOthers
    }
}

#[cfg(test)]
mod tests {
    use super::{
        FIRST_PAUSE, Failures, Key, LOGGED_ONE_BY_ONE, LONGEST_PAUSE, Logging, Next, channel, hold, run,
    };
    use crate::Error;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// Each reconciliation of a key makes news of it, as when somebody undoes our repairs.
    #[tokio::test(start_paused = true)]
    async fn a_race_is_slowed_down_and_holds_up_nobody() {
        let (requests, keys) = channel();
        let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let count = |of: usize| counts[of].load(Ordering::SeqCst);
        requests.send(Key::Routing);
        let (sender, counted) = (requests.clone(), Arc::clone(&counts));
        let work = move |key: Key| -> futures::future::BoxFuture<'static, _> {
            let (sender, counted) = (sender.clone(), Arc::clone(&counted));
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                let is_raced = key == Key::Routing;
                counted[usize::from(!is_raced)].fetch_add(1, Ordering::SeqCst);
                if is_raced {
                    sender.send(key);
                }
                Ok(Next::Change)
            })
        };
        let working = tokio::spawn(run(requests.clone(), keys, work));
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert!((120..300).contains(&count(0)), "{}", count(0));
        requests.send(Key::System);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(count(1), 1);
        working.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_waits_is_not_added_again_but_for_an_earlier_time() {
        let (requests, mut keys) = channel();
        let mut added = || std::iter::from_fn(|| keys.try_recv().ok()).count();
        for _ in 0..1000 {
            requests.send(Key::Routing);
            requests.send(Key::System);
        }
        assert_eq!((requests.len(), added()), (2, 2));
        // What is to be tried again later is looked at at once if something has changed.
        requests.begun(&Key::System);
        requests.send_after(Key::System, LONGEST_PAUSE);
        requests.send_after(Key::System, LONGEST_PAUSE);
        requests.send(Key::System);
        requests.send_after(Key::System, FIRST_PAUSE);
        assert_eq!((requests.len(), added()), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_replica_that_stands_by_collects_is_worked_on_once_it_leads() {
        let (requests, mut keys) = channel();
        for _ in 0..3 {
            requests.send(Key::Routing);
            requests.send(Key::System);
        }
        let led = tokio::time::sleep(Duration::from_secs(1));
        hold(&requests, &mut keys, led).await;
        assert_eq!(requests.len(), 2);
        let worked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&worked);
        let work = move |_: Key| -> futures::future::BoxFuture<'static, _> {
            let counted = Arc::clone(&counted);
            Box::pin(async move {
                counted.fetch_add(1, Ordering::SeqCst);
                Ok(Next::Change)
            })
        };
        let working = tokio::spawn(run(requests.clone(), keys, work));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!((worked.load(Ordering::SeqCst), requests.len()), (2, 0));
        working.abort();
    }

    fn failed() -> Result<Next, Error> {
        Err(Error::Timeout { doing: "asking".into(), limit: Duration::from_secs(1) })
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_a_bound_and_start_anew_after_a_success() {
        let mut failures = Failures::default();
        let pauses: Vec<_> = (0..12).map(|_| failures.pause(&Key::Routing, failed()).unwrap()).collect();
        assert_eq!((pauses[0], pauses[1]), (Duration::from_millis(100), Duration::from_millis(200)));
        assert_eq!(pauses[11], LONGEST_PAUSE);
        assert_eq!(failures.pause(&Key::Routing, Ok(Next::Change)), None);
        assert_eq!(failures.pause(&Key::Routing, failed()), Some(pauses[0]));
    }

    #[tokio::test(start_paused = true)]
    async fn many_failures_are_logged_together() {
        let mut failures = Failures::default();
        let mut fail = |name: String| {
            let count = failures.counts.entry(Key::Namespace(name)).or_default();
            *count += 1;
            let is_first = *count == 1;
            failures.logging(is_first, FIRST_PAUSE)
        };
        let logged: Vec<_> = (0..1000).map(|i| fail(i.to_string())).collect();
        assert!(logged[..LOGGED_ONE_BY_ONE].iter().all(|logged| *logged == Logging::Alone));
        assert_eq!(logged[LOGGED_ONE_BY_ONE], Logging::WithOthers);
        assert!(logged[LOGGED_ONE_BY_ONE + 1..].iter().all(|logged| *logged == Logging::Not));
        tokio::time::sleep(LONGEST_PAUSE).await;
        assert_eq!(fail("more".into()), Logging::WithOthers);
        assert_eq!(fail("more".into()), Logging::Not);
        assert_eq!(failures.logging(false, LONGEST_PAUSE), Logging::Not);
        tokio::time::sleep(LONGEST_PAUSE).await;
        assert_eq!(failures.logging(false, LONGEST_PAUSE), Logging::WithOthers);
    }
}
