//! Signatures of images with the operator, which keeps template, Provider, certificate and constraints, and the verifier.

mod rotation;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use gatewright_e2e::Condition;
use gatewright_e2e::manifests::{namespace, security_policy};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::signatures::{
    Answer, Asker, Format, Front, Manners, VERIFIER, Verifier, Workshop, docker_config,
};
use gatewright_e2e::{Cluster, Options, SOON, Scenario, until};
use serde_json::{Value, json};

const POLICY: &str = "securitypolicy/signed";
const SYSTEM: &str = "gatewrightstatus/cluster";
const CONSTRAINT: &str = "d8verifyimagesignatures/signed";
const PROVIDER: &str = "provider.externaldata.gatekeeper.sh/gatewright-verifier";
const TEMPLATE: &str = "constrainttemplate/d8verifyimagesignatures";

/// What must be in no output, log, event, metric, constraint and status.
const CANARY: &str = "canary-7f3c9d";

/// A cluster with an operator that verifies signatures, the verifier, and a registry with signed images.
struct Stage<'a> {
    cluster: &'a Cluster,
    workshop: &'a Workshop,
    /// In front of the registry.
    front: Front,
    verifier: Verifier,
    asker: Asker,
}

impl Stage<'_> {
    fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.front.host())
    }

    async fn tries(&self, image: &str) -> Result<Answer> {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried", "namespace": "shop"},
            "spec": {"containers": [{"name": "app", "image": image}]},
        });
        self.asker.tries(&pod).await
    }

    /// Waits until an image passes. Returns how long that took.
    async fn passes(&self, what: &str, image: &str, limit: Duration) -> Result<Duration> {
        let begun = Instant::now();
        until(what, limit, async || self.tries(image).await?.passes().map(|()| true)).await?;
        Ok(begun.elapsed())
    }

    /// Waits until an image is refused, saying this. Returns how long that took.
    async fn refuses(&self, what: &str, image: &str, says: &str, limit: Duration) -> Result<Duration> {
        let begun = Instant::now();
        until(what, limit, async || self.tries(image).await?.refuses(says).map(|()| true)).await?;
        Ok(begun.elapsed())
    }

    /// The policy, with this key, and something else that keeps it from being valid if that is wanted.
    fn policy(&self, key: &str, more: &Value) -> Result<Value> {
        let mut policies = json!({"verifyImageSignatures": [{
            "reference": format!("{}/*", self.front.host()), "publicKeys": [self.workshop.key(key)?],
            "dockerCfg": docker_config(&[(&self.front.host(), "user", CANARY)]),
        }]});
        if let (Some(policies), Some(more)) = (policies.as_object_mut(), more.as_object()) {
            policies.extend(more.clone());
        }
        Ok(security_policy("signed", &policies))
    }
}

const UNSIGNED: &str = "it has no cosign signature";
const OTHER_KEY: &str = "it is signed, but by no key of the policy";

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_keeps_what_verifies_signatures() -> Result<()> {
    let workshop = Workshop::new("verified-images", &["right", "other"])?;
    for (image, key) in [("right:1", "right"), ("other:1", "other"), ("late:1", ""), ("kept:1", "right")] {
        workshop.image(image, image)?;
        if !key.is_empty() {
            workshop.sign(image, key, Format::Bundle, false)?;
        }
    }
    let options = Options { audit_interval: 3, ..Options::new("test-verified") };
    let scenario = Scenario::on(options).without_operator().objects([namespace("shop"), namespace("quiet")]);
    Scenario::run(scenario, async |cluster| {
        let front = Front::start(workshop.registry.port(), good_manners()).await?;
        let verifier = Verifier::awaiting(cluster)?;
        let registries = json!([{"host": front.host(), "insecure": true}]);
        cluster.install_verifier().await?;
        let aged = rotation::aged_secret()?;
        cluster.put(&aged).await?;
        cluster.start_operator_with(&verifier.settings_text(&registries)?).await?;
        let mount = verifier.mount(cluster).await?;
        verifier.start(cluster).await?;
        cluster.condition(SYSTEM, Condition::yes("Verifier", "Answering", "")).await?;
        let asker = Asker(cluster.client().await?);
        let stage = Stage { cluster, workshop: &workshop, front, verifier, asker };
        a_policy_is_enforced(&stage).await?;
        keys_follow_the_policy(&stage).await?;
        a_late_signature_admits(&stage).await?;
        the_last_good_keys_stay(&stage).await?;
        nobody_needs_a_registry_to_edit_a_label(&stage).await?;
        what_goes_wrong_is_said(&stage).await?;
        rotation::without_a_refusal(&stage, &aged).await?;
        the_canary_is_nowhere(&stage).await?;
        switched_off_nothing_is_left(&stage).await?;
        drop(mount);
        Ok(())
    })
    .await
}

