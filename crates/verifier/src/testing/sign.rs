//! Signatures as cosign makes them, by keys of the tests.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gatewright_signatures::Digest;
use gatewright_signatures::entry::ReadEntry;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::{EncodePublicKey as _, LineEnding};
use serde_json::{Value, json};

use super::TestRegistry;
use crate::demand::{Demand, DockerCfg, RegistryConfig};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
pub(crate) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// A key pair of the tests, by number.
pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 32]).unwrap()
}

pub(crate) fn pem(number: u8) -> String {
    key(number).verifying_key().to_public_key_pem(LineEnding::LF).unwrap()
}

fn signature(number: u8, message: &[u8]) -> String {
    let signature: Signature = key(number).sign(message);
    BASE64_STANDARD.encode(signature.to_der().as_bytes())
}

/// An entry with one key.
pub(crate) fn entry(reference: &str, number: u8) -> ReadEntry {
    ReadEntry::new(reference, &[pem(number)], None, false, false).unwrap()
}

pub(crate) fn demand(entry: ReadEntry, docker_cfg: Option<&DockerCfg>) -> Demand {
    let all = Demand::of_entries(vec![entry], |_| docker_cfg.cloned(), &RegistryConfig::default());
    all.into_iter().next().unwrap()
}

/// The payload of the legacy format.
pub(crate) fn payload(digest: &Digest) -> String {
    let critical = json!({
        "identity": {"docker-reference": "somewhere/else"},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    });
    json!({"critical": critical, "optional": null}).to_string()
}

/// What a blob's descriptor is.
pub(crate) fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len()})
}

/// A layer of the legacy format over this payload.
pub(crate) fn layer(payload: &str, number: u8) -> Value {
    let mut layer = descriptor(SIMPLE, payload.as_bytes());
    let signature = signature(number, payload.as_bytes());
    layer["annotations"] = json!({"dev.cosignproject.cosign/signature": signature});
    layer
}

pub(crate) fn manifest(layers: &[Value], subject: Option<&Value>) -> String {
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": layers,
    });
    if let Some(subject) = subject {
        manifest["subject"] = subject.clone();
    }
    manifest.to_string()
}

pub(crate) fn index(manifests: &[Value]) -> String {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string()
}

/// A statement about this digest.
pub(crate) fn statement(digest: &Digest, predicate: &str) -> String {
    let subject = json!([{"digest": {"sha256": digest.hex()}}]);
    json!({"_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": predicate})
        .to_string()
}

/// A bundle of this statement.
pub(crate) fn bundle(statement: &str, number: u8) -> Value {
    let kind = "application/vnd.in-toto+json";
    let signed = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
    json!({
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": "of another key"}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": BASE64_STANDARD.encode(statement),
            "payloadType": kind,
            "signatures": [{"sig": signature(number, signed.as_bytes())}],
        },
    })
}

pub(crate) const REPOSITORY: &str = "team/app";

impl TestRegistry {
    /// An image with this tag.
    pub(crate) fn image(&self, tag: &str) -> Digest {
        let manifest =
            manifest(&[descriptor("application/vnd.oci.image.layer.v1.tar", tag.as_bytes())], None);
        TestRegistry::manifest(self, REPOSITORY, Some(tag), MANIFEST, manifest).parse().unwrap()
    }

    /// Puts layers at the tag of legacy signatures.
    pub(crate) fn legacy(&self, digest: &Digest, layers: &[Value]) {
        let tag = digest.signature_tag();
        TestRegistry::manifest(self, REPOSITORY, Some(&tag), MANIFEST, manifest(layers, None));
    }

    /// Signs in the legacy format.
    pub(crate) fn sign_legacy(&self, digest: &Digest, number: u8) {
        let payload = payload(digest);
        self.blob(REPOSITORY, payload.as_str());
        self.legacy(digest, &[layer(&payload, number)]);
    }

    /// Stores a blob as the one layer of a referrer. Returns the referrer's descriptor.
    pub(crate) fn referrer(&self, image: &Digest, kind: &str, blob: &str) -> Value {
        self.blob(REPOSITORY, blob);
        let subject = json!({"mediaType": MANIFEST, "digest": image, "size": 1});
        let manifest = manifest(&[descriptor(kind, blob.as_bytes())], Some(&subject));
        TestRegistry::manifest(self, REPOSITORY, None, MANIFEST, manifest.as_str());
        descriptor(MANIFEST, manifest.as_bytes())
    }

    /// A bundle of a signature, as a referrer.
    pub(crate) fn signed_referrer(&self, image: &Digest, number: u8) -> Value {
        self.referrer(image, BUNDLE, &bundle(&statement(image, SIGN), number).to_string())
    }

    /// Lists referrers by the API.
    pub(crate) fn list(&self, image: &Digest, referrers: &[Value]) {
        self.store(&format!("/v2/{REPOSITORY}/referrers/{image}"), INDEX, index(referrers));
    }

    /// Lists referrers by the tag.
    pub(crate) fn list_by_tag(&self, image: &Digest, referrers: &[Value]) {
        TestRegistry::manifest(self, REPOSITORY, Some(&image.referrers_tag()), INDEX, index(referrers));
    }
}
