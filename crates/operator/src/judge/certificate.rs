//! The verifier's serving certificate: when it is made, and when the next one takes its place.
//!
//! A certificate is its own authority, so that no key of an authority exists. So the next one must be trusted before it is
//! served: it is made as `next`, goes into the Provider's `caBundle`, and is served once every process of Gatekeeper has
//! taken that in. The one before stays trusted until it ends: a verifier may serve it for a while.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::watch::certificate::{Certificate, Held, Slot};

/// How long a certificate is valid.
pub(crate) const LIFETIME: Duration = Duration::from_hours(24 * 90);

/// How long before its end the next one is made.
const RENEWAL: Duration = Duration::from_hours(24 * 30);

/// How far the clocks of replicas and nodes may differ.
pub(crate) const SKEW: Duration = Duration::from_hours(1);

/// How many earlier certificates stay trusted at most.
const MOST_PREVIOUS: usize = 4;

/// What the certificate is decided from.
#[derive(Clone, Debug)]
pub(crate) struct Facts<'a> {
    /// What the Secret holds; none where there is no Secret.
    pub(crate) held: Option<&'a Held>,
    /// The host that the certificate is for.
    pub(crate) host: &'a str,
    /// What we last let Gatekeeper trust: verifiers may serve it still when the Secret is lost.
    pub(crate) last_trusted: &'a [Certificate],
    /// The fingerprints of what every process of Gatekeeper trusts.
    pub(crate) in_force: &'a BTreeSet<String>,
    pub(crate) now: Timestamp,
}

/// What is to be written into the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rewrite {
    pub(crate) pair: Pair,
    pub(crate) next: Coming,
    /// The earlier certificates that stay trusted, as PEM.
    pub(crate) previous: Vec<String>,
}

/// Which pair is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pair {
    /// The one that is there.
    Kept,
    /// A new one.
    New,
    /// The next one.
    Next,
}

/// Which pair comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coming {
    /// The one that is there.
    Kept,
    /// A new one.
    New,
    /// None.
    Nothing,
}

/// What has to be written, if anything has.
pub(crate) fn decide(facts: &Facts<'_>) -> Option<Rewrite> {
    let nothing = Held::default();
    let held = facts.held.unwrap_or(&nothing);
    match (facts.usable(&held.pair), facts.usable(&held.next)) {
        // Nothing that is served now is of use: there is nothing to wait for.
        (None, next) => Some(Rewrite {
            pair: if next.is_some() { Pair::Next } else { Pair::New },
            next: Coming::Nothing,
            previous: facts.previous(held, held.pair.certificate(), facts.last_trusted, next),
        }),
        (Some(pair), Some(next)) if facts.in_force.contains(&next.fingerprint) => Some(Rewrite {
            pair: Pair::Next,
            next: Coming::Nothing,
            previous: facts.previous(held, Some(pair), &[], Some(next)),
        }),
        (Some(pair), next) => facts.kept(held, pair, next),
    }
}

impl Facts<'_> {
    /// The certificate of a pair that can be served now.
    fn usable<'a>(&self, slot: &'a Slot) -> Option<&'a Certificate> {
        slot.certificate().filter(|it| it.is_for(self.host) && it.is_valid_at(self.now))
    }

    /// The pair stays. The next one is made when it is time, and what is of no use goes.
    fn kept(&self, held: &Held, pair: &Certificate, next: Option<&Certificate>) -> Option<Rewrite> {
        let next = match next {
            Some(_) => Coming::Kept,
            None if self.now + RENEWAL >= pair.ends => Coming::New,
            None => Coming::Nothing,
        };
        let previous = self.previous(held, None, &[], Some(pair));
        let is_there = match next {
            Coming::Kept => true,
            Coming::New => false,
            Coming::Nothing => held.next == Slot::Nothing,
        };
        let as_it_is: Vec<_> = held.previous.iter().map(|it| it.pem.clone()).collect();
        (!is_there || previous != as_it_is).then_some(Rewrite { pair: Pair::Kept, next, previous })
    }

    /// The certificates that stay trusted beside the pair: the one that was served, those before it, and others; but for
    /// those that have ended.
    fn previous(
        &self,
        held: &Held,
        served: Option<&Certificate>,
        others: &[Certificate],
        now_served: Option<&Certificate>,
    ) -> Vec<String> {
        let all = served.into_iter().chain(&held.previous).chain(others);
        let mut previous = Vec::<&Certificate>::new();
        for certificate in all.filter(|it| it.ends > self.now && Some(*it) != now_served) {
            if !previous.contains(&certificate) && previous.len() < MOST_PREVIOUS {
                previous.push(certificate);
            }
        }
        previous.into_iter().map(|it| it.pem.clone()).collect()
    }
}

/// What Gatekeeper is to trust, as PEM; none while there is nothing to serve. The order says nothing, so that a change of
/// place changes nothing.
pub(crate) fn bundle(held: &Held) -> Option<String> {
    let pair = held.pair.certificate()?;
    let all: BTreeSet<_> = [pair].into_iter().chain(held.next.certificate()).chain(&held.previous).collect();
    Some(all.into_iter().map(|certificate| certificate.pem.as_str()).collect())
}

#[cfg(test)]
pub(crate) mod tests;
