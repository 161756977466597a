//! The real verifier between real Gatekeeper and a real registry with what real cosign signed.

mod fixtures;
mod registries;
mod stock;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use gatewright_compiler::Settings;
use gatewright_e2e::manifests::{namespace, pod, policy};
use gatewright_e2e::signatures::{
    Answer, Asker, PROBES, VERIFIER, Verifier, Workshop, docker_config, refusal,
};
use gatewright_e2e::{Cluster, SOON, Scenario, until};
use gatewright_signatures::Class;
use serde_json::{Value, json};

use super::changes;
use registries::{CANARY, Registries, Row, WRONG};

/// The policies: the same entries under each action, in a namespace of its own.
const ACTIONS: [(&str, &str); 3] = [("deny", "Deny"), ("warn", "Warn"), ("dryrun", "Dryrun")];

pub(super) struct Scene<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) asker: Asker,
    pub(super) workshop: &'a Workshop,
    pub(super) settings: &'a Settings,
    pub(super) plain: String,
}

impl Scene<'_> {
    /// What is said to a Pod with this image, once its check is finished.
    pub(super) async fn judge(&self, namespace: &str, image: &str) -> Result<Answer> {
        let mut pod = pod(namespace, "tried");
        pod["spec"]["containers"][0]["image"] = json!(image);
        let deadline = Instant::now() + SOON;
        loop {
            let answer = self.asker.tries(&pod).await?;
            let said = format!("{}{}", answer.message, answer.warnings);
            if !said.contains(Class::InProgress.row().words) || Instant::now() > deadline {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Puts a policy and its constraint, as the operator would.
    pub(super) async fn enforce(&self, policy: &Value) -> Result<String> {
        self.cluster.put(policy).await?;
        self.cluster.enforces_signatures(policy, self.settings).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_images_are_admitted_and_no_others() -> Result<()> {
    let made = tokio::task::spawn_blocking(stock::make);
    let namespaces = ACTIONS.map(|(name, _)| namespace(name));
    Scenario::run(Scenario::new("test-signed").without_operator().objects(namespaces), async |cluster| {
        let begun = Instant::now();
        let registries = Registries::start(made.await??, cluster).await?;
        println!("images are made and signed after {:?} more", begun.elapsed());
        let verifier = Verifier::prepare(cluster)?;
        let settings = verifier.settings(&registries.settings())?;
        cluster.install_signatures(&settings, &verifier.pair.certificate).await?;
        verifier.start(cluster).await?;
        let scene = Scene {
            cluster,
            asker: Asker(cluster.client().await?),
            workshop: &registries.stock.workshop,
            settings: &settings,
            plain: registries.plain.host(),
        };
        for (name, action) in ACTIONS {
            let matches = json!({"namespaceSelector": {"matchNames": [name]}});
            let rules = json!({"verifyImageSignatures": registries.entries()?});
            let mut policy = policy("SecurityPolicy", name, &matches, &rules);
            policy["spec"]["enforcementAction"] = json!(action);
            scene.enforce(&policy).await?;
        }
        let fixtures = registries.stock.fixtures.judge(&scene);
        let (table, fixtures, changes) =
            tokio::join!(table(&scene, &registries), fixtures, changes::run(&scene));
        table.context("the table")?;
        fixtures.context("the fixtures")?;
        changes.context("changes")?;
        changes::only_gatekeeper_may_ask(cluster, &verifier).await.context("who may ask")?;
        nothing_shows_a_password(cluster).await.context("passwords")
    })
    .await
}

async fn table(scene: &Scene<'_>, registries: &Registries) -> Result<()> {
    let rows = registries.rows()?;
    let mut wrong = vec![];
    for (image, class) in &rows {
        for (name, action) in ACTIONS {
            let answer = scene.judge(name, image).await?;
            if let Err(error) = is_right(action, name, image, *class, &answer) {
                wrong.push(format!("{name} {image}, {class:?}: {error:#}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    recorded(scene.cluster, &rows)
}

fn is_right(action: &str, name: &str, image: &str, class: Option<Class>, answer: &Answer) -> Result<()> {
    let Some(class) = class else { return answer.passes() };
    let says = refusal(name, image, class.row().words, "");
    let says = says.trim_end_matches(" ()");
    match action {
        "Deny" => answer.refuses(says),
        "Warn" => {
            ensure!(answer.is_yes() && answer.warnings.contains(says), "not {says:?}: {answer:?}");
            Ok(())
        }
        _ => answer.passes(),
    }
}

/// What passes under Dryrun is written down.
fn recorded(cluster: &Cluster, rows: &[Row]) -> Result<()> {
    let log = std::fs::read_to_string(cluster.log("gatekeeper-0"))?;
    for (image, class) in rows {
        let found = log.lines().any(|line| {
            line.contains("\"constraint_name\":\"dryrun\"") && line.contains(&format!("failed: {image}: "))
        });
        ensure!(found == class.is_some(), "{image}, {class:?}");
    }
    Ok(())
}

/// The password of a registry stands in no log, metric, status or constraint, in whatever form.
async fn nothing_shows_a_password(cluster: &Cluster) -> Result<()> {
    let mut shown = vec![];
    for entry in std::fs::read_dir(cluster.logs())? {
        let path = entry?.path();
        shown
            .push((path.display().to_string(), String::from_utf8_lossy(&std::fs::read(&path)?).into_owned()));
    }
    ensure!(shown.iter().any(|(name, _)| name.contains(VERIFIER)), "no log of the verifier");
    let (_, metrics) = cluster.ask_replica(PROBES, "/metrics").await?;
    ensure!(metrics.contains("gatewright_signature_outcomes_total{class=\"unauthorized\"}"), "{metrics}");
    shown.push(("metrics".to_owned(), metrics));
    let constraints = cluster.get(&["d8verifyimagesignatures"]).await?.to_string();
    ensure!(constraints.contains("\"credentials\":true"), "{constraints}");
    shown.push(("constraints".to_owned(), constraints));
    for password in [CANARY, WRONG] {
        let forms = [password.to_owned(), docker_config(&[("x", "robot", password)])];
        for (name, text) in &shown {
            // Of base64 its beginning depends on what stands before.
            ensure!(!text.contains(&forms[0]), "{name} shows a password");
            ensure!(!text.contains(&forms[1][forms[1].len() - 24..]), "{name} shows a docker config");
        }
    }
    Ok(())
}

/// Waits until a Pod with this image is answered so, and returns how long that took.
pub(super) async fn becomes(scene: &Scene<'_>, image: &str, says: &str, most: Duration) -> Result<Duration> {
    let begun = Instant::now();
    until(&format!("{image}: {says:?}"), most, async || {
        let answer = scene.judge("changes", image).await?;
        if says.is_empty() {
            answer.passes()?;
        } else {
            answer.refuses(says)?;
        }
        Ok(true)
    })
    .await?;
    Ok(begun.elapsed())
}
