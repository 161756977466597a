//! Mistakes of other verifiers, each by its advisory. What needs a registry to show is tested where one is asked.

use gatewright_signatures::candidates::{Candidate, from_referrer, from_signature_tag};
use gatewright_signatures::docker_config::DockerConfig;
use gatewright_signatures::format::{Index, Verdict};
use gatewright_signatures::merge::Merge;
use gatewright_signatures::reference::Repository;
use gatewright_signatures::{Class, Digest};
use serde_json::{Value, json};

use crate::made::{
    bundle, image, judge_bundle, judge_legacy, key, manifest, only, payload, sign, signed_by, statement,
};

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn outcome(verdicts: &[Verdict]) -> Result<(), Class> {
    let mut merge = Merge::default();
    for verdict in verdicts {
        merge.add(*verdict);
    }
    merge.finish().map_err(|failure| failure.class)
}

/// What all of these change is good at first.
#[test]
fn the_signatures_of_these_tests_are_good() {
    let text = payload(&image()).to_string();
    assert_eq!(judge_legacy(&text, &signed_by(&sign(text.as_bytes()))), Verdict::Verified);
    assert_eq!(judge_bundle(&bundle(&statement(&image()).to_string()).to_string()), Verdict::Verified);
}

/// One digest was verified and another one run.
#[test]
fn cve_2022_47633_and_ghsa_wfqx_gjrf_g28r_a_signature_holds_for_its_digest_alone() {
    let other = Digest::of(b"another image");
    let text = payload(&other).to_string();
    assert_eq!(judge_legacy(&text, &signed_by(&sign(text.as_bytes()))), Verdict::PayloadMismatch);
    assert_eq!(judge_bundle(&bundle(&statement(&other).to_string()).to_string()), Verdict::PayloadMismatch);
}

/// The registry said which digest its bytes have.
#[test]
fn cve_2023_47630_and_rust_oci_client_206_bytes_are_hashed() {
    let text = payload(&image()).to_string();
    let signature = signed_by(&sign(text.as_bytes()));
    let mut listed = manifest(SIMPLE_SIGNING, text.as_bytes(), &signature);
    listed["layers"][0]["digest"] = json!(Digest::of(b"another blob"));
    let candidate = only(from_signature_tag(listed.to_string().as_bytes()));
    assert_eq!(candidate.judge(text.as_bytes(), &image(), &[key()]), Verdict::Malformed);
}

/// The registry chose how many signatures and how large ones were read.
#[test]
fn cve_2023_46737_cve_2024_29902_cve_2024_29903_sizes_of_registries_are_bounded() {
    for size in [json!(65_537), json!(u64::MAX)] {
        let mut listed = manifest(SIMPLE_SIGNING, b"", &json!({}));
        listed["layers"][0]["size"] = size;
        let found = from_signature_tag(listed.to_string().as_bytes());
        assert_eq!((found.candidates.len(), &found.verdicts[..]), (0, &[Verdict::TooLarge][..]));
    }
    for size in [json!(-1), json!(1.5), json!("1"), json!(null)] {
        let mut listed = manifest(SIMPLE_SIGNING, b"", &json!({}));
        listed["layers"][0]["size"] = size;
        let found = from_signature_tag(listed.to_string().as_bytes());
        assert_eq!((found.candidates.len(), &found.verdicts[..]), (0, &[Verdict::Malformed][..]));
    }
    let large = "a".repeat(65_537);
    let mut candidate = candidate_of(SIMPLE_SIGNING, b"");
    candidate.blob.size = 1;
    assert_eq!(candidate.judge(large.as_bytes(), &image(), &[key()]), Verdict::TooLarge);
}

fn candidate_of(media_type: &str, blob: &[u8]) -> Candidate {
    only(from_referrer(manifest(media_type, blob, &json!({})).to_string().as_bytes(), &image()))
}

/// An attestation of any type passed for a signature.
#[test]
fn cve_2022_35929_and_cve_2022_35930_an_attestation_is_no_signature() {
    for predicate in [
        "https://slsa.dev/provenance/v1",
        "https://spdx.dev/Document",
        "",
        "https://cosign.sigstore.dev/attestation/v1",
    ] {
        let mut attestation = statement(&image());
        attestation["predicateType"] = json!(predicate);
        let verdict = judge_bundle(&bundle(&attestation.to_string()).to_string());
        assert_eq!(verdict, Verdict::NoSignature, "{predicate}");
        assert_eq!(outcome(&[verdict]), Err(Class::Unsigned));
    }
    let mut file = bundle(&statement(&image()).to_string());
    file["dsseEnvelope"]["payloadType"] = json!("text/plain");
    assert_eq!(judge_bundle(&file.to_string()), Verdict::NoSignature);
}

