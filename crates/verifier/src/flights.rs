//! One check for each question, however many ask it: checks run in the background, at most so many at a time, and stop at
//! their deadline.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::bounds;
use crate::registry::Hosts;

/// A check that runs or waits for its turn. All who ask get the same outcome, none if the process is ending; dropping it
/// does not stop the check.
pub type Flight<V> = Shared<BoxFuture<'static, Option<V>>>;

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended<V> {
    /// With an outcome.
    With(V),
    /// Its deadline came first.
    TooLate,
    /// It panicked.
    Panicked,
}

/// The checks that run or wait.
#[derive(Clone, Debug)]
pub struct Flights<K, V> {
    running: Arc<Mutex<HashMap<K, Flight<V>>>>,
    turns: Arc<Semaphore>,
    queued: Arc<AtomicUsize>,
    hosts: Hosts,
}

/// Whether a question was already being answered.
#[derive(Clone, Debug)]
pub enum Joined<V> {
    /// This one began it.
    Began(Flight<V>),
    /// Another one did.
    Found(Flight<V>),
    /// Too many wait already.
    Full,
}

/// Counts one that waits for its turn.
struct Queued(Arc<AtomicUsize>);

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// No checks yet. `hosts` bounds how many are against one host.
    #[must_use]
    pub fn new(hosts: Hosts) -> Self {
        let turns = Arc::new(Semaphore::new(bounds::CHECKS));
        Self { running: Arc::default(), turns, queued: Arc::default(), hosts }
    }

    /// How many checks run and how many wait.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        (bounds::CHECKS - self.turns.available_permits(), self.queued.load(Ordering::Relaxed))
    }

    /// Joins the check of this question, or begins it. `land` makes an outcome of how it ended and keeps it, before
    /// another check of the question can begin.
    pub fn join<C, L>(
        &self,
        key: &K,
        host: &str,
        check: impl FnOnce() -> C,
        land: impl FnOnce(Ended<V>) -> L + Send + 'static,
    ) -> Joined<V>
    where
        C: Future<Output = V> + Send + 'static,
        L: Future<Output = V> + Send + 'static,
    {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = running.get(key) {
            return Joined::Found(flight.clone());
        }
        if self.queued.fetch_add(1, Ordering::Relaxed) >= bounds::QUEUE {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            return Joined::Full;
        }
        let queued = Queued(self.queued.clone());
        let task = tokio::spawn(self.clone().fly(key.clone(), host.to_owned(), queued, check(), land));
        let flight = task.map(Result::ok).boxed().shared();
        running.insert(key.clone(), flight.clone());
        Joined::Began(flight)
    }

    async fn fly<C, L>(
        self,
        key: K,
        host: String,
        queued: Queued,
        check: C,
        land: impl FnOnce(Ended<V>) -> L + Send,
    ) -> V
    where
        C: Future<Output = V> + Send + 'static,
        L: Future<Output = V> + Send + 'static,
    {
        let _landing = Landing { flights: &self, key: &key };
        // The host's turn first: those that wait for a slow host must not keep others from running.
        let of_host = self.hosts.check(&host).await;
        let turn = self.turns.acquire().await;
        drop(queued);
        // A task of its own, so that a panic ends it alone.
        let ended = match tokio::spawn(timeout(bounds::CHECK, check)).await {
            Ok(Ok(outcome)) => Ended::With(outcome),
            Ok(Err(_)) => Ended::TooLate,
            Err(_) => Ended::Panicked,
        };
        drop((of_host, turn));
        land(ended).await
    }
}

/// Takes a check off the list, also where it panics.
struct Landing<'a, K: Eq + Hash, V> {
    flights: &'a Flights<K, V>,
    key: &'a K,
}