async fn a_policy_is_enforced(stage: &Stage<'_>) -> Result<()> {
    let Stage { cluster, .. } = stage;
    let begun = Instant::now();
    cluster.put(&stage.policy("right", &json!({"allowPrivileged": false}))?).await?;
    cluster.ready(POLICY).await?;
    println!("the policy is ready after {:.1?}", begun.elapsed());
    cluster.shows(POLICY, "/status/constraints/enforced", &json!(2)).await?;
    for object in [CONSTRAINT, PROVIDER] {
        let owners = cluster.get(&[object]).await?["metadata"]["ownerReferences"].take();
        ensure!(owners[0]["kind"] == "ClusterRole" && owners[1].is_null(), "{object}: {owners}");
    }
    stage.passes("a signed image is admitted", &stage.image("right:1"), SOON).await?;
    stage.refuses("another key is refused", &stage.image("other:1"), OTHER_KEY, SOON).await?;
    stage.refuses("no signature is refused", &stage.image("late:1"), UNSIGNED, SOON).await.map(drop)
}

/// A replaced key is in force in 5 s.
async fn keys_follow_the_policy(stage: &Stage<'_>) -> Result<()> {
    let Stage { cluster, .. } = stage;
    cluster.put(&stage.policy("other", &json!({}))?).await?;
    let limit = Duration::from_secs(20);
    let taken = stage.passes("the new key is in force", &stage.image("other:1"), limit).await?;
    let refused = stage.refuses("the old one is not", &stage.image("right:1"), OTHER_KEY, limit).await?;
    println!(
        "a replaced key is in force after {taken:.1?}, and the old one is not after {:.1?}",
        taken + refused
    );
    cluster.put(&stage.policy("right", &json!({}))?).await?;
    cluster.ready(POLICY).await?;
    stage.passes("the first key is in force again", &stage.image("right:1"), limit).await.map(drop)
}

/// Whoever signs after a refusal is admitted in 10 s.
async fn a_late_signature_admits(stage: &Stage<'_>) -> Result<()> {
    stage.refuses("it is not signed yet", &stage.image("late:1"), UNSIGNED, SOON).await?;
    stage.workshop.sign("late:1", "right", Format::Bundle, false)?;
    let limit = Duration::from_secs(40);
    let took = stage.passes("it is signed now", &stage.image("late:1"), limit).await?;
    println!("an image that was signed after its refusal is admitted after {took:.1?}");
    Ok(())
}

const BAD_KEY: &str = "-----BEGIN PUBLIC KEY-----";

/// A bad edit keeps the keys of the generation before, also over restarts of the operator and the verifier.
async fn the_last_good_keys_stay(stage: &Stage<'_>) -> Result<()> {
    let Stage { cluster, verifier, .. } = stage;
    let mut bad = stage.policy("other", &json!({}))?;
    bad["spec"]["policies"]["verifyImageSignatures"][0]["publicKeys"] = json!([BAD_KEY]);
    cluster.put(&bad).await?;
    let says = "spec.policies.verifyImageSignatures[0].publicKeys[0]: the PEM block cannot be read";
    cluster.condition(POLICY, Condition::no("Valid", "Invalid", says)).await?;
    for process in [OPERATOR, VERIFIER] {
        cluster.kill(process).await?;
        cluster.restart(process).await?;
    }
    cluster.condition(SYSTEM, Condition::yes("Verifier", "Answering", "")).await?;
    cluster.condition(POLICY, Condition::yes("Applied", "Applied", "last valid generation")).await?;
    stage.passes("the last good key admits", &stage.image("kept:1"), SOON).await?;
    stage.refuses("and no other", &stage.image("other:1"), OTHER_KEY, SOON).await?;
    // Once the operator has judged another bad edit, it knows what it keeps: nobody who edits the constraint is faster.
    bad["spec"]["policies"]["verifyImageSignatures"][0]["publicKeys"] = json!([BAD_KEY, BAD_KEY]);
    cluster.put(&bad).await?;
    let says = "spec.policies.verifyImageSignatures[0].publicKeys[1]: the PEM block cannot be read";
    cluster.condition(POLICY, Condition::no("Valid", "Invalid", says)).await?;
    let constraint = cluster.get(&[CONSTRAINT]).await?["spec"].take();
    cluster
        .patch(CONSTRAINT, "merge", &json!({"spec": {"parameters": {"covers": {"prefixes": []}}}}))
        .await?;
    cluster.restored("covers was emptied", CONSTRAINT, &constraint).await?;
    ensure!(verifier.port > 0);
    cluster.put(&stage.policy("right", &json!({}))?).await?;
    cluster.ready(POLICY).await
}

