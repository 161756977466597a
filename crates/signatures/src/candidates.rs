//! Where signatures are found, in which order they are judged, and what each is worth.
//!
//! A check goes so: [`from_signature_tag`] of the manifest of the tag `sha256-<hex>.sig`; [`ordered`] referrers, and
//! [`from_referrer`] of each one's manifest; [`Candidate::judge`] of each blob; all verdicts into [`crate::merge::Merge`].

use std::cmp::Reverse;

use crate::bounds::{BUNDLE_BYTES, PAYLOAD_BYTES};
use crate::digest::Digest;
use crate::format::{
    BUNDLES, Descriptor, Index, Manifest, SIGNATURE_PREDICATE, SIMPLE_SIGNING, Verdict, judge_bundle,
    judge_legacy,
};
use crate::key::PublicKey;

const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const PREDICATE: &str = "dev.sigstore.bundle.predicateType";
const CREATED: &str = "org.opencontainers.image.created";

/// What may be a signature, once its blob is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The blob to fetch.
    pub blob: Descriptor,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Legacy,
    Bundle,
}

/// What a manifest holds: candidates, and verdicts about what is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// To be fetched and judged, in this order.
    pub candidates: Vec<Candidate>,
    /// What needs no blob to be judged.
    pub verdicts: Vec<Verdict>,
}

impl Found {
    fn only(verdict: Verdict) -> Self {
        Self { candidates: vec![], verdicts: vec![verdict] }
    }

    fn of_layers(manifest: Manifest, bundles: bool) -> Self {
        let mut found = Self::default();
        if manifest.unreadable > 0 {
            found.verdicts.push(Verdict::Malformed);
        }
        if manifest.unread > 0 {
            found.verdicts.push(Verdict::TooLarge);
        }
        // cosign appends: the newest is the last.
        for blob in manifest.layers.into_iter().rev() {
            let Some(format) =
                Format::of(&blob.media_type).filter(|format| bundles || *format == Format::Legacy)
            else {
                found.verdicts.push(Verdict::NoSignature);
                continue;
            };
            let candidate = Candidate { blob, format };
            if candidate.blob.size > candidate.most_bytes() as u64 {
                found.verdicts.push(Verdict::TooLarge);
            } else {
                found.candidates.push(candidate);
            }
        }
        found
    }
}

/// What the manifest of the tag `sha256-<hex>.sig` holds.
#[must_use]
pub fn from_signature_tag(manifest: &[u8]) -> Found {
    Manifest::parse(manifest)
        .map_or_else(|| Found::only(Verdict::Malformed), |manifest| Found::of_layers(manifest, false))
}

/// What the manifest of a referrer of `image` holds. The types of its layers decide, not that of the artifact.
#[must_use]
pub fn from_referrer(manifest: &[u8], image: &Digest) -> Found {
    match Manifest::parse(manifest) {
        Some(manifest) => {
            let subject = manifest.subject.as_deref();
            if subject.is_none_or(|subject| subject == image.to_string()) {
                Found::of_layers(manifest, true)
            } else {
                Found::only(Verdict::Malformed)
            }
        }
        None if Index::parse(manifest).is_some() => Found::only(Verdict::NoSignature),
        None => Found::only(Verdict::Malformed),
    }
}

/// Referrers in the order in which they are judged: what says that it is a signature, then the newest, then from the end.
/// Annotations order, they never decide.
#[must_use]
pub fn ordered(referrers: Vec<Descriptor>) -> Vec<Descriptor> {
    let mut referrers: Vec<_> = referrers.into_iter().rev().collect();
    let annotation = |referrer: &Descriptor, name: &str| referrer.annotations.get(name).cloned();
    referrers.sort_by_cached_key(|referrer| {
        let is_signature = annotation(referrer, PREDICATE).as_deref() == Some(SIGNATURE_PREDICATE);
        Reverse((is_signature, annotation(referrer, CREATED)))
    });
    referrers
}

impl Format {
    fn of(media_type: &str) -> Option<Self> {
        if media_type == SIMPLE_SIGNING {
            Some(Self::Legacy)
        } else {
            BUNDLES.contains(&media_type).then_some(Self::Bundle)
        }
    }
}

impl Candidate {
    /// How many bytes its blob may have; what is larger is a [`Verdict::TooLarge`].
    #[must_use]
    pub const fn most_bytes(&self) -> usize {
        match self.format {
            Format::Legacy => PAYLOAD_BYTES,
            Format::Bundle => BUNDLE_BYTES,
        }
    }

    /// Judges the blob that the registry gave, for the image with this digest and the keys of an entry.
    #[must_use]
    pub fn judge(&self, blob: &[u8], image: &Digest, keys: &[PublicKey]) -> Verdict {
        if blob.len() > self.most_bytes() {
            return Verdict::TooLarge;
        }
        if blob.len() as u64 != self.blob.size || Digest::of(blob) != self.blob.digest {
            return Verdict::Malformed;
        }
        match self.format {
            Format::Bundle => judge_bundle(blob, image, keys),
            Format::Legacy => {
                let annotations = &self.blob.annotations;
                let signature = annotations.get(SIGNATURE).map(String::as_str);
                let keyless = annotations.get(CERTIFICATE).is_some_and(|certificate| !certificate.is_empty());
                judge_legacy(blob, signature, keyless, image, keys)
            }
        }
    }
}
