//! A registry that wants to be believed, to crash the check, or to fill its memory.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;

use super::{
    BUNDLE, Class, Digest, REPOSITORY, TestRegistry, answer, bounds, bytes, check, check_by, entry, layer,
    payload, sign, statement, with_image,
};

const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

#[tokio::test]
async fn blobs_and_manifests_that_are_not_what_was_named_do_not_count() {
    let (server, digest) = with_image().await;
    server.sign_legacy(&digest, 1);
    let path = format!("/v2/{REPOSITORY}/blobs/{}", Digest::of(payload(&digest).as_bytes()));
    server.store(&path, "x", payload(&digest).replace("somewhere", "elsewhere"));
    assert_eq!(check(&server).await.class(), Class::Malformed);
    let (server, digest) = with_image().await;
    let referrer = server.signed_referrer(&digest, 1);
    server.list(&digest, std::slice::from_ref(&referrer));
    let path = format!("/v2/{REPOSITORY}/manifests/{}", referrer["digest"].as_str().unwrap());
    let flipped = String::from_utf8(server.stored.lock().unwrap()[&path].1.clone()).unwrap() + " ";
    server.store(&path, "x", flipped);
    assert_eq!(check(&server).await.class(), Class::Malformed);
}

#[tokio::test]
async fn a_referrer_of_another_image_does_not_count() {
    let (server, digest) = with_image().await;
    let other = server.image("other");
    server.list(&digest, &[server.signed_referrer(&other, 1)]);
    assert_eq!(check(&server).await.class(), Class::Malformed);
    let bundle = sign::bundle(&statement(&other, SIGN), 1);
    server.list(&digest, &[server.referrer(&digest, BUNDLE, &bytes(&bundle))]);
    assert_eq!(check(&server).await.class(), Class::PayloadMismatch);
}

#[tokio::test]
async fn a_signature_tag_that_is_an_index_does_not_count() {
    let (server, digest) = with_image().await;
    let referrer = server.signed_referrer(&digest, 1);
    server.manifest(REPOSITORY, Some(&digest.signature_tag()), sign::INDEX, sign::index(&[referrer]));
    assert_eq!(check(&server).await.class(), Class::Malformed);
}

#[tokio::test]
async fn base64_has_the_standard_alphabet() {
    let (server, digest) = with_image().await;
    let payload = payload(&digest);
    server.blob(REPOSITORY, payload.as_str());
    let good = layer(&payload, 1);
    let signature = good["annotations"]["dev.cosignproject.cosign/signature"].as_str().unwrap().to_owned();
    for (written, class) in [
        (format!(" {signature}\n"), Class::Verified),
        (signature.replace('+', "-").replace('/', "_") + "-_", Class::Malformed),
        (signature.trim_end_matches('=').to_owned() + "A", Class::Malformed),
        (String::new(), Class::UnknownKey),
    ] {
        let mut layer = good.clone();
        layer["annotations"]["dev.cosignproject.cosign/signature"] = written.clone().into();
        server.legacy(&digest, &[layer]);
        assert_eq!(check(&server).await.class(), class, "{written:?}");
    }
}

#[rstest]
#[case::deep("[".repeat(1 << 20))]
#[case::deep_objects("{\"a\":".repeat(100_000))]
#[case::empty(String::new())]
#[case::null("null".to_owned())]
#[case::list("[]".to_owned())]
#[case::number("1e999".to_owned())]
#[case::not_utf8("\u{fffd}\u{0}".to_owned())]
#[case::strings(json!({"layers": "x", "manifests": 7}).to_string())]
#[case::both(json!({"layers": [], "manifests": []}).to_string())]
#[tokio::test]
async fn strange_json_is_no_signature_and_no_crash(#[case] text: String) {
    let (server, digest) = with_image().await;
    server.manifest(REPOSITORY, Some(&digest.signature_tag()), sign::MANIFEST, text.as_str());
    server.manifest(REPOSITORY, Some(&digest.referrers_tag()), sign::INDEX, text.as_str());
    server.store(&format!("/v2/{REPOSITORY}/referrers/{digest}"), sign::INDEX, text.as_str());
    assert_eq!(check(&server).await.class(), Class::Malformed);
    if text.len() > bounds::PAYLOAD_BYTES {
        return;
    }
    server
        .stored
        .lock()
        .unwrap()
        .retain(|path, _| !path.contains("sha256-") && !path.contains("/referrers/"));
    server.blob(REPOSITORY, text.as_str());
    server.legacy(&digest, &[layer(&text, 1)]);
    server.list(&digest, &[server.referrer(&digest, BUNDLE, &text)]);
    assert_eq!(check(&server).await.class(), Class::Malformed);
}

#[tokio::test]
async fn duplicate_names_do_not_count() {
    let (server, digest) = with_image().await;
    let twice = payload(&digest).replacen("{\"critical\"", "{\"critical\":{},\"critical\"", 1);
    server.blob(REPOSITORY, twice.as_str());
    server.legacy(&digest, &[layer(&twice, 1)]);
    assert_eq!(check(&server).await.class(), Class::Malformed);
    let twice = statement(&digest, SIGN).replacen("{\"_type\"", "{\"_type\":\"x\",\"_type\"", 1);
    let bundle = sign::bundle(&twice, 1);
    server.stored.lock().unwrap().retain(|path, _| !path.contains("sha256-"));
    server.list(&digest, &[server.referrer(&digest, BUNDLE, &bytes(&bundle))]);
    assert_eq!(check(&server).await.class(), Class::Malformed);
}

