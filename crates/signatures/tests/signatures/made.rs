//! Signatures that tests make themselves, with a key whose private half stands here.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ecdsa::signature::hazmat::PrehashSigner;
use gatewright_signatures::candidates::{Candidate, Found, from_referrer, from_signature_tag};
use gatewright_signatures::format::{SIGNATURE_PREDICATE, Verdict};
use gatewright_signatures::{Digest, PublicKey};
use p256::ecdsa::{DerSignature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The public half of [`signing_key`].
pub fn key() -> PublicKey {
    let point = signing_key().verifying_key().to_sec1_point(false);
    let head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
    let head = (0..head.len()).step_by(2).map(|at| u8::from_str_radix(&head[at..at + 2], 16).unwrap());
    let der: Vec<u8> = head.chain(point.as_bytes().iter().copied()).collect();
    let pem = pem_rfc7468::encode_string("PUBLIC KEY", pem_rfc7468::LineEnding::LF, &der).unwrap();
    PublicKey::parse(&pem).unwrap()
}

fn signing_key() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

/// The image that signatures are for.
pub fn image() -> Digest {
    Digest::of(b"an image")
}

/// A signature in base64.
pub fn sign(message: &[u8]) -> String {
    let signature: DerSignature = signing_key().sign_prehash(&Sha256::digest(message)).unwrap();
    BASE64_STANDARD.encode(signature.as_bytes())
}

/// DSSE's encoding of what is signed.
pub fn pre_authentication(r#type: &str, payload: &str) -> Vec<u8> {
    format!("DSSEv1 {} {} {} {payload}", r#type.len(), r#type, payload.len()).into_bytes()
}

/// The payload of a legacy signature for a digest.
pub fn payload(digest: &Digest) -> Value {
    json!({"critical": {
        "identity": {"docker-reference": "r.io/app"}, "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    }, "optional": null})
}

/// The statement of a signature for a digest.
pub fn statement(digest: &Digest) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": SIGNATURE_PREDICATE, "predicate": {},
        "subject": [{"digest": {"sha256": digest.hex()}}],
    })
}

/// A bundle with a good signature over a payload.
pub fn bundle(payload: &str) -> Value {
    let r#type = "application/vnd.in-toto+json";
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "x"}},
        "dsseEnvelope": {
            "payload": BASE64_STANDARD.encode(payload), "payloadType": r#type,
            "signatures": [{"sig": sign(&pre_authentication(r#type, payload))}],
        },
    })
}

/// A manifest with one layer.
pub fn manifest(media_type: &str, blob: &[u8], annotations: &Value) -> Value {
    json!({
        "schemaVersion": 2, "layers": [{
            "mediaType": media_type, "digest": Digest::of(blob), "size": blob.len(), "annotations": annotations,
        }],
    })
}

/// The verdict about a legacy signature with these annotations.
pub fn judge_legacy(payload: &str, annotations: &Value) -> Verdict {
    let blob = payload.as_bytes();
    let manifest = manifest("application/vnd.dev.cosign.simplesigning.v1+json", blob, annotations);
    only(from_signature_tag(manifest.to_string().as_bytes())).judge(blob, &image(), &[key()])
}

/// The verdict about a bundle.
pub fn judge_bundle(bundle: &str) -> Verdict {
    let blob = bundle.as_bytes();
    let manifest = manifest("application/vnd.dev.sigstore.bundle.v0.3+json", blob, &json!({}));
    only(from_referrer(manifest.to_string().as_bytes(), &image())).judge(blob, &image(), &[key()])
}

/// The annotations of a legacy signature.
pub fn signed_by(signature: &str) -> Value {
    json!({"dev.cosignproject.cosign/signature": signature})
}

/// The only candidate.
pub fn only(found: Found) -> Candidate {
    let [candidate] = <[Candidate; 1]>::try_from(found.candidates).unwrap();
    assert_eq!(found.verdicts, []);
    candidate
}