impl<K: Eq + Hash, V> Drop for Landing<'_, K, V> {
    fn drop(&mut self) {
        self.flights.running.lock().unwrap_or_else(PoisonError::into_inner).remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures::FutureExt as _;
    use tokio::time::sleep;

    use super::{Ended, Flight, Flights, Joined};
    use crate::bounds;
    use crate::registry::Hosts;

    type Tested = Flights<String, Ended<u32>>;

    fn flights() -> Tested {
        Flights::new(Hosts::default())
    }

    fn join<C>(flights: &Tested, key: &str, host: &str, check: C) -> Joined<Ended<u32>>
    where
        C: Future<Output = u32> + Send + 'static,
    {
        let check = check.map(Ended::With);
        let flat = |ended| match ended {
            Ended::With(outcome) => outcome,
            Ended::TooLate => Ended::TooLate,
            Ended::Panicked => Ended::Panicked,
        };
        flights.join(&key.to_owned(), host, || check, move |ended| ready(flat(ended)))
    }

    fn flight(joined: Joined<Ended<u32>>) -> Flight<Ended<u32>> {
        match joined {
            Joined::Began(flight) | Joined::Found(flight) => flight,
            Joined::Full => panic!("full"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_ask_and_one_check_runs() {
        let (flights, checks) = (flights(), Arc::new(AtomicUsize::new(0)));
        let mut all = vec![];
        for _ in 0..100 {
            let checks = checks.clone();
            all.push(flight(join(&flights, "image", "r.io", async move {
                checks.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_secs(1)).await;
                7
            })));
        }
        for ended in futures::future::join_all(all).await {
            assert_eq!(ended, Some(Ended::With(7)));
        }
        assert_eq!(checks.load(Ordering::Relaxed), 1);
        assert!(matches!(join(&flights, "image", "r.io", async { 8 }), Joined::Began(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_goes_on_when_nobody_waits_for_it_any_more() {
        let (flights, checks) = (flights(), Arc::new(AtomicUsize::new(0)));
        let counted = checks.clone();
        drop(join(&flights, "image", "r.io", async move {
            sleep(Duration::from_secs(5)).await;
            counted.fetch_add(1, Ordering::Relaxed);
            1
        }));
        sleep(Duration::from_secs(6)).await;
        assert_eq!(checks.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_ends_at_its_deadline_or_with_a_panic() {
        let flights = flights();
        let hanging = flight(join(&flights, "hangs", "r.io", pending()));
        assert_eq!(hanging.await, Some(Ended::TooLate));
        let panicking = flight(join(&flights, "panics", "r.io", async { panic!("a test panics") }));
        assert_eq!(panicking.await, Some(Ended::Panicked));
        assert_eq!(flights.count(), (0, 0));
        assert!(flights.running.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_host_holds_four_turns_and_others_run() {
        let flights = flights();
        for index in 0..100 {
            drop(join(&flights, &format!("hangs {index}"), "silent", pending()));
        }
        sleep(Duration::from_millis(1)).await;
        assert_eq!(flights.count(), (bounds::CHECKS_PER_HOST, 96));
        let other = flight(join(&flights, "other", "r.io", async { 1 }));
        let soon = tokio::time::timeout(Duration::from_millis(100), other).await;
        assert_eq!(soon, Ok(Some(Ended::With(1))));
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_32_checks_and_512_wait() {
        let flights = flights();
        for index in 0..bounds::CHECKS {
            drop(join(&flights, &format!("runs {index}"), &format!("r{}", index / 4), pending()));
        }
        sleep(Duration::from_millis(1)).await;
        for index in 0..bounds::QUEUE {
            drop(join(&flights, &format!("waits {index}"), &format!("w{}", index / 4), pending()));
        }
        sleep(Duration::from_millis(1)).await;
        assert_eq!(flights.count(), (bounds::CHECKS, bounds::QUEUE));
        assert!(matches!(join(&flights, "one more", "x", pending()), Joined::Full));
        assert!(matches!(join(&flights, "waits 1", "x", pending()), Joined::Found(_)));
    }
}
