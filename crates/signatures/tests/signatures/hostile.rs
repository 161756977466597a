//! What a hostile registry may answer: no panic, no pass, no more time or memory than its size deserves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gatewright_signatures::Digest;
use gatewright_signatures::bounds::{LIST_ITEMS, MANIFEST_BYTES};
use gatewright_signatures::candidates::{from_referrer, from_signature_tag, ordered};
use gatewright_signatures::format::{Descriptor, Index, Verdict};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::made::{
    bundle, image, judge_bundle, judge_legacy, manifest, only, payload, sign, signed_by, statement,
};

fn descriptor(media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": image(), "size": 3})
}

#[test]
fn a_signature_tag_that_is_an_index_is_malformed() {
    let index = json!({"manifests": [descriptor("a/b")]}).to_string();
    assert_eq!(from_signature_tag(index.as_bytes()).verdicts, [Verdict::Malformed]);
    assert_eq!(from_referrer(index.as_bytes(), &image()).verdicts, [Verdict::NoSignature]);
}

#[test]
fn a_manifest_that_is_an_index_too_is_neither() {
    let both = json!({"manifests": [], "layers": []}).to_string();
    assert_eq!(from_signature_tag(both.as_bytes()).verdicts, [Verdict::Malformed]);
    assert_eq!(from_referrer(both.as_bytes(), &image()).verdicts, [Verdict::Malformed]);
    assert_eq!(Index::parse(both.as_bytes()), None);
}

#[test]
fn a_referrer_of_another_image_is_malformed() {
    let good = bundle(&statement(&image()).to_string()).to_string();
    let mut made = manifest("application/vnd.dev.sigstore.bundle.v0.3+json", good.as_bytes(), &json!({}));
    made["subject"] = descriptor("a/b");
    assert_eq!(from_referrer(made.to_string().as_bytes(), &image()).candidates.len(), 1);
    assert_eq!(from_referrer(made.to_string().as_bytes(), &Digest::of(b"")).verdicts, [Verdict::Malformed]);
}

#[test]
fn the_type_of_the_layer_decides() {
    let text = payload(&image()).to_string();
    let signed = signed_by(&sign(text.as_bytes()));
    let mut made = manifest("application/vnd.dev.cosign.simplesigning.v1+json", text.as_bytes(), &signed);
    made["artifactType"] = json!("application/vnd.dev.sigstore.bundle.v0.3+json");
    let candidate = only(from_referrer(made.to_string().as_bytes(), &image()));
    assert_eq!(candidate.judge(text.as_bytes(), &image(), &[crate::made::key()]), Verdict::Verified);
    // At the place of the legacy format a bundle is none.
    let made = manifest("application/vnd.dev.sigstore.bundle.v0.3+json", b"x", &json!({}));
    assert_eq!(from_signature_tag(made.to_string().as_bytes()).verdicts, [Verdict::NoSignature]);
}

