//! The bundle format: a DSSE envelope with an in-toto statement.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{BUNDLES, SIGNATURE_PREDICATE, Verdict, decode, is_signed, json, judge_content, names};
use crate::digest::Digest;
use crate::key::PublicKey;

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

const STATEMENTS: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    #[serde(default)]
    verification_material: Material,
    dsse_envelope: Option<Envelope>,
    message_signature: Option<IgnoredAny>,
}

/// Only whether there is a certificate.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    certificate: Option<IgnoredAny>,
    x509_certificate_chain: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

#[derive(Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    r#type: String,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(default)]
    subject: Vec<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    digest: Digests,
}

#[derive(Default, Deserialize)]
struct Digests {
    sha256: Option<String>,
}

/// Judges a bundle.
pub(crate) fn judge(bundle: &[u8], image: &Digest, keys: &[PublicKey]) -> Verdict {
    read(bundle).map_or_else(
        |verdict| verdict,
        |read| {
            let signed = is_signed(keys, &read.signed, &read.signature);
            judge_content(signed, read.keyless, read.statement.is_about(image))
        },
    )
}

struct Read {
    statement: Statement,
    /// What is signed: DSSE's pre-authentication encoding.
    signed: Vec<u8>,
    signature: Vec<u8>,
    keyless: bool,
}

fn read(bundle: &[u8]) -> Result<Read, Verdict> {
    let bundle: Bundle = json::from_unique(bundle).map_err(|_| Verdict::Malformed)?;
    if !BUNDLES.contains(&bundle.media_type.as_str()) {
        return Err(Verdict::Malformed);
    }
    let envelope = match (bundle.dsse_envelope, bundle.message_signature) {
        (Some(envelope), None) => envelope,
        // A signed file.
        (None, Some(_)) => return Err(Verdict::NoSignature),
        _ => return Err(Verdict::Malformed),
    };
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(Verdict::NoSignature);
    }
    let payload = decode(&envelope.payload)?;
    let statement: Statement = json::from_unique(&payload).map_err(|_| Verdict::Malformed)?;
    if !STATEMENTS.contains(&statement.r#type.as_str()) {
        return Err(Verdict::Malformed);
    }
    // An attestation by the right key says something about the image, but not that somebody released it.
    if statement.predicate_type != SIGNATURE_PREDICATE {
        return Err(Verdict::NoSignature);
    }
    let [signature] = &envelope.signatures[..] else { return Err(Verdict::Malformed) };
    let material = bundle.verification_material;
    Ok(Read {
        statement,
        signed: pre_authentication(&envelope.payload_type, &payload),
        signature: decode(&signature.sig)?,
        keyless: material.certificate.is_some() || material.x509_certificate_chain.is_some(),
    })
}

impl Statement {
    fn is_about(&self, image: &Digest) -> bool {
        let named = self.subject.iter().filter_map(|subject| subject.digest.sha256.as_deref());
        named.map(|hex| format!("sha256:{hex}")).any(|digest| names(&digest, image))
    }
}

/// `DSSEv1 LEN TYPE LEN PAYLOAD`.
fn pre_authentication(r#type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} {} {} ", r#type.len(), r#type, payload.len()).into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}
