//! Answers calls of Gatekeeper: which of these images pass.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::future::join_all;
use gatewright_signatures::named::{Named, by_name};
use gatewright_signatures::protocol::{Key, Outcome, ProviderRequest, ProviderResponse, RequestError};
use gatewright_signatures::{Class, Digest};
use tokio::time::{Instant, timeout_at};

use crate::bounds;
use crate::caches::Age;
use crate::check::Judged;
use crate::checks::{Answer, Checks, Question};
use crate::demand::Demand;
use crate::metrics::{Cached, Metrics};
use crate::pace::Pace;
use crate::policies::Policies;
use crate::registry::Registry;

/// Everything that an answer is made of.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// The constraints that are known.
    pub policies: Policies,
    /// The checks.
    pub checks: Checks,
    /// What is counted.
    pub metrics: Metrics,
    pace: Pace,
}

/// One key of a call, and how far it is answered.
struct Asked {
    text: String,
    key: Key,
    state: State,
}

enum State {
    Done(Outcome),
    /// Each entry that covers the image.
    Entries(Vec<(Question, Arc<Demand>, Answer)>),
}

impl Verifier {
    /// A verifier that knows no constraint yet.
    #[must_use]
    pub fn new(registry: Registry, metrics: Metrics) -> Self {
        let checks = Checks::new(registry, metrics.clone());
        Self { policies: Policies::default(), checks, metrics, pace: Pace::default() }
    }

    /// The same with other registries: what was remembered of the old ones is forgotten.
    #[must_use]
    pub fn with_registry(&self, registry: Registry) -> Self {
        let checks = Checks::new(registry, self.metrics.clone());
        Self { checks, ..self.clone() }
    }

    /// Answers the body of a call, within `bounds::ANSWER`.
    ///
    /// # Errors
    /// It is no request, or exceeds a bound.
    pub async fn answer(&self, body: &[u8]) -> Result<Vec<u8>, RequestError> {
        let begun = Instant::now();
        let deadline = begun + bounds::ANSWER;
        let keys = ProviderRequest::parse(body)?;
        let keys: Vec<_> =
            keys.into_iter().filter_map(|text| Key::parse(&text).map(|key| (text, key))).collect();
        self.wait_for_policies(&keys).await;
        let mut asked = vec![];
        for (text, key) in keys {
            let state = self.begin(&key).await;
            asked.push(Asked { text, key, state });
        }
        self.wait(&asked, deadline).await;
        let mut outcomes = vec![];
        for Asked { text, key, state } in asked {
            let outcome = self.finish(&key, state).await;
            self.metrics.outcome(outcome.class());
            outcomes.push((text, key.image, outcome));
        }
        let answer = ProviderResponse::new(outcomes).map_err(|_| RequestError::Malformed);
        let bytes =
            answer.and_then(|answer| serde_json::to_vec(&answer).map_err(|_| RequestError::Malformed));
        self.metrics.answered(begun.elapsed());
        bytes.and_then(|bytes| if bytes.len() > bounds::ANSWER_BYTES { too_large() } else { Ok(bytes) })
    }

    /// A constraint or revision that is not known yet may come with the watch at any moment.
    async fn wait_for_policies(&self, keys: &[(String, Key)]) {
        let mut wanted: Vec<_> = keys
            .iter()
            .filter(|(_, key)| self.policies.demands(&key.constraint, &key.revision).is_none())
            .map(|(_, key)| (key.constraint.clone(), key.revision.clone()))
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        if !wanted.is_empty() {
            self.policies.wait_for(&wanted, bounds::REVISION_WAIT).await;
        }
    }

