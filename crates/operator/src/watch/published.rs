//! What was last published, for the decisions that build on it.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use gatewright_api::Reason;
use gatewright_gatekeeper::{Finding, Route};
use k8s_openapi::jiff::Timestamp;

use crate::watch::kind::Id;

/// A value that one controller publishes and others observe.
#[derive(Debug)]
pub(crate) struct Published<T>(RwLock<Option<T>>);

impl<T> Default for Published<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T: Clone + PartialEq> Published<T> {
    /// The value; none while nothing is known yet.
    pub(crate) fn get(&self) -> Option<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Publishes a value. Returns whether it is another one than before.
    pub(crate) fn publish(&self, new: T) -> bool {
        let new = Some(new);
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *current != new;
        *current = new;
        changed
    }
}

/// What became of the exec guard and of the routing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoutingOutcome {
    /// Whether the exec guard is to stand.
    pub(crate) guard: bool,
    /// What keeps it from standing, as a sentence.
    pub(crate) guard_problem: Option<String>,
    /// The requests that our own webhook configuration sends Gatekeeper.
    pub(crate) routes: Vec<Route>,
    /// What keeps requests from Gatekeeper, or sends it some that a template does not expect.
    pub(crate) findings: Vec<Finding>,
    /// What keeps our webhook configuration from being as desired, as a sentence.
    pub(crate) routing_problem: Option<String>,
}

/// What the replicas of the verifier said of themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verifiers {
    /// Those that were heard lately, by their names.
    pub(crate) replicas: BTreeMap<String, VerifierReplica>,
    /// Why some did not answer when they were last asked.
    pub(crate) failure: Option<NoAnswer>,
}

/// What one replica of the verifier said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VerifierReplica {
    pub(crate) ready: bool,
    /// When the certificate ends that it serves; none if it does not say so.
    pub(crate) ends: Option<Timestamp>,
    /// The revision of each constraint that it knows, by name.
    pub(crate) constraints: BTreeMap<String, String>,
}

/// Why a verifier did not answer, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NoAnswer {
    /// What it serves is not trusted by the Provider's `caBundle`.
    Certificate(String),
    /// Anything else.
    Other(String),
}

impl NoAnswer {
    /// The sentence.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Certificate(text) | Self::Other(text) => text,
        }
    }
}

/// What became of the reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportsOutcome {
    /// The results of all reports.
    pub(crate) results: Summary,
    /// How many constraints have found more than audit lists.
    pub(crate) truncated: usize,
    /// Reports that are not as they should be, and why.
    pub(crate) problems: BTreeMap<Id, Problem>,
}

/// Why a report is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// How many results there are of each kind, those included that are not listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Summary {
    pub(crate) pass: usize,
    pub(crate) fail: usize,
    pub(crate) warn: usize,
    pub(crate) error: usize,
    pub(crate) skip: usize,
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.pass += other.pass;
        self.fail += other.fail;
        self.warn += other.warn;
        self.error += other.error;
        self.skip += other.skip;
    }
}

#[cfg(test)]
mod tests {
    use super::Published;

    #[test]
    fn only_another_value_is_news() {
        let published = Published::default();
        assert_eq!(published.get(), None);
        assert!(published.publish(1) && !published.publish(1) && published.publish(2));
        assert_eq!(published.get(), Some(2));
    }
}
