//! Checks against a registry that behaves, and against those that do not.

mod advisories;
mod fixtures;
mod hostile;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatewright_signatures::entry::ReadEntry;
use gatewright_signatures::{Class, Digest, Image};
use serde_json::Value;

use super::{Check, Judged, Step, Trace};
use crate::bounds;
use crate::registry::{Budget, Registry};
use crate::testing::sign::{self, BUNDLE, REPOSITORY, SIMPLE, demand, entry, layer, payload, statement};
use crate::testing::{TestRegistry, answer};

/// What a check came to, and what it cost.
struct Checked {
    judged: Judged,
    steps: Vec<Step>,
    budget: Budget,
}

impl Checked {
    fn class(&self) -> Class {
        self.judged.result.as_ref().map_or_else(|failure| failure.class, |()| Class::Verified)
    }

    fn text(&self) -> String {
        self.judged.result.as_ref().map_or_else(gatewright_signatures::Failure::text, |()| String::new())
    }
}

/// Checks an image of the registry by an entry.
async fn check_by(server: &TestRegistry, version: &str, entry: ReadEntry) -> Checked {
    let registry = Registry::new(server.settings());
    let image = Image::parse(&format!("{}/{REPOSITORY}{version}", server.host())).unwrap();
    let (demand, budget, trace) = (demand(entry, None), Budget::default(), Trace::kept());
    let check = Check { registry: &registry, demand: &demand, budget: &budget, trace: &trace };
    let judged = check.judge(&image).await;
    Checked { judged, steps: trace.steps(), budget }
}

/// Checks the tag `1` by the key 1.
async fn check(server: &TestRegistry) -> Checked {
    check_by(server, ":1", entry(&format!("{}/{REPOSITORY}", server.host()), 1)).await
}

/// A registry with an image that has the tag `1`.
async fn with_image() -> (Arc<TestRegistry>, Digest) {
    let server = TestRegistry::start().await;
    let digest = server.image("1");
    (server, digest)
}

#[tokio::test]
async fn a_legacy_signature_verifies() {
    let (server, digest) = with_image().await;
    server.sign_legacy(&digest, 1);
    let checked = check(&server).await;
    assert_eq!(checked.judged, Judged { digest: Some(digest), result: Ok(()) });
    // Docker Hub counts GETs of manifests: the image, the tag of signatures, and at most the list.
    assert!(checked.budget.requests() <= 4, "{:?}", server.paths());
}

#[tokio::test]
async fn a_bundle_verifies_by_the_list_and_by_the_tag() {
    for by_tag in [false, true] {
        let (server, digest) = with_image().await;
        let referrer = server.signed_referrer(&digest, 1);
        let list = if by_tag { TestRegistry::list_by_tag } else { TestRegistry::list };
        list(&server, &digest, &[referrer]);
        assert_eq!(check(&server).await.class(), Class::Verified, "{by_tag}");
        let other = check_by(&server, ":1", entry("*", 2)).await;
        assert_eq!(other.class(), Class::UnknownKey, "{by_tag}");
    }
}

#[tokio::test]
async fn the_tag_is_asked_where_the_list_has_no_good_one() {
    for status in [400, 404, 405, 406] {
        let (server, digest) = with_image().await;
        let referrer = server.signed_referrer(&digest, 1);
        server.list_by_tag(&digest, &[referrer]);
        server.hook(move |seen| seen.path.contains("/referrers/").then(|| answer(status, &[], "")));
        assert_eq!(check(&server).await.class(), Class::Verified, "{status}");
    }
    let (server, digest) = with_image().await;
    server.list(&digest, &[]);
    server.list_by_tag(&digest, &[server.signed_referrer(&digest, 1)]);
    assert_eq!(check(&server).await.class(), Class::Verified);
    server.store(&format!("/v2/{REPOSITORY}/referrers/{digest}"), "text/html", "<html>");
    assert_eq!(check(&server).await.class(), Class::Verified);
}

#[tokio::test]
async fn every_class_is_told_apart() {
    let (server, digest) = with_image().await;
    let checked = check(&server).await;
    assert_eq!((checked.class(), checked.text().as_str()), (Class::Unsigned, "it has no cosign signature"));
    assert_eq!(checked.judged.digest, Some(digest));
    let places: Vec<_> = checked.steps.iter().map(|step| step.place.as_str()).collect();
    assert_eq!(places.len(), 4, "the image and three places: {places:?}");

    assert_eq!(check_by(&server, ":2", entry("*", 1)).await.class(), Class::NotFound);
    server.sign_legacy(&digest, 2);
    assert_eq!(check(&server).await.class(), Class::UnknownKey);

    let moved = server.image("2");
    let foreign = payload(&digest);
    server.blob(REPOSITORY, foreign.as_str());
    server.legacy(&moved, &[layer(&foreign, 1)]);
    assert_eq!(check_by(&server, ":2", entry("*", 1)).await.class(), Class::PayloadMismatch);

    server.hook(|_| Some(answer(403, &[], "")));
    assert_eq!(check(&server).await.class(), Class::Unauthorized);
    server.hook(|_| Some(answer(500, &[], "")));
    assert_eq!(check(&server).await.class(), Class::Unreachable);
    server.hook(|_| Some(answer(429, &[], "")));
    assert_eq!(check(&server).await.class(), Class::RateLimited);
}