#[tokio::test]
async fn other_digests_are_not_followed() {
    let (server, digest) = with_image().await;
    let mut foreign = layer(&payload(&digest), 1);
    foreign["digest"] = format!("sha512:{}", "0".repeat(128)).into();
    server.legacy(&digest, &[foreign]);
    assert_eq!(check(&server).await.class(), Class::Malformed);
    let other = format!("@sha512:{}", "0".repeat(128));
    assert_eq!(check_by(&server, &other, entry("*", 1)).await.class(), Class::InvalidName);
}

#[tokio::test]
async fn sizes_are_refused_before_anything_is_fetched() {
    let (server, digest) = with_image().await;
    let mut large = layer(&payload(&digest), 1);
    large["size"] = (bounds::PAYLOAD_BYTES + 1).into();
    server.legacy(&digest, &[large]);
    let mut listed = server.signed_referrer(&digest, 1);
    listed["size"] = (bounds::MANIFEST_BYTES + 1).into();
    server.list(&digest, &[listed]);
    assert_eq!(check(&server).await.class(), Class::Limit);
    assert!(server.paths().iter().all(|path| !path.contains("/blobs/")), "{:?}", server.paths());
}

#[tokio::test]
async fn endless_answers_everywhere_cost_a_bounded_amount() {
    let (server, _) = with_image().await;
    let sent = server.sent.clone();
    server.hook(move |seen| (!seen.path.ends_with("/manifests/1")).then(|| TestRegistry::endless(&sent)));
    let checked = check(&server).await;
    assert_eq!(checked.class(), Class::Limit);
    assert!(checked.budget.bytes() <= 3 * bounds::MANIFEST_BYTES + (3 << 20), "{}", checked.budget.bytes());
}

#[tokio::test]
async fn a_link_loop_ends_and_what_was_listed_is_judged() {
    for number in [1, 2] {
        let (server, digest) = with_image().await;
        let page = sign::index(&[server.signed_referrer(&digest, number)]);
        server.hook(move |seen| {
            let link = format!("<{}>; rel=\"next\"", seen.path);
            let is_list = seen.path.contains("/referrers/");
            is_list.then(|| answer(200, &[("link", link.as_str())], page.clone()))
        });
        let checked = check(&server).await;
        let pages = server.paths().iter().filter(|path| path.contains("/referrers/")).count();
        assert_eq!(pages, bounds::REFERRERS_PAGES);
        let expected = if number == 1 { Class::Verified } else { Class::Limit };
        assert_eq!(checked.class(), expected, "{}", checked.text());
    }
}

#[tokio::test]
async fn a_registry_that_drips_is_given_up() {
    let (server, _) = with_image().await;
    server.hook(|seen| {
        let slow = seen.path.contains(".sig");
        slow.then(|| TestRegistry::dripping(Duration::from_secs(4)))
    });
    assert_eq!(check(&server).await.class(), Class::Unreachable);
}

#[tokio::test]
async fn no_text_of_a_registry_is_repeated() {
    let (server, digest) = with_image().await;
    let canary = "canary-text";
    let kind = format!("application/{canary}");
    let strange = json!({"mediaType": kind, "digest": digest, "size": 1, "annotations": {canary: canary}});
    server.legacy(&digest, std::slice::from_ref(&strange));
    server.list(&digest, std::slice::from_ref(&strange));
    server.hook(move |seen| {
        let is_tag = seen.path.ends_with(&digest.referrers_tag());
        let challenge = [("www-authenticate", "Canary-text realm=\"canary-text\"")];
        is_tag.then(|| answer(401, &challenge, "canary-text"))
    });
    let checked = check(&server).await;
    assert_eq!(checked.class(), Class::Unauthorized);
    let said = format!("{} {:?}", checked.text(), checked.steps);
    assert!(!said.to_lowercase().contains("canary"), "{said}");
}

#[tokio::test]
async fn a_hundred_thousand_layers_or_referrers_are_not_read_to_their_end() {
    let (server, digest) = with_image().await;
    let small = sign::descriptor(sign::SIMPLE, b"x");
    server.legacy(&digest, &vec![small.clone(); 100_000]);
    server.list(&digest, &vec![small; 100_000]);
    let checked = check(&server).await;
    assert_eq!(checked.class(), Class::Limit);
    assert!(checked.budget.bytes() <= 2 * bounds::MANIFEST_BYTES + (2 << 20), "{}", checked.budget.bytes());
    assert!(checked.budget.requests() <= 5, "{}", checked.budget.requests());
}

/// Many small, different referrers: the largest list that is read at all.
#[tokio::test]
async fn a_list_of_many_different_referrers_is_bounded() {
    let (server, digest) = with_image().await;
    let listed = |number: u32| json!({"digest": Digest::of(&number.to_be_bytes()), "size": 1});
    let all: Vec<_> = (0..30_000).map(listed).collect();
    server.list(&digest, &all);
    let checked = check(&server).await;
    assert_eq!(checked.class(), Class::Limit);
    assert!(checked.budget.requests() <= 120, "{}", checked.budget.requests());
    assert!(checked.budget.bytes() < 2 * bounds::MANIFEST_BYTES, "{}", checked.budget.bytes());
}
