//! Calls of Gatekeeper, against a registry of the test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewright_signatures::entry::ReadEntry;
use gatewright_signatures::protocol::{API_VERSION, Refusal};
use gatewright_signatures::{Class, Digest, Parameters};
use serde_json::{Value, json};

use super::Verifier;
use crate::demand::RegistryConfig;
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::testing::TestRegistry;
use crate::testing::sign::{entry, pem};

struct World {
    server: Arc<TestRegistry>,
    verifier: Verifier,
    revision: String,
}

/// What a call was answered: classes of what passes, and refusals, by image.
#[derive(Debug, Default)]
struct Answered {
    items: BTreeMap<String, (String, String)>,
    refusals: BTreeMap<String, Refusal>,
    took: Duration,
}

impl Answered {
    fn class(&self, image: &str) -> String {
        let refused = || self.refusals.get(image).map(|refusal| refusal.class.name().to_owned());
        self.items.get(image).map(|(class, _)| class.clone()).or_else(refused).unwrap_or_default()
    }
}

fn call(keys: &[Value]) -> Vec<u8> {
    let keys: Vec<_> = keys.iter().map(Value::to_string).collect();
    json!({"apiVersion": API_VERSION, "kind": "ProviderRequest", "request": {"keys": keys}})
        .to_string()
        .into()
}

impl World {
    async fn new(entries: impl FnOnce(&str) -> Vec<ReadEntry>) -> Self {
        let server = TestRegistry::start().await;
        let verifier = Verifier::new(Registry::new(server.settings()), Metrics::default());
        let entries = entries(&format!("{}/team/app", server.host()));
        let mut world = Self { server, verifier, revision: String::new() };
        world.revision = world.set(&entries);
        world
    }

    fn set(&self, entries: &[ReadEntry]) -> String {
        let parameters = Parameters::new("p", entries).unwrap();
        self.verifier.policies.set("p", &parameters, |_| None, &RegistryConfig::default());
        parameters.revision
    }

    fn name(&self, version: &str) -> String {
        format!("{}/team/app{version}", self.server.host())
    }

    fn key(&self, image: &str, wait: bool) -> Value {
        json!({"constraint": "p", "image": image, "revision": self.revision, "wait": wait, "window": 0})
    }

    async fn ask(&self, keys: &[Value]) -> Answered {
        let begun = Instant::now();
        let bytes = self.verifier.answer(&call(keys)).await.unwrap();
        let mut answered = Answered { took: begun.elapsed(), ..Answered::default() };
        let response: Value = serde_json::from_slice(&bytes).unwrap();
        for item in response["response"]["items"].as_array().unwrap() {
            let key: Value = serde_json::from_str(item["key"].as_str().unwrap()).unwrap();
            let text = |name: &str| item["value"][name].as_str().unwrap().to_owned();
            answered.items.insert(key["image"].as_str().unwrap().to_owned(), (text("class"), text("digest")));
        }
        if let Some(refusals) = response["response"]["systemError"].as_str() {
            answered.refusals = serde_json::from_str(refusals).unwrap();
        }
        answered
    }

    async fn class(&self, version: &str) -> String {
        let image = self.name(version);
        self.ask(&[self.key(&image, true)]).await.class(&image)
    }

    fn asked(&self) -> usize {
        self.server.paths().len()
    }
}

#[tokio::test]
async fn a_pass_is_remembered_and_costs_no_request() {
    let world = World::new(|reference| vec![entry(reference, 1)]).await;
    let digest = world.server.image("1");
    world.server.sign_legacy(&digest, 1);
    assert_eq!(world.class(":1").await, "verified");
    let asked = world.asked();
    let image = world.name(":1");
    for _ in 0..3 {
        let again = world.ask(&[world.key(&image, true)]).await;
        assert_eq!(again.items[&image], ("verified".to_owned(), digest.to_string()));
    }
    assert_eq!(world.class(&format!("@{digest}")).await, "verified");
    assert_eq!(world.asked(), asked, "{:?}", world.server.paths());
}

