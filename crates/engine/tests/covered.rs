//! An image that the template does not ask about is covered by no entry: whatever its name is, and whatever the entries
//! are. Here the two readings of names meet, that of the Rego and that of the verifier.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use gatewright_compiler::template;
use gatewright_engine::{Answer, EnforcementPoint, Engine, Options, Providers, Request};
use gatewright_rules::Template;
use gatewright_rules::verify_image_signatures::PROVIDER;
use gatewright_signatures::entry::{ReadEntry, covering};
use gatewright_signatures::protocol::Key;
use gatewright_signatures::{Image, Parameters};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

const P256: &str = include_str!("../../signatures/tests/fixtures/keys/p256.pub");
const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The images that were asked about.
#[derive(Debug, Default)]
struct Asked(Mutex<Vec<String>>);

impl Providers for Asked {
    fn knows(&self, provider: &str) -> bool {
        provider == PROVIDER
    }

    fn ask(&self, _: &str, keys: &[String]) -> Answer {
        let images = keys.iter().map(|key| Key::parse(key).map_or_else(|| "?".to_owned(), |key| key.image));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(images);
        Answer::Failed("no answer".into())
    }
}

/// Compiling the template takes longer than to ask it.
static ENGINE: LazyLock<Mutex<Engine>> = LazyLock::new(|| {
    let options =
        Options { point: EnforcementPoint::Gator, time_limit: Duration::from_mins(1), ..Options::default() };
    let mut engine = Engine::new(options);
    // Without it no constraint is taken.
    drop(engine.add_proven_template(&json!(template(Template::VerifyImageSignatures))));
    Mutex::new(engine)
});

/// The images of a Pod that the template asks about under a constraint with these entries.
fn asked(entries: &[ReadEntry], images: &[String]) -> Result<Vec<String>> {
    let mut engine = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
    engine.forget_constraints();
    let constraint = json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": Template::VerifyImageSignatures.kind(),
        "metadata": {"name": "p"},
        "spec": {"parameters": Parameters::new("p", entries)?},
    });
    engine.add_constraint(&constraint)?;
    let containers: Vec<_> = images.iter().map(|image| json!({"name": "a", "image": image})).collect();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": containers}});
    let asked = Arc::new(Asked::default());
    let providers: Arc<dyn Providers> = Arc::<Asked>::clone(&asked);
    engine.review_asking(&Request::create(pod), Some(&providers))?;
    let asked = asked.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    ensure!(!asked.contains(&"?".to_owned()), "a key cannot be read");
    Ok(asked)
}

const HOSTS: [&str; 14] = [
    "",
    "docker.io/",
    "index.docker.io/",
    "registry-1.docker.io/",
    "Docker.IO/",
    "r.io/",
    "R.io/",
    "r.io:443/",
    "r.io:5000/",
    "localhost/",
    "[::1]:5000/",
    "my_r.io/",
    "registry:443/",
    "docker.io:443/",
];
const PATHS: [&str; 10] =
    ["nginx", "library/nginx", "x", "xy/z", "team/app", "Team/app", "team/app2", "a__b/c-d", "a..b", "team/"];
const VERSIONS: [&str; 8] = ["", ":1", ":1.2", ":latest", ":", "@sha256:0", ":V_1", ":1.10"];

fn named() -> impl Strategy<Value = String> {
    let digest = prop_oneof![3 => Just(String::new()), 1 => Just(format!("@{DIGEST}"))];
    (select(&HOSTS[..]), select(&PATHS[..]), select(&VERSIONS[..]), digest)
        .prop_map(|(host, path, version, digest)| format!("{host}{path}{version}{digest}"))
}

fn image() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => named(),
        2 => "[a-zA-Z0-9./:@_é|\\[\\]\n -]{1,40}",
        1 => "[a-z0-9]{1,8}(/[a-z0-9._-]{1,8}){0,3}(:[a-z0-9]{1,5})?",
        1 => Just(DIGEST.to_owned()),
        1 => ("r.io/", 200..3000_usize).prop_map(|(host, length)| format!("{host}{}", "a".repeat(length))),
    ]
}

/// References that are one: of the names above with and without a star, and the star alone.
fn entry() -> impl Strategy<Value = Option<ReadEntry>> {
    let reference = prop_oneof![
        1 => Just("*".to_owned()),
        8 => (named(), any::<bool>(), 0..20_usize).prop_map(|(name, star, cut)| {
            let kept = name.len().saturating_sub(if star { cut } else { 0 });
            format!("{}{}", name.get(..kept).unwrap_or(&name), if star { "*" } else { "" })
        }),
    ];
    reference.prop_map(|reference| ReadEntry::new(&reference, &[P256], None, false, false).ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_not_asked_about_is_covered_by_no_entry(
        entries in prop::collection::vec(entry(), 1..6),
        images in prop::collection::vec(image(), 1..40),
    ) {
        let entries: Vec<_> = entries.into_iter().flatten().collect();
        let asked = asked(&entries, &images).map_err(|error| TestCaseError::fail(error.to_string()))?;
        for image in images.iter().filter(|image| !asked.contains(image)) {
            if let Ok(read) = Image::parse(image) {
                let covered: Vec<_> = covering(&entries, &read).map(|(_, it)| it.reference.to_string()).collect();
                prop_assert!(covered.is_empty(), "{image} is covered by {covered:?}");
            }
        }
    }
}

/// The property would hold of a template that asks about everything, and of references that cover nothing.
#[test]
fn some_images_are_asked_about_and_others_not() {
    let entries = [ReadEntry::new("r.io/team/*", &[P256], None, false, false).unwrap()];
    let images = ["r.io/team/app:1", "r.io/other:1", "R.io/other:1"].map(str::to_owned);
    assert_eq!(asked(&entries, &images).unwrap(), ["R.io/other:1", "r.io/team/app:1"]);
    assert!(covering(&entries, &Image::parse(&images[0]).unwrap()).next().is_some());
}
