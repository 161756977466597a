//! The table of fixtures: `tests/fixtures/make.sh` made them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gatewright_signatures::candidates::{Candidate, from_referrer, from_signature_tag, ordered};
use gatewright_signatures::format::{Index, Verdict};
use gatewright_signatures::merge::Merge;
use gatewright_signatures::{Class, Digest, PublicKey};
use serde::Deserialize;

use crate::made::only;

#[derive(Deserialize)]
struct Table {
    digest: Digest,
    signatures: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    key: String,
    format: String,
    signer: String,
    hash: String,
    expected: Class,
}

/// A fixture with its files.
struct Fixture {
    row: Row,
    image: Digest,
    manifest: Vec<u8>,
    blob: Vec<u8>,
}

fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn fixtures() -> Vec<Fixture> {
    let table: Table = serde_json::from_slice(&file("table.json")).unwrap();
    let read = |row: Row| Fixture {
        manifest: file(&format!("signatures/{}.manifest.json", row.name)),
        blob: file(&format!("signatures/{}.blob.json", row.name)),
        image: table.digest,
        row,
    };
    table.signatures.into_iter().map(read).collect()
}

fn good() -> impl Iterator<Item = Fixture> {
    fixtures().into_iter().filter(|fixture| fixture.row.expected == Class::Verified)
}

fn key(name: &str) -> PublicKey {
    PublicKey::parse(&String::from_utf8(file(&format!("keys/{name}.pub"))).unwrap()).unwrap()
}

const KEYS: [&str; 7] = ["p256", "p384", "p521", "ed25519", "rsa2048", "rsa3072", "rsa4096"];

impl Fixture {
    fn candidate(&self) -> Candidate {
        only(match self.row.format.as_str() {
            "legacy" => from_signature_tag(&self.manifest),
            _ => from_referrer(&self.manifest, &self.image),
        })
    }

    fn judge(&self, image: &Digest, keys: &[PublicKey]) -> Verdict {
        self.candidate().judge(&self.blob, image, keys)
    }

    /// The verdict if blob or signature are others, with a manifest that fits.
    fn judge_changed(&self, blob: &[u8]) -> Verdict {
        let mut candidate = self.candidate();
        candidate.blob.digest = Digest::of(blob);
        candidate.blob.size = blob.len() as u64;
        candidate.judge(blob, &self.image, &[key(&self.row.key)])
    }
}

fn class(verdicts: &[Verdict]) -> Class {
    let mut merge = Merge::default();
    for verdict in verdicts {
        merge.add(*verdict);
    }
    merge.finish().map_or_else(|failure| failure.class, |()| Class::Verified)
}

#[test]
fn every_signature_is_judged_as_the_table_says() {
    for fixture in fixtures() {
        let found = class(&[fixture.judge(&fixture.image, &[key(&fixture.row.key)])]);
        assert_eq!(found, fixture.row.expected, "{} by {}", fixture.row.name, fixture.row.signer);
    }
}

/// Every kind of key in every way that some version of cosign signs with it, in both formats.
#[test]
fn the_table_is_whole() {
    let cells: BTreeSet<_> =
        good().map(|Fixture { row, .. }| format!("{} {} {}", row.key, row.format, row.hash)).collect();
    for name in KEYS {
        let hashes: &[&str] = match name {
            "p384" => &["sha384", "sha256"],
            "p521" => &["sha512", "sha256"],
            "ed25519" => &["ph", "pure"],
            _ => &["sha256"],
        };
        for hash in hashes {
            for format in ["legacy", "bundle"] {
                let cell = format!("{name} {format} {hash}");
                assert!(cells.contains(&cell), "{cell}");
            }
        }
    }
    let signers: BTreeSet<_> = good().map(|fixture| fixture.row.signer).collect();
    assert_eq!(signers, ["cosign 2.5.0", "cosign 3.1.3", "openssl"].map(str::to_owned).into());
}

#[test]
fn any_key_of_an_entry_is_enough_and_no_other() {
    let all: Vec<_> = KEYS.iter().map(|name| key(name)).collect();
    for fixture in good() {
        assert_eq!(fixture.judge(&fixture.image, &all), Verdict::Verified, "{}", fixture.row.name);
        let own = key(&fixture.row.key);
        let others: Vec<_> = all.iter().filter(|other| **other != own).cloned().collect();
        let verdict = fixture.judge(&fixture.image, &others);
        assert_eq!(verdict, Verdict::UnknownKey { keyless: false }, "{}", fixture.row.name);
        assert_eq!(class(&[verdict]), Class::UnknownKey);
    }
}

#[test]
fn a_signature_for_another_digest_is_a_mismatch() {
    for fixture in good() {
        let other = Digest::of(b"another image");
        let mut candidate = fixture.candidate();
        if fixture.row.format == "bundle" {
            // As it would be found: a manifest that refers to the other image.
            let manifest = String::from_utf8(fixture.manifest.clone()).unwrap();
            let manifest = manifest.replace(&fixture.image.to_string(), &other.to_string());
            candidate = only(from_referrer(manifest.as_bytes(), &other));
        }
        let verdict = candidate.judge(&fixture.blob, &other, &[key(&fixture.row.key)]);
        assert_eq!(verdict, Verdict::PayloadMismatch, "{}", fixture.row.name);
        assert_eq!(class(&[verdict]), Class::PayloadMismatch);
    }
}