/// A payload that does not parse, or is of another type, passed.
#[test]
fn cve_2026_39395_the_payload_must_be_a_signature() {
    let mut other = payload(&image());
    other["critical"]["type"] = json!("atomic container signature");
    let text = other.to_string();
    assert_eq!(judge_legacy(&text, &signed_by(&sign(text.as_bytes()))), Verdict::NoSignature);
    let broken = [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        r#"{"critical": null}"#.to_owned(),
        r#"{"critical": {"image": {}, "type": "cosign container image signature"}}"#.to_owned(),
        payload(&image()).to_string() + "{}",
        payload(&image()).to_string().replacen('{', "{\"critical\":{},", 1),
    ];
    for text in broken {
        let verdict = judge_legacy(&text, &signed_by(&sign(text.as_bytes())));
        assert_eq!(verdict, Verdict::Malformed, "{text}");
        assert_eq!(judge_bundle(&bundle(&text).to_string()), Verdict::Malformed, "{text}");
    }
}

/// A bundle that was not valid passed.
#[test]
fn cve_2022_36056_an_invalid_bundle_is_refused() {
    let good = bundle(&statement(&image()).to_string());
    let change = |pointer: &str, value: Value| {
        let mut bundle = good.clone();
        *bundle.pointer_mut(pointer).unwrap() = value;
        judge_bundle(&bundle.to_string())
    };
    let sig = good.pointer("/dsseEnvelope/signatures/0").unwrap();
    for (pointer, value) in [
        ("/mediaType", json!("application/json")),
        ("/dsseEnvelope", json!(null)),
        ("/dsseEnvelope", json!({})),
        ("/dsseEnvelope/payload", json!("")),
        ("/dsseEnvelope/payload", json!("e30")),
        ("/dsseEnvelope/payload", json!(null)),
        ("/dsseEnvelope/signatures", json!([])),
        ("/dsseEnvelope/signatures", json!([sig, sig])),
        ("/dsseEnvelope/signatures/0/sig", json!("not base64!")),
        ("/dsseEnvelope/signatures/0/sig", json!(null)),
    ] {
        assert_eq!(change(pointer, value.clone()), Verdict::Malformed, "{pointer} {value}");
    }
    let mut both = good.clone();
    both["messageSignature"] = json!({"signature": "x"});
    assert_eq!(judge_bundle(&both.to_string()), Verdict::Malformed);
}

/// The key that a bundle brought along won over the one that was given.
#[test]
fn ghsa_fx35_mq7g_6g98_keys_in_bundles_are_ignored() {
    let mut made = bundle(&statement(&image()).to_string());
    made["dsseEnvelope"]["signatures"][0]["sig"] = json!(sign(b"something else"));
    for (material, keyless) in [
        (json!({"publicKey": {"hint": "x", "rawBytes": "x"}}), false),
        (json!({"certificate": {"rawBytes": "x"}}), true),
        (json!({"x509CertificateChain": {"certificates": [{"rawBytes": "x"}]}}), true),
    ] {
        made["verificationMaterial"] = material;
        assert_eq!(judge_bundle(&made.to_string()), Verdict::UnknownKey { keyless });
    }
}

/// An entry of Rekor, also a foreign one, counted for the signature.
#[test]
fn cve_2022_23649_and_cve_2026_22703_log_entries_prove_nothing() {
    let text = payload(&image()).to_string();
    let mut annotations = signed_by(&sign(b"something else"));
    annotations["dev.sigstore.cosign/bundle"] =
        json!({"SignedEntryTimestamp": "x", "Payload": {"body": "x"}}).to_string().into();
    assert_eq!(judge_legacy(&text, &annotations), Verdict::UnknownKey { keyless: false });
    annotations["dev.sigstore.cosign/certificate"] = json!("-----BEGIN CERTIFICATE-----");
    assert_eq!(judge_legacy(&text, &annotations), Verdict::UnknownKey { keyless: true });
    let mut made = bundle(&statement(&image()).to_string());
    made["dsseEnvelope"]["signatures"][0]["sig"] = json!(sign(b"something else"));
    made["verificationMaterial"]["tlogEntries"] = json!([{"logIndex": "1", "inclusionPromise": {}}]);
    assert_eq!(judge_bundle(&made.to_string()), Verdict::UnknownKey { keyless: false });
}

