//! Signatures of images through the real API server and real Gatekeeper.

mod cases;
mod changes;
mod others;
mod parity;
mod rego;
mod signed;
mod wrong;

use std::time::Duration;

use anyhow::Result;
use gatewright_compiler::Settings;
use gatewright_e2e::manifests::{namespace, policy};
use gatewright_e2e::signatures::{Answer, Asked, Asker, ScriptedProvider, answers, refusal};
use gatewright_e2e::{Cluster, Options, Scenario};
use gatewright_signatures::protocol::{Key, Outcome};
use gatewright_signatures::{Class, Digest};
use serde_json::{Value, json};

/// A key like any other.
const KEY: &str = include_str!("../../../crates/signatures/tests/fixtures/keys/p256.pub");

/// The digest of images that are said to be verified.
const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A cluster whose provider of external data is scripted.
struct Stage<'a> {
    cluster: &'a Cluster,
    provider: ScriptedProvider,
    settings: Settings,
    asker: Asker,
}

impl<'a> Stage<'a> {
    async fn new(cluster: &'a Cluster) -> Result<Self> {
        let provider = ScriptedProvider::start(cluster.port("verifier")?).await?;
        let text = json!({"signatures": {"enabled": true, "url": provider.url()}}).to_string();
        let settings = Settings::from_yaml(&text, "gatewright-system");
        let settings = settings.map_err(|invalid| anyhow::anyhow!("{invalid}"))?;
        cluster.install_signatures(&settings, provider.certificate()).await?;
        Ok(Self { cluster, provider, settings, asker: Asker(cluster.client().await?) })
    }

    /// Creates a Pod with these images in a dry run, in the namespace `shop`.
    async fn tries(&self, images: &[&str]) -> Result<Answer> {
        self.asker.tries(&pod_of("tried", images)).await
    }

    /// Answers by the class that an image has in its name: `r.io/team/unsigned:1`.
    fn script_by_name(&self) {
        self.provider.script(|asked| answers(asked, |key| outcome(class_in(key))));
    }
}

/// A Pod of the namespace `shop` with a container for each image: `c0`, `c1` and so on.
fn pod_of(name: &str, images: &[&str]) -> Value {
    let containers: Vec<_> = images
        .iter()
        .enumerate()
        .map(|(number, image)| json!({"name": format!("c{number}"), "image": image}))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"containers": containers},
    })
}

/// A policy for the namespace `shop` with an entry for each reference.
fn signed(name: &str, references: &[&str]) -> Value {
    let entries: Vec<_> =
        references.iter().map(|reference| json!({"reference": reference, "publicKeys": [KEY]})).collect();
    let matches = json!({"namespaceSelector": {"matchNames": ["shop"]}});
    policy("SecurityPolicy", name, &matches, &json!({"verifyImageSignatures": entries}))
}

fn class_in(key: &Key) -> Class {
    let name = key.image.rsplit('/').next().unwrap_or_default();
    Class::named(name.split([':', '@']).next().unwrap_or_default()).unwrap_or(Class::Verified)
}

fn outcome(class: Class) -> Outcome {
    match class {
        Class::Verified => Outcome::Verified(Digest::of(b"an image")),
        Class::NotCovered => Outcome::NotCovered,
        class => Outcome::Refused {
            failure: class.plain(),
            reference: Some("r.io/*".to_owned()),
            digest: Some(Digest::of(b"an image")),
        },
    }
}

/// What the message of a refused image says, for the policy `signed` and the first container.
fn refused(image: &str, words: &str) -> String {
    refusal("signed", image, words, "container \"c0\"")
}

const UNAVAILABLE: &str = "the verifier does not answer";

/// The template, Gatekeeper's engine and its cache, with a provider that answers by a table.
#[tokio::test(flavor = "multi_thread")]
async fn gatekeeper_asks_and_believes_only_a_pass() -> Result<()> {
    let scenario = Scenario::on(Options { audit_interval: 3, ..Options::new("test-signatures") });
    let scenario = scenario.without_operator().objects([namespace("shop")]);
    Scenario::run(scenario, async |cluster| {
        let stage = Stage::new(cluster).await?;
        let begun = std::time::Instant::now();
        cluster.enforces_signatures(&signed("signed", &["r.io/*", "nginx"]), &stage.settings).await?;
        println!("the constraint is in force after {:?}", begun.elapsed());
        rego::run(&stage).await?;
        wrong::run(&stage).await?;
        parity::run(&stage).await
    })
    .await
}

/// Whether these keys are about exactly these images, in any order.
fn about(asked: &[Asked], images: &[&str]) -> bool {
    let mut found: Vec<_> = asked.iter().map(|one| one.key.image.as_str()).collect();
    let mut expected = images.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    found == expected
}

/// Longer than the provider may take.
const TOO_LATE: Duration = Duration::from_millis(1_500);