    /// Finds out what is known, and begins checks of all else.
    async fn begin(&self, key: &Key) -> State {
        let refused = |class: Class| State::Done(Outcome::refused(class.plain()));
        let Some(demands) = self.policies.demands(&key.constraint, &key.revision) else {
            return refused(Class::UnknownPolicy);
        };
        let of_entry =
            |demand: &Arc<Demand>, class: Class| State::Done(refusal(demand, Judged::failed(class.plain())));
        let (image, covering) = match by_name(&demands, |demand| &demand.entry, &key.image) {
            Named::Invalid(None) => return refused(Class::InvalidName),
            Named::Invalid(Some(demand)) => return of_entry(demand, Class::InvalidName),
            Named::NotCovered => return State::Done(Outcome::NotCovered),
            Named::DigestRequired(demand) => return of_entry(demand, Class::DigestRequired),
            Named::Covered(image, covering) => (Arc::new(image), covering),
        };
        let mut entries = vec![];
        for demand in covering {
            let question = self.checks.question(&image, demand);
            let answer = self.checks.ask(&question, age(key)).await;
            self.count(&answer);
            entries.push((question, demand.clone(), answer));
        }
        State::Entries(entries)
    }

    fn count(&self, answer: &Answer) {
        self.metrics.cached(match answer {
            Answer::Known(_) => Cached::Hit,
            Answer::Running { began: false, .. } => Cached::Joined,
            Answer::Running { began: true, .. } | Answer::Full => Cached::Miss,
        });
    }

    /// Waits for what this call began, if its keys want that and it is not too much.
    async fn wait(&self, asked: &[Asked], deadline: Instant) {
        let waiting = asked.iter().filter(|one| one.key.wait).flat_map(|one| match &one.state {
            State::Done(_) => &[],
            State::Entries(entries) => entries.as_slice(),
        });
        let flights: Vec<_> = waiting
            .filter_map(|(question, _, answer)| match answer {
                Answer::Running { flight, began: true } if !self.checks.is_slow(question) => {
                    Some(flight.clone())
                }
                _ => None,
            })
            .collect();
        if flights.is_empty() {
            return;
        }
        if let Some(_turn) = self.pace.turn() {
            // What is not finished then goes on in the background.
            let _ = timeout_at(deadline, join_all(flights)).await;
        }
    }

    /// The outcome: of the first entry that is not satisfied, or of all.
    async fn finish(&self, key: &Key, state: State) -> Outcome {
        let entries = match state {
            State::Done(outcome) => return outcome,
            State::Entries(entries) => entries,
        };
        let mut digests: Vec<Digest> = vec![];
        for (question, demand, answer) in entries {
            let judged = match answer {
                Answer::Known(judged) => judged,
                Answer::Running { flight, .. } => match flight.peek().cloned() {
                    Some(Some(judged)) => judged,
                    // It may have ended while nobody looked at it.
                    _ => self.checks.now(&question, age(key)).await,
                },
                Answer::Full => in_progress(),
            };
            match (&judged.result, judged.digest) {
                (Ok(()), Some(digest)) => digests.push(digest),
                (Ok(()), None) => return refusal(&demand, in_progress()),
                (Err(_), _) => return refusal(&demand, judged),
            }
        }
        match digests.as_slice() {
            [first, others @ ..] if others.iter().all(|digest| digest == first) => Outcome::Verified(*first),
            // The tag moved between the checks: the next call finds one digest.
            _ => Outcome::refused(Class::InProgress.plain()),
        }
    }
}

fn age(key: &Key) -> Age {
    if key.wait { Age::Admission } else { Age::Audit }
}

fn in_progress() -> Judged {
    Judged::failed(Class::InProgress.plain())
}

fn refusal(demand: &Demand, judged: Judged) -> Outcome {
    let failure = judged.result.err().unwrap_or_else(|| Class::InProgress.plain());
    let reference = Some(demand.entry.reference.to_string());
    Outcome::Refused { failure, reference, digest: judged.digest }
}

/// An answer that passes nothing: it would be larger than Gatekeeper should read.
fn too_large() -> Result<Vec<u8>, RequestError> {
    let answer = ProviderResponse::new([]).map_err(|_| RequestError::Malformed)?;
    serde_json::to_vec(&answer).map_err(|_| RequestError::Malformed)
}
