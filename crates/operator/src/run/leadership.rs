//! Whether this replica may write, right now.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// Time that only ever moves on, whatever becomes of the wall clock.
pub(crate) type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The permission to write. It runs out by itself, so that a replica that was frozen has lost it before it can act.
#[derive(Clone)]
pub(crate) struct Leadership(Arc<Inner>);

struct Inner {
    clock: Clock,
    /// In nanoseconds of the clock.
    until: AtomicU64,
    leading: watch::Sender<bool>,
    trouble: Mutex<Option<String>>,
}

impl Leadership {
    /// No permission yet.
    pub(crate) fn new(clock: Clock) -> Self {
        let (leading, _) = watch::channel(false);
        Self(Arc::new(Inner { clock, until: AtomicU64::new(0), leading, trouble: Mutex::default() }))
    }

    /// The time by which the permission is judged.
    pub(crate) fn now(&self) -> Duration {
        (self.0.clock)()
    }

    /// Whether a write may be sent. To be asked before each one.
    pub(crate) fn may_write(&self) -> bool {
        nanoseconds(self.now()) < self.0.until.load(Ordering::Acquire)
    }

    /// How long the permission lasts if nothing extends it.
    pub(crate) fn remaining(&self) -> Duration {
        Duration::from_nanos(self.0.until.load(Ordering::Acquire)).saturating_sub(self.now())
    }

    /// Gives the permission until a time of the clock.
    pub(crate) fn extend(&self, until: Duration) {
        self.0.until.store(nanoseconds(until), Ordering::Release);
        self.0.leading.send_if_modified(|leading| !std::mem::replace(leading, true));
    }

    /// Takes the permission away for good.
    pub(crate) fn end(&self) {
        self.0.until.store(0, Ordering::Release);
        self.0.leading.send_if_modified(|leading| std::mem::replace(leading, false));
    }

    /// Waits until there is a permission.
    pub(crate) async fn gained(&self) {
        // Fails only if the sender is gone, which this value holds.
        let _ = self.0.leading.subscribe().wait_for(|leading| *leading).await;
    }

    /// Why the replica cannot tell who leads, if it cannot.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_trouble(&self, trouble: Option<String>) {
        *self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The time since the machine started, with the time in which it slept: a leader that wakes with its machine must
/// notice how long it was away, which the monotonic clock of Linux does not tell.
pub(crate) fn clock() -> Clock {
    #[cfg(target_os = "linux")]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    Arc::new(|| {
        let time = rustix::time::clock_gettime(CLOCK);
        let seconds = Duration::from_secs(time.tv_sec.unsigned_abs());
        seconds + Duration::from_nanos(time.tv_nsec.unsigned_abs())
    })
}