/// Label edits cost no call while the registry is down.
async fn nobody_needs_a_registry_to_edit_a_label(stage: &Stage<'_>) -> Result<()> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "runs", "namespace": "shop"},
        "spec": {"containers": [{"name": "app", "image": stage.image("right:1")}]},
    });
    stage.asker.creates(&pod).await?.passes()?;
    stage.front.behave(Manners { silent: true, ..Manners::default() });
    let before = stage.front.requests();
    let labelled =
        stage.asker.patches("shop", "runs", &json!({"metadata": {"labels": {"edited": "yes"}}})).await?;
    labelled.passes()?;
    ensure!(labelled.took < Duration::from_secs(2), "{labelled:?}");
    ensure!(stage.front.requests() == before, "a label edit asked the registry");
    stage.front.behave(good_manners());
    stage
        .cluster
        .kubectl_ok(&["delete", "pod/runs", "-n", "shop", "--grace-period=0", "--force"])
        .await
        .map(drop)
}

fn good_manners() -> Manners {
    Manners { login: Some(("user".to_owned(), CANARY.to_owned())), ..Manners::default() }
}

/// A verifier that is gone is said of the policy and of the system, and images are refused meanwhile.
async fn what_goes_wrong_is_said(stage: &Stage<'_>) -> Result<()> {
    let Stage { cluster, .. } = stage;
    cluster.kill(VERIFIER).await?;
    cluster.condition(SYSTEM, Condition::no("Verifier", "VerifierUnreachable", "")).await?;
    cluster.condition(POLICY, Condition::no("Enforced", "VerifierUnreachable", "")).await?;
    stage.refuses("nobody answers", &stage.image("kept:1"), "the verifier does not answer", SOON).await?;
    cluster.restart(VERIFIER).await?;
    cluster.condition(SYSTEM, Condition::yes("Verifier", "Answering", "")).await?;
    cluster.ready(POLICY).await?;
    let provider = cluster.get(&[PROVIDER]).await?["spec"].take();
    cluster.patch(PROVIDER, "merge", &json!({"spec": {"timeout": 3}})).await?;
    cluster.restored("the timeout was changed", PROVIDER, &provider).await?;
    stage.passes("all is well again", &stage.image("right:1"), SOON).await.map(drop)
}

async fn the_canary_is_nowhere(stage: &Stage<'_>) -> Result<()> {
    let Stage { cluster, .. } = stage;
    let mut seen = vec![];
    for name in [OPERATOR, VERIFIER, "gatekeeper-0"] {
        seen.push((name.to_owned(), std::fs::read_to_string(cluster.log(name))?));
    }
    let kinds = "d8verifyimagesignatures,d8securitypolicy,providers.externaldata.gatekeeper.sh,gatewrightstatus,events";
    seen.push((kinds.to_owned(), cluster.get(&[kinds, "-A"]).await?.to_string()));
    let policy = cluster.get(&[POLICY]).await?;
    seen.push(("the policy's status".to_owned(), policy["status"].to_string()));
    seen.push(("the operator's metrics".to_owned(), cluster.ask_replica(OPERATOR, "/metrics").await?.1));
    seen.push(("the verifier's metrics".to_owned(), stage.verifier.asks("/metrics").await?));
    let shown =
        |series: &str| seen.iter().any(|(what, text)| what.contains("operator's") && text.contains(series));
    ensure!(shown("gatewright_signature_certificate_not_after_seconds 1"), "no metric of the certificate");
    let config = docker_config(&[(&stage.front.host(), "user", CANARY)]);
    for (what, text) in &seen {
        ensure!(!text.is_empty(), "{what}: nothing was looked at");
        ensure!(!text.contains(CANARY) && !text.contains(&config), "{what} has the password");
    }
    Ok(())
}

async fn switched_off_nothing_is_left(stage: &Stage<'_>) -> Result<()> {
    let Stage { cluster, .. } = stage;
    let mut by_hand = cluster.get(&[CONSTRAINT]).await?;
    by_hand["metadata"] = json!({"name": "by-hand"});
    by_hand["spec"]["enforcementAction"] = json!("dryrun");
    cluster.put(&by_hand).await?;
    cluster.write_settings("{}")?;
    for object in [CONSTRAINT, PROVIDER] {
        cluster.gone(object).await?;
    }
    // With the template somebody else's constraint would go, so it waits for whom it names.
    let stays = "delete these D8VerifyImageSignatures: by-hand";
    cluster.condition(SYSTEM, Condition::yes("Verifier", "NotNeeded", stays)).await?;
    ensure!(cluster.exists(TEMPLATE).await?, "somebody else's constraint is gone");
    cluster.kubectl_ok(&["delete", "d8verifyimagesignatures/by-hand"]).await?;
    cluster.gone(TEMPLATE).await?;
    let secret = ["secret/gatewright-verifier-tls", "-n", "gatewright-system"];
    until("the Secret is gone", SOON, async || Ok(cluster.find(&secret).await?.is_null())).await?;
    cluster.condition(SYSTEM, Condition::yes("Verifier", "NotNeeded", "")).await?;
    cluster
        .condition(POLICY, Condition::no("Applied", "VerifierDisabled", "signatures.enabled is false"))
        .await?;
    stage.passes("nothing is verified any more", &stage.image("other:1"), SOON).await.map(drop)
}
