//! What went wrong elsewhere, and must not here. Each test is named after its advisory.

use super::{
    Arc, BUNDLE, Class, Digest, Ordering, REPOSITORY, SIMPLE, answer, bytes, check, check_by, counter, entry,
    layer, payload, sign, statement, with_image,
};

const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// A tag is resolved once: what is verified is what was resolved, whatever the tag names a moment later.
#[tokio::test]
async fn cve_2022_47633_a_tag_that_flips_is_resolved_once() {
    let (server, signed) = with_image().await;
    server.sign_legacy(&signed, 1);
    let evil = server.image("evil");
    assert_ne!(signed, evil);
    let stored = server.stored.lock().unwrap().clone();
    let (count, counted) = counter();
    let bytes_of = |digest: &Digest| stored[&format!("/v2/{REPOSITORY}/manifests/{digest}")].1.clone();
    let (good, bad) = (bytes_of(&signed), bytes_of(&evil));
    server.hook(move |seen| {
        let is_tag = seen.path.ends_with("/manifests/1");
        is_tag.then(|| {
            let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
            answer(200, &[], if first { bad.clone() } else { good.clone() })
        })
    });
    let checked = check(&server).await;
    assert_eq!((checked.class(), checked.judged.digest), (Class::Unsigned, Some(evil)));
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

/// The registry says which digest it sent: it is not believed.
#[tokio::test]
async fn cve_2023_47630_the_digest_header_of_a_registry_is_not_believed() {
    let (server, signed) = with_image().await;
    server.sign_legacy(&signed, 1);
    let claimed = signed.to_string();
    server.hook(move |seen| {
        let is_image = seen.path.ends_with("/manifests/1");
        is_image.then(|| answer(200, &[("docker-content-digest", claimed.as_str())], "{\"evil\":1}"))
    });
    let checked = check(&server).await;
    assert_eq!(checked.class(), Class::Unsigned);
    assert_eq!(checked.judged.digest, Some(Digest::of(b"{\"evil\":1}")));
    let by_digest = format!("@{signed}");
    let path = format!("/manifests/{signed}");
    server.hook(move |seen| seen.path.ends_with(&path).then(|| answer(200, &[], "{\"evil\":1}")));
    assert_eq!(check_by(&server, &by_digest, entry("*", 1)).await.class(), Class::NotFound);
}

/// Any attestation by the right key counted as a signature.
#[tokio::test]
async fn cve_2022_35929_an_attestation_is_no_signature() {
    for predicate in ["https://spdx.dev/Document", "https://slsa.dev/provenance/v1", "", "cosign"] {
        let (server, digest) = with_image().await;
        let bundle = sign::bundle(&statement(&digest, predicate), 1);
        server.list(&digest, &[server.referrer(&digest, BUNDLE, &bytes(&bundle))]);
        assert_eq!(check(&server).await.class(), Class::Unsigned, "{predicate}");
    }
}

/// A bundle whose statement is no statement, or about nothing.
#[tokio::test]
async fn cve_2026_39395_a_malformed_statement_does_not_count() {
    let (server, digest) = with_image().await;
    for (text, class) in [
        ("{}".to_owned(), Class::Malformed),
        ("null".to_owned(), Class::Malformed),
        (statement(&digest, SIGN).replace("Statement/v1", "Statement/v9"), Class::Malformed),
        (statement(&digest, SIGN).replace(&digest.hex(), ""), Class::PayloadMismatch),
        (statement(&digest, SIGN).replace("sha256", "sha512"), Class::PayloadMismatch),
    ] {
        let bundle = sign::bundle(&text, 1);
        server.list(&digest, &[server.referrer(&digest, BUNDLE, &bytes(&bundle))]);
        assert_eq!(check(&server).await.class(), class, "{text}");
    }
}

/// `critical.type` was not looked at.
#[tokio::test]
async fn cve_2022_35930_the_type_of_a_payload_counts() {
    let (server, digest) = with_image().await;
    for (text, class) in [
        (payload(&digest).replace("cosign container image signature", "atomic"), Class::Unsigned),
        (payload(&digest).replace("cosign container image signature", ""), Class::Unsigned),
        ("{}".to_owned(), Class::Malformed),
        ("null".to_owned(), Class::Malformed),
    ] {
        server.blob(REPOSITORY, text.as_str());
        server.legacy(&digest, &[layer(&text, 1)]);
        assert_eq!(check(&server).await.class(), class, "{text}");
    }
}

/// A key within the bundle, or a certificate, is never used.
#[tokio::test]
async fn ghsa_fx35_mq7g_6g98_keys_in_a_bundle_are_not_used() {
    let (server, digest) = with_image().await;
    let mut bundle = sign::bundle(&statement(&digest, SIGN), 2);
    bundle["verificationMaterial"] =
        serde_json::json!({"publicKey": {"hint": "x", "rawBytes": sign::pem(2)}, "key": sign::pem(2)});
    server.list(&digest, &[server.referrer(&digest, BUNDLE, &bytes(&bundle))]);
    assert_eq!(check(&server).await.class(), Class::UnknownKey);

    let payload = payload(&digest);
    server.blob(REPOSITORY, payload.as_str());
    let mut foreign = layer(&payload, 2);
    for name in ["dev.sigstore.cosign/certificate", "dev.sigstore.cosign/bundle", "dev.sigstore.cosign/chain"]
    {
        foreign["annotations"][name] = sign::pem(2).into();
    }
    server.legacy(&digest, &[foreign]);
    assert_eq!(check(&server).await.class(), Class::UnknownKey);
}

/// A signature that is no signature, or several of which one is good.
#[tokio::test]
async fn cve_2022_36056_an_envelope_has_one_signature() {
    let (server, digest) = with_image().await;
    let good = sign::bundle(&statement(&digest, SIGN), 1);
    let signature = good["dsseEnvelope"]["signatures"][0].clone();
    for signatures in [
        serde_json::json!([]),
        serde_json::json!([signature, signature]),
        serde_json::json!([{"sig": ""}]),
        serde_json::json!([{"sig": "AAAA"}]),
        serde_json::json!(null),
    ] {
        let mut bundle = good.clone();
        bundle["dsseEnvelope"]["signatures"] = signatures.clone();
        server.list(&digest, &[server.referrer(&digest, BUNDLE, &bytes(&bundle))]);
        assert_ne!(check(&server).await.class(), Class::Verified, "{signatures}");
    }
}

/// Rekor entries and timestamps are not looked at: a foreign one neither helps nor harms.
#[tokio::test]
async fn cve_2026_22703_log_entries_are_ignored() {
    let (server, digest) = with_image().await;
    let mut bundle = sign::bundle(&statement(&digest, SIGN), 1);
    bundle["verificationMaterial"]["tlogEntries"] =
        serde_json::json!([{"logIndex": "1", "canonicalizedBody": "!"}]);
    bundle["verificationMaterial"]["timestampVerificationData"] =
        serde_json::json!({"rfc3161Timestamps": [{}]});
    server.list(&digest, &[server.referrer(&digest, BUNDLE, &bytes(&bundle))]);
    assert_eq!(check(&server).await.class(), Class::Verified);
}

/// Sizes of lists and manifests come from the registry.
#[tokio::test]
async fn cve_2023_46737_many_layers_and_referrers_are_bounded() {
    let (server, digest) = with_image().await;
    let payload = payload(&digest);
    server.blob(REPOSITORY, payload.as_str());
    let small = sign::descriptor(SIMPLE, payload.as_bytes());
    server.legacy(&digest, &vec![small; 20_000]);
    let checked = check(&server).await;
    assert_eq!(checked.class(), Class::Limit);
    assert!(checked.budget.requests() < 20, "{}", checked.budget.requests());
    let listed = sign::descriptor(sign::MANIFEST, payload.as_bytes());
    server.list(&digest, &vec![listed; 20_000]);
    let checked = check(&server).await;
    assert_eq!(checked.class(), Class::Limit);
    assert!(checked.budget.requests() <= 150, "{}", checked.budget.requests());
    assert!(checked.budget.bytes() < 16 << 20);
}

/// Kyverno#16435, Ratify 1.4, frostyard/snosi#332: a manifest without what is expected, a foreign last layer, and a
/// foreign bundle hide no good signature.
#[tokio::test]
async fn issue_16435_foreign_objects_hide_nothing() {
    let (server, digest) = with_image().await;
    let payload = payload(&digest);
    server.blob(REPOSITORY, payload.as_str());
    let strange =
        serde_json::json!({"mediaType": "application/octet-stream", "digest": "sha512:00", "size": -1});
    server.legacy(
        &digest,
        &[layer(&payload, 1), strange.clone(), serde_json::json!({}), serde_json::json!(null)],
    );
    let foreign = serde_json::json!({"mediaType": BUNDLE, "messageSignature": {}});
    server.list(&digest, &[strange, server.referrer(&digest, BUNDLE, &bytes(&foreign))]);
    assert_eq!(check(&server).await.class(), Class::Verified);
    let server = Arc::clone(&server);
    server.legacy(&digest, &[serde_json::json!({})]);
    assert_ne!(check(&server).await.class(), Class::Verified);
}