#[test]
fn keys_that_are_there_twice_are_refused() {
    let twice = |text: &str, at: &str| text.replacen(at, &format!("{at},{at}"), 1);
    let digest = format!(r#""docker-manifest-digest":"{}""#, image());
    let text = twice(&payload(&image()).to_string(), &digest);
    assert!(text.matches(&digest).count() == 2);
    assert_eq!(judge_legacy(&text, &signed_by(&sign(text.as_bytes()))), Verdict::Malformed);
    let text = twice(&payload(&image()).to_string(), r#""optional":null"#);
    assert_eq!(judge_legacy(&text, &signed_by(&sign(text.as_bytes()))), Verdict::Malformed);
    let text = twice(&statement(&image()).to_string(), r#""predicate":{}"#);
    assert_eq!(judge_bundle(&bundle(&text).to_string()), Verdict::Malformed);
    let text = twice(&bundle(&statement(&image()).to_string()).to_string(), r#""hint":"x""#);
    assert_eq!(judge_bundle(&text), Verdict::Malformed);
}

#[test]
fn url_safe_base64_is_refused() {
    let text = payload(&image()).to_string();
    // Messages are tried until a signature has a character that differs.
    let text = (0..).map(|number| format!("{text}{}", " ".repeat(number)));
    let (text, signature) = text
        .map(|text| (text.clone(), sign(text.as_bytes())))
        .find(|(_, sig)| sig.contains(['+', '/']))
        .unwrap();
    assert_eq!(judge_legacy(&text, &signed_by(&signature)), Verdict::Verified);
    let url_safe = signature.replace('+', "-").replace('/', "_");
    assert_eq!(judge_legacy(&text, &signed_by(&url_safe)), Verdict::Malformed);
}

#[test]
fn digests_of_another_algorithm_are_unreadable() {
    let mut other = descriptor("application/vnd.dev.cosign.simplesigning.v1+json");
    other["digest"] = json!(format!("sha512:{}", "0a".repeat(64)));
    let listed = json!({"layers": [other]}).to_string();
    assert_eq!(from_signature_tag(listed.as_bytes()).verdicts, [Verdict::Malformed]);
    let mut text = payload(&image());
    text["critical"]["image"]["docker-manifest-digest"] = json!(format!("sha512:{}", "0a".repeat(64)));
    let text = text.to_string();
    assert_eq!(judge_legacy(&text, &signed_by(&sign(text.as_bytes()))), Verdict::PayloadMismatch);
}

#[test]
fn strange_annotations_hide_nothing() {
    let text = payload(&image()).to_string();
    let mut annotations = signed_by(&sign(text.as_bytes()));
    annotations["number"] = json!(1);
    annotations["object"] = json!({"a": []});
    assert_eq!(judge_legacy(&text, &annotations), Verdict::Verified);
}

/// A quarter of the largest manifest, since this is not optimised.
const BYTES: usize = MANIFEST_BYTES / 4;

#[test]
fn long_lists_and_deep_nesting_cost_little() {
    let many = |item: &str, name: &str| {
        format!(r#"{{"{name}":[{}]}}"#, vec![item; BYTES / (item.len() + 1) - 10].join(","))
    };
    let small = descriptor("application/vnd.dev.cosign.simplesigning.v1+json").to_string();
    let deep = "[".repeat(BYTES);
    let start = Instant::now();
    for text in [
        many("{}", "layers"),
        many("1", "layers"),
        many(&small, "layers"),
        many(&small, "manifests"),
        many("{}", "manifests"),
        deep,
    ] {
        let layers = from_signature_tag(text.as_bytes());
        let referrer = from_referrer(text.as_bytes(), &image());
        let referrers =
            Index::parse(text.as_bytes()).map(|index| ordered(index.manifests)).unwrap_or_default();
        for found in
            [layers.candidates.len(), layers.verdicts.len(), referrer.candidates.len(), referrers.len()]
        {
            assert!(found <= LIST_ITEMS, "{found}");
        }
    }
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let deep = format!(r#"{{"critical":{}"#, "{\"a\":".repeat(10_000));
    assert_eq!(judge_legacy(&deep, &signed_by("AAAA")), Verdict::Malformed);
}

#[test]
fn what_is_left_out_of_a_long_list_is_said() {
    let listed = format!(r#"{{"layers":[{}]}}"#, vec!["1"; LIST_ITEMS + 1].join(","));
    assert_eq!(from_signature_tag(listed.as_bytes()).verdicts, [Verdict::Malformed, Verdict::TooLarge]);
}

#[test]
fn candidates_are_ordered_by_what_they_say_of_themselves() {
    let referrer = |number: u8, predicate: Option<&str>, created: Option<&str>| Descriptor {
        media_type: String::new(),
        digest: Digest::of(&[number]),
        size: 1,
        artifact_type: None,
        annotations: [
            ("dev.sigstore.bundle.predicateType", predicate),
            ("org.opencontainers.image.created", created),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect::<BTreeMap<_, _>>(),
    };
    let signature = Some("https://sigstore.dev/cosign/sign/v1");
    let sbom = Some("https://spdx.dev/Document");
    let found = ordered(vec![
        referrer(0, None, None),
        referrer(1, sbom, Some("2026-03-01T00:00:00Z")),
        referrer(2, signature, Some("2026-01-01T00:00:00Z")),
        referrer(3, signature, Some("2026-02-01T00:00:00Z")),
        referrer(4, signature, None),
        referrer(5, None, None),
    ]);
    let order: Vec<_> = found.iter().map(|referrer| referrer.digest).collect();
    assert_eq!(order, [3, 2, 4, 1, 5, 0].map(|number| Digest::of(&[number])));
}

proptest! {
    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(from_signature_tag(&bytes).candidates.is_empty());
        prop_assert!(from_referrer(&bytes, &image()).candidates.is_empty());
        let text = String::from_utf8_lossy(&bytes);
        prop_assert_ne!(judge_bundle(&text), Verdict::Verified);
        prop_assert_ne!(judge_legacy(&text, &signed_by(&sign(text.as_bytes()))), Verdict::Verified);
    }
}