#[tokio::test]
async fn every_key_gets_its_own_answer() {
    let world = World::new(|reference| {
        let pinned = reference.replace("app", "pinned");
        vec![entry(reference, 1), ReadEntry::new(&pinned, &[pem(1)], None, true, false).unwrap()]
    })
    .await;
    let digest = world.server.image("1");
    let pinned = format!("{}/team/pinned:1", world.server.host());
    let images = [&world.name(":1"), "nginx", "a b", &pinned, &world.name(":none")];
    let mut keys: Vec<_> = images.iter().map(|image| world.key(image, true)).collect();
    keys.push(
        json!({"constraint": "q", "image": "q", "revision": world.revision, "wait": true, "window": 0}),
    );
    keys.push(json!({"constraint": "p", "image": "r", "revision": "0", "wait": true, "window": 0}));
    keys.push(json!("no key"));
    keys.push(keys[0].clone());
    let answered = world.ask(&keys).await;
    let classes: Vec<_> = images.iter().map(|image| answered.class(image)).collect();
    assert_eq!(classes, ["unsigned", "not-covered", "invalid-name", "digest-required", "not-found"]);
    assert_eq!(
        (answered.class("q"), answered.class("r")),
        ("unknown-policy".into(), "unknown-policy".into())
    );
    assert_eq!((answered.items.len(), answered.refusals.len()), (1, 6));
    let unsigned = &answered.refusals[images[0]];
    assert_eq!(
        (&unsigned.text, &unsigned.digest),
        (&"it has no cosign signature".into(), &digest.to_string())
    );
    assert_eq!(unsigned.reference, world.name(""));
    assert!(answered.took >= Duration::from_millis(200) && answered.took < Duration::from_millis(600));
}

#[tokio::test]
async fn entries_that_cover_an_image_are_all_demanded() {
    let world = World::new(|reference| vec![entry(reference, 1), entry("*", 2)]).await;
    let digest = world.server.image("1");
    world.server.sign_legacy(&digest, 1);
    let image = world.name(":1");
    let answered = world.ask(&[world.key(&image, true)]).await;
    assert_eq!(
        (answered.class(&image).as_str(), answered.refusals[&image].reference.as_str()),
        ("unknown-key", "*")
    );
    let referrer = world.server.signed_referrer(&digest, 2);
    world.server.list(&digest, &[referrer]);
    tokio::time::sleep(Duration::from_millis(5_100)).await;
    assert_eq!(world.class(":1").await, "verified");
}

#[tokio::test]
async fn a_signature_after_a_refusal_is_seen_in_five_seconds() {
    let world = World::new(|reference| vec![entry(reference, 1)]).await;
    let digest = world.server.image("1");
    assert_eq!(world.class(":1").await, "unsigned");
    world.server.sign_legacy(&digest, 1);
    let asked = world.asked();
    assert_eq!(world.class(":1").await, "unsigned");
    assert_eq!(world.asked(), asked, "a refusal is remembered for 5 s");
    tokio::time::sleep(Duration::from_millis(5_100)).await;
    assert_eq!(world.class(":1").await, "verified");
}

#[tokio::test]
async fn another_key_in_the_entry_is_another_question() {
    let mut world = World::new(|reference| vec![entry(reference, 1)]).await;
    let digest = world.server.image("1");
    world.server.sign_legacy(&digest, 1);
    assert_eq!(world.class(":1").await, "verified");
    let old = world.revision.clone();
    world.revision = world.set(&[entry(&world.name(""), 2)]);
    assert_eq!(world.class(":1").await, "unknown-key");
    world.revision = old;
    assert_eq!(world.class(":1").await, "verified", "a key is judged by the entries of its own revision");
}

#[tokio::test]
async fn a_hundred_calls_are_one_check() {
    let world = World::new(|reference| vec![entry(reference, 1)]).await;
    let digest = world.server.image("1");
    world.server.sign_legacy(&digest, 1);
    let image = world.name(":1");
    let keys = [world.key(&image, true)];
    futures::future::join_all((0..100).map(|_| world.ask(&keys))).await;
    let manifests = world.server.paths().iter().filter(|path| path.ends_with("/manifests/1")).count();
    assert_eq!(manifests, 1);
    assert_eq!(world.class(":1").await, "verified");
}

#[tokio::test]
async fn silent_registries_cost_half_a_second_once() {
    let world = World::new(|_| vec![entry("*", 1)]).await;
    world.server.hook(|_| Some(TestRegistry::dripping(Duration::from_mins(1))));
    let image = world.name(":1");
    let first = world.ask(&[world.key(&image, true)]).await;
    assert_eq!(first.class(&image), "in-progress");
    assert!(
        first.took >= Duration::from_millis(450) && first.took < Duration::from_millis(700),
        "{:?}",
        first.took
    );
    let again = world.ask(&[world.key(&image, true)]).await;
    assert_eq!(again.class(&image), "in-progress");
    assert!(
        again.took < Duration::from_millis(100),
        "a check that runs is not waited for again: {:?}",
        again.took
    );
    tokio::time::sleep(Duration::from_secs(4)).await;
    for version in [":1", ":2", ":3"] {
        let image = world.name(version);
        let after = world.ask(&[world.key(&image, true)]).await;
        assert_eq!(after.class(&image), "unreachable");
        assert!(after.took < Duration::from_millis(100), "{:?}", after.took);
    }
    assert_eq!(world.asked(), 1);
}

