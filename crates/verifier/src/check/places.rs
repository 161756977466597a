//! The places of signatures: the tag of the legacy format, the registry's list of referrers, and the tag that stands
//! for that list where there is none.

use std::collections::HashSet;

use gatewright_signatures::Digest;
use gatewright_signatures::bounds::CANDIDATES;
use gatewright_signatures::candidates::{Found, from_signature_tag, ordered};
use gatewright_signatures::format::{Descriptor, Index, Verdict};
use gatewright_signatures::merge::Merge;

use super::candidates::{Judge, Work};
use super::{Check, named};
use crate::registry::{Failure, Session, Site};

/// What a registry listed.
#[derive(Default)]
struct Listed {
    /// None where the registry knows no such list: the tag counts then.
    referrers: Vec<Descriptor>,
    /// Why there may be more.
    unanswered: Option<Failure>,
}

/// Referrers that are remembered of one list: more than are judged, since order decides which these are.
const REMEMBERED: usize = 10_000;

impl Check<'_> {
    /// Looks at all places of one site, and stops at the first good signature.
    pub(crate) async fn look(&self, session: &Session<'_>, site: &Site, digest: &Digest, merge: &mut Merge) {
        let at = format!("{}/{}", site.host, site.repository);
        let (legacy, listed) =
            futures::join!(self.signature_tag(session, &at, digest), self.list(session, &at, digest));
        let legacy = self.legacy(legacy, &at, digest, merge);
        if let Some(failure) = listed.unanswered {
            blame(&failure, merge);
        }
        let judge = Judge::new(*self, session, at.clone(), *digest);
        let referrers = ordered(listed.referrers).into_iter().map(Work::Referrer);
        judge.all(alternately(legacy, referrers), merge).await;
        if merge.is_verified() {
            return;
        }
        let fallback = self.fallback(session, &at, digest, merge).await;
        let seen = judge.seen();
        let fallback = ordered(fallback).into_iter().filter(|one| !seen.contains(&one.digest));
        judge.all(fallback.map(Work::Referrer).collect(), merge).await;
    }

    async fn signature_tag(
        &self,
        session: &Session<'_>,
        at: &str,
        digest: &Digest,
    ) -> Result<Found, Failure> {
        let tag = digest.signature_tag();
        let manifest = session.manifest(&tag).await;
        self.trace.step(format!("{at}:{tag}"), said(manifest.as_ref().map(|_| "there")));
        manifest.map(|manifest| from_signature_tag(&manifest.bytes))
    }

    fn legacy(
        &self,
        found: Result<Found, Failure>,
        at: &str,
        digest: &Digest,
        merge: &mut Merge,
    ) -> Vec<Work> {
        match found {
            Ok(found) => {
                let tag = digest.signature_tag();
                for verdict in &found.verdicts {
                    self.trace.step(format!("{at}:{tag}"), super::candidates::words(*verdict));
                    merge.add(*verdict);
                }
                found.candidates.into_iter().map(Work::Candidate).collect()
            }
            Err(Failure::NotFound) => vec![],
            Err(failure) => {
                blame(&failure, merge);
                vec![]
            }
        }
    }

    /// The referrers as the registry lists them.
    async fn list(&self, session: &Session<'_>, at: &str, digest: &Digest) -> Listed {
        let place = format!("{at} referrers of {digest}");
        let (mut all, mut known): (Vec<Descriptor>, HashSet<Digest>) = Default::default();
        let mut is_index = true;
        let read = session.referrers(digest, |page| {
            match Index::parse(page) {
                Some(index) => {
                    all.extend(index.manifests.into_iter().filter(|one| known.insert(one.digest)));
                }
                None => is_index = false,
            }
            if all.len() > REMEMBERED { Err(Failure::Limit("10,000 referrers")) } else { Ok(is_index) }
        });
        let unanswered = match read.await {
            Ok(()) if is_index => {
                self.trace.step(place, format!("{} referrers", all.len()));
                None
            }
            Ok(()) => {
                self.trace.step(place, "no index, so the registry has no such list");
                None
            }
            Err(failure @ (Failure::NotFound | Failure::NotSupported(_))) => {
                self.trace.step(place, format!("{failure}, so the registry has no such list"));
                None
            }
            // What was listed until then is judged, too: it may hold a good one.
            Err(failure) => {
                self.trace.step(place, format!("{} referrers, then: {failure}", all.len()));
                Some(failure)
            }
        };
        all.truncate(REMEMBERED);
        Listed { referrers: all, unanswered }
    }

    /// The referrers as the tag lists them that stands for the registry's list.
    async fn fallback(
        &self,
        session: &Session<'_>,
        at: &str,
        digest: &Digest,
        merge: &mut Merge,
    ) -> Vec<Descriptor> {
        let tag = digest.referrers_tag();
        let place = format!("{at}:{tag}");
        match session.manifest(&tag).await {
            Ok(manifest) => {
                let Some(mut index) = Index::parse(&manifest.bytes) else {
                    self.trace.step(place, "no index");
                    merge.add(Verdict::Malformed);
                    return vec![];
                };
                self.trace.step(place, format!("{} referrers", index.manifests.len()));
                if index.manifests.len() > REMEMBERED {
                    merge.exceeds("10,000 referrers");
                    index.manifests.truncate(REMEMBERED);
                }
                index.manifests
            }
            Err(failure) => {
                self.trace.step(place, failure.to_string());
                if failure != Failure::NotFound {
                    blame(&failure, merge);
                }
                vec![]
            }
        }
    }
}

/// What a place that gave no answer means for the outcome.
pub(crate) fn blame(failure: &Failure, merge: &mut Merge) {
    match failure {
        Failure::Limit(which) => merge.exceeds(*which),
        Failure::Corrupt(_) => merge.add(Verdict::Malformed),
        Failure::NotFound
        | Failure::NotSupported(_)
        | Failure::Denied { .. }
        | Failure::RateLimited { .. }
        | Failure::Unreachable { .. } => merge.unanswered(named(failure)),
    }
}

fn said(answer: Result<&str, &Failure>) -> String {
    answer.map_or_else(ToString::to_string, ToOwned::to_owned)
}

/// One of each in turn, so that many of one format do not keep the other's from being judged.
fn alternately(legacy: Vec<Work>, referrers: impl Iterator<Item = Work>) -> Vec<Work> {
    let (mut legacy, mut referrers) = (legacy.into_iter(), referrers);
    let mut all = vec![];
    while all.len() <= CANDIDATES {
        let before = all.len();
        all.extend(legacy.next());
        all.extend(referrers.next());
        if all.len() == before {
            break;
        }
    }
    all
}