/// Credentials went to hosts that they were not for.
#[test]
fn cve_2025_27403_credentials_are_for_their_host_alone() {
    let config = DockerConfig::parse(br#"{"auths": {"r.io": {"username": "u", "password": "p"}}}"#).unwrap();
    let lookup = |name| config.lookup(&Repository::parse(name).unwrap()).unwrap().is_some();
    assert!(lookup("r.io/app"));
    for name in [
        "r.io.evil.com/app",
        "evil.com/r.io/app",
        "r.io:5000/app",
        "sub.r.io/app",
        "r.iota/app",
        "docker.io/r.io",
    ] {
        assert!(!lookup(name), "{name}");
    }
}

/// Members that are missing or null ended the process.
#[test]
fn kyverno_16435_missing_members_are_malformed() {
    for value in [statement(&image()), payload(&image()), manifest(BUNDLE, b"x", &json!({"a": "b"}))] {
        for changed in with_nulls(&value) {
            let text = changed.to_string();
            assert_ne!(judge_bundle(&text), Verdict::Verified, "{text}");
            let verdict = judge_bundle(&bundle(&text).to_string());
            assert!(verdict != Verdict::Verified || is_whole_statement(&changed), "{text}");
            let verdict = judge_legacy(&text, &signed_by(&sign(text.as_bytes())));
            assert!(verdict != Verdict::Verified || is_whole_payload(&changed), "{text}");
            for found in [from_signature_tag(text.as_bytes()), from_referrer(text.as_bytes(), &image())] {
                assert!(found.candidates.len() <= 1, "{text}");
            }
            assert_eq!(Index::parse(text.as_bytes()), None);
        }
    }
}

/// Members that nobody reads may be missing.
fn is_whole_statement(value: &Value) -> bool {
    let whole = statement(&image());
    ["_type", "predicateType", "subject"].iter().all(|name| value[name] == whole[name])
}

fn is_whole_payload(value: &Value) -> bool {
    let whole = payload(&image());
    ["image", "type"].iter().all(|name| value["critical"][name] == whole["critical"][name])
}

#[test]
fn kyverno_16435_missing_members_of_a_bundle_are_malformed() {
    let whole = bundle(&statement(&image()).to_string());
    for changed in with_nulls(&whole) {
        let reads_the_same = ["mediaType", "dsseEnvelope"].iter().all(|name| changed[name] == whole[name]);
        let verdict = judge_bundle(&changed.to_string());
        assert!(verdict != Verdict::Verified || reads_the_same, "{changed}");
    }
}

/// The value with null in each place, and without each member.
fn with_nulls(value: &Value) -> Vec<Value> {
    let mut changed = vec![Value::Null];
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let mut without = members.clone();
                without.remove(name);
                changed.push(Value::Object(without));
                changed.extend(with_nulls(member).into_iter().map(|other| {
                    let mut members = members.clone();
                    members.insert(name.clone(), other);
                    Value::Object(members)
                }));
            }
        }
        Value::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                changed.extend(with_nulls(item).into_iter().map(|other| {
                    let mut items = items.clone();
                    items[position] = other;
                    Value::Array(items)
                }));
            }
        }
        _ => {}
    }
    changed
}

/// Ratify 1.4: the last layer decided.
#[test]
fn ratify_1_4_any_layer_can_be_the_good_one() {
    let text = payload(&image()).to_string();
    let good = manifest(SIMPLE_SIGNING, text.as_bytes(), &signed_by(&sign(text.as_bytes())));
    let bad = manifest(SIMPLE_SIGNING, text.as_bytes(), &signed_by("AAAA"));
    for good_at in 0..3 {
        let mut layers = vec![bad["layers"][0].clone(); 3];
        layers[good_at] = good["layers"][0].clone();
        layers.push(json!({"mediaType": "a/b", "digest": "sha512:00", "size": 1}));
        let listed = json!({"layers": layers}).to_string();
        let found = from_signature_tag(listed.as_bytes());
        let judged =
            found.candidates.iter().map(|candidate| candidate.judge(text.as_bytes(), &image(), &[key()]));
        let verdicts: Vec<_> = judged.chain(found.verdicts.iter().copied()).collect();
        assert_eq!(verdicts.len(), 4);
        assert_eq!(outcome(&verdicts), Ok(()), "{good_at}");
    }
}

/// A bundle of GitHub's attestations hid the signatures by key.
#[test]
fn frostyard_snosi_332_a_foreign_bundle_hides_nothing() {
    let mut attestation = statement(&image());
    attestation["predicateType"] = json!("https://slsa.dev/provenance/v1");
    let mut github = bundle(&attestation.to_string());
    github["verificationMaterial"] = json!({"certificate": {"rawBytes": "x"}, "tlogEntries": [{}]});
    github["dsseEnvelope"]["signatures"][0]["sig"] = json!(sign(b"something else"));
    let foreign = judge_bundle(&github.to_string());
    let text = payload(&image()).to_string();
    let good = judge_legacy(&text, &signed_by(&sign(text.as_bytes())));
    assert_eq!(outcome(&[good, foreign]), Ok(()));
    assert_eq!(outcome(&[foreign, good]), Ok(()));
    assert_eq!(outcome(&[foreign]), Err(Class::Unsigned));
}