/// Two silent registries and fifty images of each: all calls together wait about as long as two, and whoever asks about
/// another registry has the answer at once.
#[tokio::test]
async fn fifty_hanging_checks_delay_nobody() {
    let (silent, good) = (World::new(|_| vec![]).await, World::new(|_| vec![]).await);
    let other = TestRegistry::start().await;
    let mut settings = good.server.settings();
    for server in [&silent.server, &other] {
        server.hook(|_| Some(TestRegistry::dripping(Duration::from_mins(1))));
        settings.registries.extend(server.settings().registries);
    }
    let digest = good.server.image("1");
    good.server.sign_legacy(&digest, 1);
    let mut world = World { verifier: Verifier::new(Registry::new(settings), Metrics::default()), ..good };
    world.revision = world.set(&[entry("*", 1)]);
    let begun = Instant::now();
    for number in 0..50 {
        for server in [&silent.server, &other] {
            let image = format!("{}/team/app:{number}", server.host());
            let answered = world.ask(&[world.key(&image, true)]).await;
            assert!(["in-progress", "unreachable"].contains(&answered.class(&image).as_str()));
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let image = world.name(":1");
    let first = world.ask(&[world.key(&image, true)]).await;
    assert!(first.took < Duration::from_millis(500), "{:?}", first.took);
    // Where the others have used up all waiting, it is the next call that has the answer.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.ask(&[world.key(&image, true)]).await.class(&image), "verified");
}

#[tokio::test]
async fn audit_never_waits_and_is_content_with_what_is_older() {
    let world = World::new(|reference| vec![entry(reference, 1)]).await;
    world.server.image("1");
    let image = world.name(":1");
    let audit = [world.key(&image, false)];
    let first = world.ask(&audit).await;
    assert_eq!(first.class(&image), "in-progress");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.ask(&audit).await.class(&image), "unsigned");
    let asked = world.asked();
    tokio::time::sleep(Duration::from_millis(5_100)).await;
    assert_eq!(world.ask(&audit).await.class(&image), "unsigned");
    assert_eq!(world.asked(), asked, "audit must not eat a registry's rate limit");
    assert_eq!(world.class(":1").await, "unsigned");
    assert!(world.asked() > asked, "an admission wants to know it anew");
}

/// A tag that moves is looked at again after its time: with HEAD while it holds, and never passed when it moved.
#[tokio::test]
async fn a_tag_is_looked_at_again_with_head() {
    let world = World::new(|reference| vec![entry(reference, 1)]).await;
    let digest = world.server.image("1");
    world.server.sign_legacy(&digest, 1);
    assert_eq!(world.class(":1").await, "verified");
    let image = Arc::new(gatewright_signatures::Image::parse(&world.name(":1")).unwrap());
    let demand = world.verifier.policies.demands("p", &world.revision).unwrap()[0].clone();
    let question = world.verifier.checks.question(&image, &demand);
    let before = world.asked();
    let judged = world.verifier.checks.check(&question).await;
    assert_eq!((judged.digest, judged.result), (Some(digest), Ok(())));
    assert_eq!(world.server.paths()[before..], ["HEAD /v2/team/app/manifests/1"]);
    let moved = world.server.manifest("team/app", Some("1"), "x", "moved");
    let judged = world.verifier.checks.check(&question).await;
    assert_eq!(judged.digest.map(|digest| digest.to_string()), Some(moved));
    assert_eq!(judged.result, Err(Class::Unsigned.plain()));
    assert_eq!(judged.digest, Some(Digest::of(b"moved")));
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let world = World::new(|reference| vec![entry(reference, 1)]).await;
    for body in ["", "{}", "[]", "null", "{\"request\":{\"keys\":[1]}}"] {
        assert!(world.verifier.answer(body.as_bytes()).await.is_err(), "{body}");
    }
    let long = "x".repeat(3_900);
    let keys: Vec<_> = (0..256).map(|number| world.key(&format!("{long} {number}"), true)).collect();
    let bytes = world.verifier.answer(&call(&keys)).await.unwrap();
    assert!(bytes.len() <= crate::bounds::ANSWER_BYTES, "{}", bytes.len());
    let response: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(response["response"]["items"], json!([]));
}
