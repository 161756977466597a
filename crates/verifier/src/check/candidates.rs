//! Fetches and judges candidates, a few at a time, until one is good.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt as _, stream};
use gatewright_signatures::Digest;
use gatewright_signatures::bounds::{CANDIDATES, MANIFEST_BYTES, PAYLOAD_BYTES};
use gatewright_signatures::candidates::{Candidate, from_referrer};
use gatewright_signatures::format::{Descriptor, Verdict};
use gatewright_signatures::merge::Merge;
use tokio::sync::OnceCell;

use super::Check;
use super::places::blame;
use crate::registry::{Failure, Session};

/// Candidates that are fetched at the same time.
const AT_ONCE: usize = 4;

const TOO_MANY: &str = "more than 100 signatures";

/// What is looked at next.
pub(crate) enum Work {
    /// A blob that may be a signature.
    Candidate(Candidate),
    /// A manifest that may list such blobs.
    Referrer(Descriptor),
}

/// One thing that was learned, for the outcome.
enum Learned {
    Verdict(Verdict),
    Failure(Failure),
    TooMany,
}

type Blob = Arc<OnceCell<Result<Arc<[u8]>, Failure>>>;

/// Judges what one site has.
pub(crate) struct Judge<'a> {
    check: Check<'a>,
    session: &'a Session<'a>,
    at: String,
    image: Digest,
    judged: AtomicUsize,
    /// Referrers that were looked at.
    seen: Mutex<HashSet<Digest>>,
    /// Small blobs by digest: the same payload is often signed with several keys.
    blobs: Mutex<HashMap<Digest, Blob>>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(check: Check<'a>, session: &'a Session<'a>, at: String, image: Digest) -> Self {
        let (seen, blobs) = (Mutex::default(), Mutex::default());
        Self { check, session, at, image, judged: AtomicUsize::new(0), seen, blobs }
    }

    /// The referrers that were looked at so far.
    pub(crate) fn seen(&self) -> HashSet<Digest> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Judges all, in this order, until one is good.
    pub(crate) async fn all(&self, work: Vec<Work>, merge: &mut Merge) {
        let mut learned = stream::iter(work).map(|work| self.one(work)).buffered(AT_ONCE);
        while let Some(some) = learned.next().await {
            for one in some {
                match one {
                    Learned::Verdict(verdict) => merge.add(verdict),
                    // What a list names and the registry does not have cannot be judged.
                    Learned::Failure(Failure::NotFound) => merge.add(Verdict::Malformed),
                    Learned::Failure(failure) => blame(&failure, merge),
                    Learned::TooMany => {
                        merge.exceeds(TOO_MANY);
                        return;
                    }
                }
            }
            if merge.is_verified() {
                return;
            }
        }
    }

    async fn one(&self, work: Work) -> Vec<Learned> {
        match work {
            Work::Candidate(candidate) => vec![self.candidate(&candidate).await],
            Work::Referrer(descriptor) => self.referrer(&descriptor).await,
        }
    }

    /// Whether one more may be judged.
    fn may(&self) -> bool {
        self.judged.fetch_add(1, Ordering::Relaxed) < CANDIDATES
    }

    async fn referrer(&self, descriptor: &Descriptor) -> Vec<Learned> {
        if !self.may() {
            return vec![Learned::TooMany];
        }
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(descriptor.digest);
        let place = format!("{}@{}", self.at, descriptor.digest);
        if descriptor.size > MANIFEST_BYTES as u64 {
            self.check.trace.step(place, words(Verdict::TooLarge));
            return vec![Learned::Verdict(Verdict::TooLarge)];
        }
        let found = match self.session.manifest(&descriptor.digest.to_string()).await {
            Ok(manifest) => from_referrer(&manifest.bytes, &self.image),
            Err(failure) => {
                self.check.trace.step(place, failure.to_string());
                return vec![Learned::Failure(failure)];
            }
        };
        let mut learned = vec![];
        for verdict in found.verdicts {
            self.check.trace.step(place.clone(), words(verdict));
            learned.push(Learned::Verdict(verdict));
        }
        for (index, candidate) in found.candidates.iter().enumerate() {
            // The manifest of a signature has one layer, which counts with it.
            if index > 0 && !self.may() {
                learned.push(Learned::TooMany);
                break;
            }
            let judged = self.fetch_and_judge(candidate).await;
            let good = matches!(judged, Learned::Verdict(Verdict::Verified));
            learned.push(judged);
            if good {
                break;
            }
        }
        learned
    }

    async fn candidate(&self, candidate: &Candidate) -> Learned {
        if self.may() { self.fetch_and_judge(candidate).await } else { Learned::TooMany }
    }

    async fn fetch_and_judge(&self, candidate: &Candidate) -> Learned {
        let place = format!("{}@{} ({})", self.at, candidate.blob.digest, kind(candidate));
        let keys = &self.check.demand.entry.keys;
        let verdict = if candidate.most_bytes() <= PAYLOAD_BYTES {
            self.shared_blob(candidate).await.map(|blob| candidate.judge(&blob, &self.image, keys))
        } else {
            self.blob(candidate).await.map(|blob| candidate.judge(&blob, &self.image, keys))
        };
        match verdict {
            Ok(verdict) => {
                self.check.trace.step(place, words(verdict));
                Learned::Verdict(verdict)
            }
            Err(failure) => {
                self.check.trace.step(place, failure.to_string());
                Learned::Failure(failure)
            }
        }
    }

    async fn blob(&self, candidate: &Candidate) -> Result<crate::registry::Bytes, Failure> {
        let (blob, most) = (&candidate.blob, candidate.most_bytes());
        self.session.blob(&blob.digest, blob.size, (most, "the size of a signature object")).await
    }

    async fn shared_blob(&self, candidate: &Candidate) -> Result<Arc<[u8]>, Failure> {
        let cell = {
            let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
            blobs.entry(candidate.blob.digest).or_default().clone()
        };
        let fetch = || async { self.blob(candidate).await.map(|blob| Arc::from(&*blob)) };
        cell.get_or_init(fetch).await.clone()
    }
}

fn kind(candidate: &Candidate) -> &'static str {
    if candidate.most_bytes() <= PAYLOAD_BYTES { "legacy signature" } else { "bundle" }
}

/// What a verdict means, for people.
pub(crate) const fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Verified => "a good signature by a key of the entry",
        Verdict::PayloadMismatch => "a signature by a key of the entry, for another digest",
        Verdict::UnknownKey { keyless: true } => "a keyless signature, which is not supported",
        Verdict::UnknownKey { keyless: false } => "a signature by none of the entry's keys",
        Verdict::Malformed => "cannot be read as what it says it is",
        Verdict::TooLarge => "larger than signatures are",
        Verdict::NoSignature => "no signature of an image, such as an attestation",
    }
}
