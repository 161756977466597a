//! How far the objects that were reviewed reach into a constraint's `match`.

use std::sync::atomic::{AtomicU8, Ordering};

/// What the objects that were reviewed so far have to do with a constraint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// None is of a kind that it matches.
    #[default]
    Nothing,
    /// Some are of its kinds, and something else in its `match` leaves them out.
    Kind,
    /// It was applied to some.
    Applied,
}

/// A reach that only grows. Threads may raise it at the same time.
#[derive(Debug, Default)]
pub struct Reached(AtomicU8);

impl Reached {
    /// What was reached so far.
    pub fn get(&self) -> Reach {
        [Reach::Applied, Reach::Kind]
            .into_iter()
            .find(|reach| *reach as u8 == self.0.load(Ordering::Relaxed))
            .unwrap_or_default()
    }

    /// Raises it. Where nothing changes nothing is written: many threads look at the same constraint.
    pub fn raise(&self, reach: Reach) {
        if self.get() < reach {
            self.0.fetch_max(reach as u8, Ordering::Relaxed);
        }
    }
}