#[tokio::test]
async fn unsigned_is_said_only_where_every_place_answered() {
    for (place, status, class) in [
        (".sig", 500, Class::Unreachable),
        (".sig", 403, Class::Unauthorized),
        (".sig", 401, Class::Unauthorized),
        ("/referrers/", 503, Class::Unreachable),
        ("/referrers/", 403, Class::Unauthorized),
        ("/manifests/sha256-", 401, Class::Unauthorized),
        ("/manifests/sha256-", 405, Class::Unreachable),
        ("/blobs/", 500, Class::Unreachable),
    ] {
        let (server, digest) = with_image().await;
        server.sign_legacy(&digest, 2);
        server.hook(move |seen| seen.path.contains(place).then(|| answer(status, &[], "")));
        let checked = check(&server).await;
        assert_eq!(checked.class(), class, "{place} {status}");
        assert!(checked.text().len() <= bounds::TEXT_BYTES);
    }
}

#[tokio::test]
async fn what_is_not_answered_hides_no_good_signature() {
    let (server, digest) = with_image().await;
    server.list(&digest, &[server.signed_referrer(&digest, 1)]);
    server.hook(|seen| seen.path.contains(".sig").then(|| answer(500, &[], "")));
    assert_eq!(check(&server).await.class(), Class::Verified);
    let (server, digest) = with_image().await;
    server.sign_legacy(&digest, 1);
    server.hook(|seen| seen.path.contains("/referrers/").then(|| answer(500, &[], "")));
    assert_eq!(check(&server).await.class(), Class::Verified);
}

#[tokio::test]
async fn one_good_signature_among_fifty_bad_ones_is_enough() {
    let (server, digest) = with_image().await;
    let good = payload(&digest);
    server.blob(REPOSITORY, good.as_str());
    let mut layers = vec![layer(&good, 1)];
    layers.extend((2..52).map(|number| layer(&good, number)));
    server.legacy(&digest, &layers);
    let mut referrers: Vec<_> = (2..42).map(|number| server.signed_referrer(&digest, number)).collect();
    server.list(&digest, &referrers);
    assert_eq!(check(&server).await.class(), Class::Verified);
    let fetched =
        server.paths().iter().filter(|path| path.contains(&Digest::of(good.as_bytes()).to_string())).count();
    assert_eq!(fetched, 1, "equal blobs are fetched once");

    server.legacy(&digest, &layers[1..]);
    assert_eq!(check(&server).await.class(), Class::UnknownKey);
    referrers.insert(25, server.signed_referrer(&digest, 1));
    server.list(&digest, &referrers);
    assert_eq!(check(&server).await.class(), Class::Verified);
}

#[tokio::test]
async fn cve_2024_29903_more_than_a_hundred_candidates_are_a_limit() {
    let (server, digest) = with_image().await;
    let payload = payload(&digest);
    server.blob(REPOSITORY, payload.as_str());
    let layers = |count: u8| (0..count).map(|number| layer(&payload, 2 + number)).collect::<Vec<_>>();
    server.legacy(&digest, &layers(100));
    assert_eq!(check(&server).await.class(), Class::UnknownKey);
    server.legacy(&digest, &layers(101));
    let checked = check(&server).await;
    assert_eq!(checked.text(), "it exceeds a limit: more than 100 signatures");
}

#[tokio::test]
async fn an_index_and_a_platform_are_signed_each_for_itself() {
    let server = TestRegistry::start().await;
    let platform = server.image("amd64");
    let listed = serde_json::json!({"mediaType": sign::MANIFEST, "digest": platform, "size": 1});
    let index: Digest =
        server.manifest(REPOSITORY, Some("1"), sign::INDEX, sign::index(&[listed])).parse().unwrap();
    server.sign_legacy(&index, 1);
    assert_eq!(check(&server).await.class(), Class::Verified);
    assert_eq!(check_by(&server, &format!("@{index}"), entry("*", 1)).await.class(), Class::Verified);
    assert_eq!(check_by(&server, &format!("@{platform}"), entry("*", 1)).await.class(), Class::Unsigned);
}

#[tokio::test]
async fn any_key_of_the_entry_is_enough() {
    let (server, digest) = with_image().await;
    server.sign_legacy(&digest, 2);
    let both = ReadEntry::new("*", &[sign::pem(1), sign::pem(2)], None, false, false).unwrap();
    assert_eq!(check_by(&server, ":1", both).await.class(), Class::Verified);
}

#[tokio::test]
async fn credentials_that_are_missing_are_never_replaced_by_none() {
    let (server, digest) = with_image().await;
    server.sign_legacy(&digest, 1);
    let reference = format!("{}/{REPOSITORY}", server.host());
    let private = ReadEntry::new(&reference, &[sign::pem(1)], None, false, true).unwrap();
    let checked = check_by(&server, ":1", private).await;
    assert_eq!(checked.class(), Class::Unauthorized);
    assert!(checked.text().contains("dockerCfg"), "{}", checked.text());
    assert!(server.paths().is_empty());
}

#[tokio::test]
async fn mirrors_are_asked_in_order_until_one_has_the_signature() {
    let (image_only, digest) = with_image().await;
    let (signed, _) = with_image().await;
    signed.sign_legacy(&digest, 1);
    let mut settings = image_only.settings();
    settings.registries.push(signed.settings().registries[0].clone());
    settings.registries.push(crate::registry::RegistryEntry {
        host: "registry.invalid".into(),
        mirrors: vec![image_only.host(), signed.host()],
        ..Default::default()
    });
    let registry = Registry::new(settings);
    let image = Image::parse("registry.invalid/team/app:1").unwrap();
    let (demand, budget, trace) = (demand(entry("*", 1), None), Budget::default(), Trace::dropped());
    let check = Check { registry: &registry, demand: &demand, budget: &budget, trace: &trace };
    assert_eq!(check.judge(&image).await, Judged { digest: Some(digest), result: Ok(()) });
    assert!(signed.paths().iter().all(|path| !path.ends_with("/manifests/1")), "the first resolves");
}

/// Counts what a hook saw.
fn counter() -> (Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    (count.clone(), count)
}

fn bytes(value: &Value) -> String {
    value.to_string()
}
