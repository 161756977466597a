//! When an evaluation has to be over.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::value::{Failure, Outcome};

/// The end of the time for an evaluation. Only what repeats takes long, so it is looked at in every round of a macro.
#[derive(Debug)]
pub struct Deadline {
    end: Option<Instant>,
    missed: Cell<bool>,
}

impl Deadline {
    /// From now on.
    pub fn new(limit: Duration) -> Self {
        Self { end: Instant::now().checked_add(limit), missed: Cell::new(false) }
    }

    /// Whether an evaluation was stopped.
    pub const fn was_missed(&self) -> bool {
        self.missed.get()
    }

    /// Stops the evaluation if the time is over.
    ///
    /// # Errors
    /// It is.
    pub fn check(&self) -> Outcome<()> {
        if self.end.is_none_or(|end| Instant::now() < end) {
            return Ok(());
        }
        self.missed.set(true);
        Err(Failure::Stopped)
    }
}