#[test]
fn a_blob_that_is_not_what_the_manifest_says_is_malformed() {
    for fixture in good() {
        let mut blob = fixture.blob.clone();
        blob[10] ^= 1;
        let verdict = fixture.candidate().judge(&blob, &fixture.image, &[key(&fixture.row.key)]);
        assert_eq!(verdict, Verdict::Malformed, "{}", fixture.row.name);
        let shorter = &fixture.blob[..fixture.blob.len() - 1];
        let verdict = fixture.candidate().judge(shorter, &fixture.image, &[key(&fixture.row.key)]);
        assert_eq!(verdict, Verdict::Malformed, "{}", fixture.row.name);
    }
}

/// Of a bundle only what is signed counts: changes of the hint and of the names of members that nobody reads pass.
#[test]
fn no_changed_byte_of_what_is_signed_verifies() {
    for fixture in good().filter(|fixture| fixture.row.format == "legacy") {
        for position in (0..fixture.blob.len()).step_by(17) {
            let mut blob = fixture.blob.clone();
            blob[position] ^= 1;
            let verdict = fixture.judge_changed(&blob);
            assert_ne!(verdict, Verdict::Verified, "{} {position}", fixture.row.name);
        }
    }
    for fixture in good().filter(|fixture| fixture.row.format == "bundle") {
        let text = String::from_utf8(fixture.blob.clone()).unwrap();
        let envelope = text.find("dsseEnvelope").unwrap();
        for position in (envelope..text.len()).step_by(37) {
            let mut blob = fixture.blob.clone();
            blob[position] ^= 1;
            let verdict = fixture.judge_changed(&blob);
            assert_ne!(verdict, Verdict::Verified, "{} {position}", fixture.row.name);
        }
    }
}

#[test]
fn no_changed_signature_of_the_legacy_format_verifies() {
    const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
    for fixture in good().filter(|fixture| fixture.row.format == "legacy") {
        let judge = |signature: String| {
            let mut candidate = fixture.candidate();
            candidate.blob.annotations.insert(SIGNATURE.to_owned(), signature);
            candidate.judge(&fixture.blob, &fixture.image, &[key(&fixture.row.key)])
        };
        let signature = fixture.candidate().blob.annotations[SIGNATURE].clone();
        assert_eq!(judge(format!(" {signature}\n")), Verdict::Verified, "{}", fixture.row.name);
        for position in (0..signature.len() - 4).step_by(19) {
            let other = if signature.as_bytes()[position] == b'A' { "B" } else { "A" };
            let mut changed = signature.clone();
            changed.replace_range(position..=position, other);
            assert_ne!(judge(changed), Verdict::Verified, "{} {position}", fixture.row.name);
        }
        for broken in [String::new(), signature.replace('=', ""), signature[..20].to_owned()] {
            if broken != signature {
                assert_ne!(judge(broken), Verdict::Verified, "{}", fixture.row.name);
            }
        }
    }
}

/// The index that cosign writes where a registry has no API for referrers.
#[test]
fn the_fallback_index_leads_to_the_manifest() {
    for fixture in
        good().filter(|fixture| fixture.row.signer == "cosign 3.1.3" && fixture.row.format == "bundle")
    {
        let index = Index::parse(&file(&format!("signatures/{}.index.json", fixture.row.name))).unwrap();
        assert_eq!(index.unreadable, 0);
        let referrers = ordered(index.manifests);
        assert_eq!(referrers.len(), 1);
        assert_eq!(referrers[0].digest, Digest::of(&fixture.manifest), "{}", fixture.row.name);
    }
}

/// The order of Ed25519's group, little-endian.
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Who has a signature of Ed25519 could make another one of it for verifiers that are not strict.
#[test]
fn a_signature_of_ed25519_with_the_order_added_is_refused() {
    for name in ["ed25519-legacy-cosign-2", "ed25519-legacy-cosign-3"] {
        let fixture = good().find(|fixture| fixture.row.name == name).unwrap();
        let signature = fixture.candidate().blob.annotations["dev.cosignproject.cosign/signature"].clone();
        let signature = BASE64_STANDARD.decode(signature).unwrap();
        assert!(key("ed25519").verifies(&fixture.blob, &signature), "{name}");
        let mut other = signature.clone();
        let mut carry = 0;
        for (byte, more) in other[32..].iter_mut().zip(ED25519_ORDER) {
            let sum = u16::from(*byte) + u16::from(more) + carry;
            *byte = u8::try_from(sum & 0xff).unwrap();
            carry = sum >> 8;
        }
        assert_ne!(other, signature);
        assert!(!key("ed25519").verifies(&fixture.blob, &other), "{name}");
    }
}

/// Go's library, and so cosign, makes either of the two values for s.
#[test]
fn both_halves_of_s_verify() {
    for name in ["p256", "p384", "p521"] {
        let mut halves = BTreeSet::new();
        for fixture in good().filter(|fixture| fixture.row.key == name && fixture.row.format == "legacy") {
            let signature =
                fixture.candidate().blob.annotations["dev.cosignproject.cosign/signature"].clone();
            let signature = BASE64_STANDARD.decode(signature).unwrap();
            for signature in [signature.clone(), other_half(name, &signature)] {
                assert!(key(name).verifies(&fixture.blob, &signature), "{name}");
                halves.insert(signature);
            }
        }
        assert!(halves.len() >= 2, "{name}");
    }
}

/// The same signature with the order of the curve minus s.
fn other_half(curve: &str, signature: &[u8]) -> Vec<u8> {
    macro_rules! negated {
        ($curve:ident) => {{
            let signature = $curve::ecdsa::Signature::from_der(signature).unwrap();
            let (r, s) = signature.split_scalars();
            $curve::ecdsa::Signature::from_scalars(*r, -*s).unwrap().to_der().as_bytes().to_vec()
        }};
    }
    match curve {
        "p256" => negated!(p256),
        "p384" => negated!(p384),
        _ => negated!(p521),
    }
}
