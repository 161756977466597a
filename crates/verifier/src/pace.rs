//! When a call of Gatekeeper may wait for checks. A waiting call holds a lock of Gatekeeper and one of its threads, which
//! every policy needs, so that waiting is rationed: silent registries must not cost others their admissions.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::bounds;

/// Who waits and who waited.
#[derive(Clone, Debug, Default)]
pub struct Pace(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// When each call that waits at the moment began.
    waiting: Vec<Instant>,
    /// The calls that waited within the window: from when until when.
    waited: VecDeque<(Instant, Instant)>,
}

impl State {
    fn forget(&mut self, now: Instant) {
        while self.waited.front().is_some_and(|(_, end)| now - *end >= bounds::WAITING_WINDOW) {
            self.waited.pop_front();
        }
    }

    /// How long calls waited within the window, all together.
    fn total(&self, now: Instant) -> Duration {
        let start = now.checked_sub(bounds::WAITING_WINDOW);
        let within = |begin: Instant, end: Instant| end - start.map_or(begin, |start| begin.max(start));
        let past = self.waited.iter().map(|(begin, end)| within(*begin, *end));
        past.chain(self.waiting.iter().map(|begin| within(*begin, now))).sum()
    }
}

/// A call's right to wait, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    pace: Pace,
    begin: Instant,
}

impl Pace {
    /// The right to wait, if nothing speaks against it: at most one other call waits, and all together waited less
    /// than 2 of the last 10 seconds.
    #[must_use]
    pub fn turn(&self) -> Option<Turn> {
        let now = Instant::now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.forget(now);
        if state.waiting.len() >= bounds::WAITING_CALLS || state.total(now) >= bounds::WAITING_TOTAL {
            return None;
        }
        state.waiting.push(now);
        Some(Turn { pace: self.clone(), begin: now })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.pace.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = state.waiting.iter().position(|begin| *begin == self.begin) {
            state.waiting.swap_remove(index);
        }
        state.waited.push_back((self.begin, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::Pace;

    const HALF: Duration = Duration::from_millis(500);

    #[tokio::test(start_paused = true)]
    async fn two_calls_wait_at_a_time() {
        let pace = Pace::default();
        let (first, second) = (pace.turn(), pace.turn());
        assert!(first.is_some() && second.is_some() && pace.turn().is_none());
        drop(first);
        assert!(pace.turn().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn all_together_wait_two_seconds_of_ten() {
        let pace = Pace::default();
        for _ in 0..4 {
            let turn = pace.turn();
            assert!(turn.is_some());
            advance(HALF).await;
        }
        assert!(pace.turn().is_none());
        // The window begins within the first of them, so a part of it is forgotten.
        advance(Duration::from_millis(8_001)).await;
        assert!(pace.turn().is_some());
        advance(Duration::from_secs(10)).await;
        let first = pace.turn();
        let second = pace.turn();
        advance(Duration::from_millis(999)).await;
        drop((first, second));
        assert!(pace.turn().is_some(), "2 x 999 ms");
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_still_wait_count() {
        let pace = Pace::default();
        let long = pace.turn();
        advance(Duration::from_secs(3)).await;
        assert!(pace.turn().is_none());
        drop(long);
        assert!(pace.turn().is_none());
        advance(Duration::from_secs(9)).await;
        assert!(pace.turn().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_do_not_wait_long_cost_little() {
        let pace = Pace::default();
        for _ in 0..1_000 {
            let turn = pace.turn();
            assert!(turn.is_some());
            advance(Duration::from_millis(1)).await;
        }
    }
}
