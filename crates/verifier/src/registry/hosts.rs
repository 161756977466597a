//! What is known of each host: whether it answers, how fast, and how many ask it at the moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::failure::Failure;
use crate::bounds;

/// Hosts that are remembered before those are forgotten of whom nothing matters any more.
const REMEMBERED: usize = 1_024;

/// All hosts, by name and port.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Arc<Mutex<HashMap<String, Host>>>);

#[derive(Debug)]
struct Host {
    /// Until when nobody asks it, and why.
    closed: Option<(Instant, Closed)>,
    /// When it was last slow or silent.
    slow: Option<Instant>,
    requests: Arc<Semaphore>,
    checks: Arc<Semaphore>,
}

#[derive(Clone, Debug)]
enum Closed {
    Silent(String),
    RateLimited,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            closed: None,
            slow: None,
            requests: Arc::new(Semaphore::new(bounds::CONNECTIONS_PER_HOST)),
            checks: Arc::new(Semaphore::new(bounds::CHECKS_PER_HOST)),
        }
    }
}

impl Host {
    fn matters(&self, now: Instant) -> bool {
        let is_used = |all: &Arc<Semaphore>| Arc::strong_count(all) > 1;
        self.closed.as_ref().is_some_and(|(until, _)| *until > now)
            || self.slow.is_some_and(|at| now - at < bounds::SLOW_HOST_MEMORY)
            || is_used(&self.requests)
            || is_used(&self.checks)
    }
}

impl Hosts {
    fn with<T>(&self, host: &str, act: impl FnOnce(&mut Host) -> T) -> T {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= REMEMBERED && !hosts.contains_key(host) {
            let now = Instant::now();
            hosts.retain(|_, host| host.matters(now));
        }
        act(hosts.entry(host.to_owned()).or_default())
    }

    /// Whether the host may be asked now.
    ///
    /// # Errors
    /// It was silent a moment ago, or wants to be left alone for a while.
    pub(crate) fn admit(&self, host: &str) -> Result<(), Failure> {
        let now = Instant::now();
        let closed = self.with(host, |known| {
            known.closed.take_if(|(until, _)| *until <= now);
            known.closed.clone()
        });
        match closed {
            None => Ok(()),
            Some((until, Closed::RateLimited)) => {
                Err(Failure::RateLimited { host: host.to_owned(), wait: until - now })
            }
            Some((_, Closed::Silent(why))) => Err(Failure::Unreachable { host: host.to_owned(), why }),
        }
    }

    /// It does not connect or answer in time: asked again after `bounds::CIRCUIT`.
    pub(crate) fn silent(&self, host: &str, why: &str) {
        let now = Instant::now();
        self.with(host, |known| {
            known.slow = Some(now);
            known.closed = Some((now + bounds::CIRCUIT, Closed::Silent(why.to_owned())));
        });
    }

    /// It wants to be left alone for a while.
    pub(crate) fn rate_limited(&self, host: &str, wait: Duration) {
        let until = Instant::now() + wait.min(bounds::RETRY_AFTER);
        self.with(host, |known| known.closed = Some((until, Closed::RateLimited)));
    }

    /// It answered after this time.
    pub(crate) fn answered(&self, host: &str, after: Duration) {
        if after > bounds::SLOW_HOST {
            self.slow(host);
        }
    }

    /// It has not answered yet, although it should have.
    pub(crate) fn slow(&self, host: &str) {
        self.with(host, |known| known.slow = Some(Instant::now()));
    }

    /// Whether it was slow or silent of late, so that no call should wait for it.
    #[must_use]
    pub fn was_slow(&self, host: &str) -> bool {
        let slow = self.with(host, |known| known.slow);
        slow.is_some_and(|at| at.elapsed() < bounds::SLOW_HOST_MEMORY)
    }

    /// Hosts that are not asked at the moment since they are silent.
    #[must_use]
    pub fn down(&self) -> usize {
        let hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_down = |host: &&Host| matches!(&host.closed, Some((until, Closed::Silent(_))) if *until > now);
        hosts.values().filter(is_down).count()
    }

    /// A turn for one request to the host.
    pub(crate) async fn request(&self, host: &str) -> Option<OwnedSemaphorePermit> {
        let all = self.with(host, |known| known.requests.clone());
        all.acquire_owned().await.ok()
    }

    /// A turn for one check against the host.
    pub async fn check(&self, host: &str) -> Option<OwnedSemaphorePermit> {
        let all = self.with(host, |known| known.checks.clone());
        all.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::{Failure, Hosts, REMEMBERED};

    #[tokio::test(start_paused = true)]
    async fn a_silent_host_is_left_alone_for_ten_seconds() {
        let hosts = Hosts::default();
        hosts.silent("r.io", "no answer in time");
        assert!(matches!(hosts.admit("r.io"), Err(Failure::Unreachable { .. })));
        assert_eq!((hosts.down(), hosts.was_slow("r.io"), hosts.was_slow("other")), (1, true, false));
        assert!(hosts.admit("other").is_ok());
        advance(Duration::from_millis(9_999)).await;
        assert!(hosts.admit("r.io").is_err());
        advance(Duration::from_millis(2)).await;
        assert!(hosts.admit("r.io").is_ok());
        assert_eq!((hosts.down(), hosts.was_slow("r.io")), (0, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_to_slow_down_is_respected_for_a_minute_at_most() {
        let hosts = Hosts::default();
        hosts.rate_limited("r.io", Duration::from_hours(1));
        advance(Duration::from_secs(59)).await;
        let refused = hosts.admit("r.io").unwrap_err();
        assert_eq!(refused, Failure::RateLimited { host: "r.io".into(), wait: Duration::from_secs(1) });
        advance(Duration::from_secs(1)).await;
        assert!(hosts.admit("r.io").is_ok());
        assert_eq!(hosts.down(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn only_slow_answers_make_a_host_slow() {
        let hosts = Hosts::default();
        hosts.answered("r.io", Duration::from_millis(500));
        assert!(!hosts.was_slow("r.io"));
        hosts.answered("r.io", Duration::from_millis(501));
        assert!(hosts.was_slow("r.io"));
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_without_anything_to_remember_are_forgotten() {
        let hosts = Hosts::default();
        hosts.silent("down", "x");
        let turn = hosts.request("busy").await;
        for index in 0..REMEMBERED * 3 {
            assert!(hosts.admit(&format!("r{index}")).is_ok());
        }
        let known = hosts.0.lock().unwrap();
        assert!(known.len() <= REMEMBERED && known.contains_key("down") && known.contains_key("busy"));
        drop((known, turn));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_has_eight_requests_and_four_checks_at_once() {
        let hosts = Hosts::default();
        let mut turns = vec![];
        for _ in 0..8 {
            turns.push(hosts.request("r.io").await);
        }
        let mut checks = vec![];
        for _ in 0..4 {
            checks.push(hosts.check("r.io").await);
        }
        let soon = Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, hosts.request("r.io")).await.is_err());
        assert!(tokio::time::timeout(soon, hosts.check("r.io")).await.is_err());
        assert!(hosts.request("other").await.is_some());
        turns.pop();
        assert!(hosts.request("r.io").await.is_some());
    }
}
