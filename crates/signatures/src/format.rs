//! The two formats of cosign's signatures, and the manifests that they are found in.
//!
//! Nothing in them is trusted: keys come from the policy, and what a certificate, a log entry, a hint or an annotation
//! says is never used.

mod bundle;
mod json;
mod legacy;
mod manifest;

pub use manifest::{Descriptor, Index, Manifest};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::digest::Digest;
use crate::key::PublicKey;

pub(crate) use bundle::judge as judge_bundle;
pub(crate) use legacy::judge as judge_legacy;

/// The type of layers with a payload of the legacy format.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The types of layers with a Sigstore bundle, and of bundles.
pub const BUNDLES: [&str; 2] =
    ["application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.sigstore.bundle+json;version=0.3"];

/// The type of predicate that cosign gives to signatures of images.
pub const SIGNATURE_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// What a signature object is worth for an image and the keys of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A signature for the image by one of the keys.
    Verified,
    /// A signature by one of the keys, for another digest.
    PayloadMismatch,
    /// A signature of an image by none of the keys.
    UnknownKey {
        /// Whether it has a certificate instead of a key.
        keyless: bool,
    },
    /// It does not parse, or is not what its descriptor says.
    Malformed,
    /// It is larger than signatures are, and was not read.
    TooLarge,
    /// It is no signature of an image: an attestation, a signed file.
    NoSignature,
}

/// Decodes base64 in the standard alphabet, with ASCII white space at its ends.
fn decode(text: &str) -> Result<Vec<u8>, Verdict> {
    BASE64_STANDARD.decode(text.trim_ascii()).map_err(|_| Verdict::Malformed)
}

/// What a signature says of the image, once its content is read.
fn judge_content(signed: bool, keyless: bool, is_for_image: bool) -> Verdict {
    match (signed, is_for_image) {
        (false, _) => Verdict::UnknownKey { keyless },
        (true, false) => Verdict::PayloadMismatch,
        (true, true) => Verdict::Verified,
    }
}

fn is_signed(keys: &[PublicKey], message: &[u8], signature: &[u8]) -> bool {
    keys.iter().any(|key| key.verifies(message, signature))
}

/// Whether a text is this digest.
fn names(text: &str, digest: &Digest) -> bool {
    text.parse::<Digest>().is_ok_and(|named| named == *digest)
}
