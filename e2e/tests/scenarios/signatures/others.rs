//! Nobody else suffers: what registries and the verifier do costs no admission that has nothing to do with them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use gatewright_api::SecurityPolicy;
use gatewright_compiler::{Settings, compile};
use gatewright_e2e::manifests::{namespace, no_privileged, policy, privileged_pod};
use gatewright_e2e::signatures::{
    Answer, Asker, Front, Manners, Reply, ScriptedProvider, VERIFIER, Verifier,
};
use gatewright_e2e::{Cluster, FailurePolicy, Options, SOON, Scenario, until};
use gatewright_rules::Template;
use gatewright_signatures::Class;
use serde_json::{Value, json};

use super::{KEY, UNAVAILABLE, pod_of};
use crate::exec::UPSTREAM;

/// Requests of others, one after the other.
const PROBES: usize = 30;
/// How much slower others may be while checks hang, on a machine under load: four times what is promised.
const SLOWER: Duration = Duration::from_secs(4);
/// What the API server gives Gatekeeper before it lets a Pod pass.
const WEBHOOK: Duration = Duration::from_secs(3);

/// A request that is under way.
type Pending = tokio::task::JoinHandle<Result<Answer>>;

struct Scene<'a> {
    cluster: &'a Cluster,
    asker: Asker,
    verifier: Verifier,
    silent: [Front; 2],
    /// How long others took before anything went wrong, at most.
    usual: Duration,
}

impl Scene<'_> {
    /// An image at each of the silent registries.
    fn images(&self, name: &str) -> [String; 2] {
        self.silent.each_ref().map(|front| format!("{}/{name}:1", front.host()))
    }

    async fn tries(&self, name: &str) -> Result<Answer> {
        let images = self.images(name);
        self.asker.tries(&pod_of("tried", &[&images[0], &images[1]])).await
    }

    /// Many Pods at once, each with images of its own.
    fn many(&self, name: &str, count: usize) -> Vec<Pending> {
        let one = |number| {
            let images = self.images(&format!("{name}-{number}"));
            let asker = self.asker.clone();
            tokio::spawn(async move { asker.tries(&pod_of("tried", &[&images[0], &images[1]])).await })
        };
        (0..count).map(one).collect()
    }
}

/// A request that has nothing to do with signatures, and that a policy must refuse: one that Gatekeeper did not answer in
/// time would be let pass.
async fn probe(asker: &Asker) -> Result<Duration> {
    let answer = asker.tries(&privileged_pod("calm", "other")).await?;
    answer.refuses("[calm] allowPrivileged: container \"app\"")?;
    Ok(answer.took)
}

/// The longest of some probes.
async fn probes(asker: &Asker, count: usize) -> Result<Duration> {
    let mut longest = Duration::ZERO;
    for _ in 0..count {
        longest = longest.max(probe(asker).await?);
    }
    Ok(longest)
}

/// With silent registries, and upstream's settings of Gatekeeper, which answers as many requests at once as there are
/// processors.
#[tokio::test(flavor = "multi_thread")]
async fn silent_registries_cost_nobody_else() -> Result<()> {
    run("test-silent", vec![], async |scene| {
        two_silent_registries(scene).await.context("two silent registries")?;
        fifty_hanging_checks(scene).await.context("50 hanging checks")
    })
    .await
}

/// A verifier that takes connections and says nothing holds a thread of Gatekeeper for a second in every call: there must
/// be more of them than such calls.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_verifier_lets_nothing_pass() -> Result<()> {
    run("test-broken", vec!["--max-serving-threads=64".to_owned()], async |scene| {
        hung(scene).await.context("a verifier that hangs")?;
        gone(scene).await.context("a verifier that is gone")
    })
    .await
}

/// On a cluster where Pods pass that Gatekeeper does not answer about in time, with a policy for each silent registry.
async fn run(
    name: &str,
    gatekeeper: Vec<String>,
    scene: impl AsyncFnOnce(&Scene<'_>) -> Result<()>,
) -> Result<()> {
    let options = Options {
        failure_policy: FailurePolicy::Ignore,
        gatekeeper_arguments: gatekeeper,
        ..Options::new(name)
    };
    let scenario = Scenario::on(options).without_operator().objects([namespace("shop"), namespace("calm")]);
    Scenario::run(scenario, async |cluster| {
        let prepared = prepare(cluster).await?;
        println!("others: {:?} at most before anything goes wrong", prepared.usual);
        scene(&prepared).await
    })
    .await
}

async fn prepare(cluster: &Cluster) -> Result<Scene<'_>> {
    let silent = Manners { silent: true, ..Manners::default() };
    let silent = [Front::start(0, silent.clone()).await?, Front::start(0, silent).await?];
    let verifier = Verifier::prepare(cluster)?;
    let hosts: Value = silent.iter().map(|front| json!({"host": front.host(), "insecure": true})).collect();
    let settings = verifier.settings(&hosts)?;
    cluster.install_signatures(&settings, &verifier.pair.certificate).await?;
    verifier.start(cluster).await?;
    for (number, front) in silent.iter().enumerate() {
        let entry = json!({"reference": format!("{}/*", front.host()), "publicKeys": [KEY]});
        let matches = json!({"namespaceSelector": {"matchNames": ["shop"]}});
        let rules = json!({"verifyImageSignatures": [entry]});
        let policy = policy("SecurityPolicy", &format!("silent-{number}"), &matches, &rules);
        cluster.put(&policy).await?;
        cluster.enforces_signatures(&policy, &settings).await?;
    }
    calm(cluster, &settings).await?;
    let asker = Asker(cluster.client().await?);
    until("others are judged", SOON, async || probe(&asker).await.map(|_| true)).await?;
    let usual = probes(&asker, PROBES).await?;
    Ok(Scene { cluster, asker, verifier, silent, usual })
}

