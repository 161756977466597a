//! What a check did, for people who want to know.

use std::sync::{Mutex, PoisonError};

use schemars::JsonSchema;
use serde::Serialize;

/// One place that was asked, or one candidate that was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Step {
    /// Where.
    pub place: String,
    /// What the answer was, in our words.
    pub answer: String,
}

/// The steps of a check; none are kept where nobody wants them.
#[derive(Debug, Default)]
pub struct Trace(Option<Mutex<Vec<Step>>>);

impl Trace {
    /// Keeps the steps.
    #[must_use]
    pub fn kept() -> Self {
        Self(Some(Mutex::default()))
    }

    /// Keeps none.
    #[must_use]
    pub const fn dropped() -> Self {
        Self(None)
    }

    pub(crate) fn step(&self, place: impl Into<String>, answer: impl Into<String>) {
        if let Some(steps) = &self.0 {
            let step = Step { place: place.into(), answer: answer.into() };
            steps.lock().unwrap_or_else(PoisonError::into_inner).push(step);
        }
    }

    /// The steps so far.
    #[must_use]
    pub fn steps(self) -> Vec<Step> {
        self.0.map_or_else(Vec::new, |steps| steps.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}