/// A policy that has nothing to do with signatures.
async fn calm(cluster: &Cluster, settings: &Settings) -> Result<()> {
    let matches = json!({"namespaceSelector": {"matchNames": ["calm"]}});
    let calm: SecurityPolicy =
        serde_json::from_value(policy("SecurityPolicy", "calm", &matches, &no_privileged()))?;
    let compiled = compile(&calm, settings).map_err(|invalid| anyhow::anyhow!("{invalid}"))?;
    cluster.put(&json!(gatewright_compiler::template(Template::SecurityPolicy))).await?;
    let constraint = json!(compiled.constraint.context("no constraint")?);
    until("the constraint of others is taken", SOON, async || cluster.put(&constraint).await.map(|()| true))
        .await
}

/// Both policies wait for their registry, and both together end before the API server loses its patience.
async fn two_silent_registries(scene: &Scene<'_>) -> Result<()> {
    for round in 0..3 {
        let answer = scene.tries(&format!("first-{round}")).await?;
        println!("two silent registries, round {round}: refused after {:?} (promised: 2 s)", answer.took);
        for policy in ["silent-0", "silent-1"] {
            answer.refuses(&format!("[{policy}] [verify-image-signatures]"))?;
        }
        ensure!(answer.took < WEBHOOK, "{answer:?}");
    }
    Ok(())
}

async fn fifty_hanging_checks(scene: &Scene<'_>) -> Result<()> {
    // On a busy machine the API server would give up after 3 seconds, and let pass: that is not asked here.
    let patient = json!([{"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 10}]);
    scene.cluster.patch(UPSTREAM, "json", &patient).await?;
    // A check is silent for 3 seconds; for 10 more the registries are known to be silent, and nobody asks them.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let (mut checks, mut others, begun) = (vec![], Duration::ZERO, Instant::now());
    // In the first seconds: then the registries are known to be silent.
    for wave in 0..3 {
        checks.extend(scene.many(&format!("hanging-{wave}"), 50));
        let end = begun + Duration::from_secs(wave + 1);
        while Instant::now() < end {
            others = others.max(probe(&scene.asker).await?);
        }
    }
    println!("others: {others:?} at most while checks hang, 50 more in each of three seconds");
    let answers = all_refused(checks, "[silent-0] [verify-image-signatures]").await?;
    let unfinished = Class::InProgress.row().words;
    let hanging = answers.iter().filter(|answer| answer.message.contains(unfinished)).count();
    println!(
        "{} are refused, {hanging} of them unfinished, after {:?} at most",
        answers.len(),
        longest(&answers)
    );
    ensure!(hanging >= 50, "only {hanging} checks were unfinished");
    ensure!(others < scene.usual + SLOWER, "others took {others:?}");
    Ok(())
}

/// That each is refused, saying this.
async fn all_refused(tasks: Vec<Pending>, says: &str) -> Result<Vec<Answer>> {
    let mut answers = vec![];
    for task in tasks {
        let answer = task.await??;
        answer.refuses(says)?;
        answers.push(answer);
    }
    Ok(answers)
}

fn longest(answers: &[Answer]) -> Duration {
    answers.iter().map(|answer| answer.took).max().unwrap_or_default()
}

/// Nothing is let pass while the verifier is stopped in its tracks.
async fn hung(scene: &Scene<'_>) -> Result<()> {
    scene.cluster.freeze(VERIFIER)?;
    let covered = scene.many("hung", 20);
    let others = probes(&scene.asker, PROBES * 2).await;
    let answers = all_refused(covered, UNAVAILABLE).await;
    scene.cluster.thaw(VERIFIER)?;
    let (others, longest) = (others?, longest(&answers?));
    println!(
        "a verifier that hangs: 20 are refused, after {longest:?} at most; others then {others:?} at most"
    );
    ensure!(others < scene.usual + SLOWER, "others took {others:?}");
    until("the verifier answers again", SOON, async || {
        let answer = scene.tries("thawed").await?;
        ensure!(!answer.message.contains(UNAVAILABLE), "{answer:?}");
        answer.refuses("[verify-image-signatures]").map(|()| true)
    })
    .await
}

/// Nothing is let pass while nobody is there, or somebody who answers garbage.
async fn gone(scene: &Scene<'_>) -> Result<()> {
    scene.cluster.kill(VERIFIER).await?;
    let answer = scene.tries("gone").await?;
    answer.refuses(UNAVAILABLE)?;
    println!("a verifier that is gone: refused after {:?}", answer.took);
    let garbage = ScriptedProvider::start_as(scene.verifier.port, scene.verifier.pair.clone()).await?;
    for text in ["garbage", "null", "{}"] {
        garbage.script(move |_| Reply::Text(200, text.to_owned()));
        scene.tries("garbage").await?.refuses(UNAVAILABLE)?;
        ensure!(!garbage.calls().is_empty(), "it was not asked");
    }
    garbage.stop().await;
    drop(garbage);
    scene.cluster.restart(VERIFIER).await?;
    let answer = scene.tries("back").await?;
    answer.refuses("[verify-image-signatures]")?;
    ensure!(!answer.message.contains(UNAVAILABLE), "{answer:?}");
    Ok(())
}
