//! What becomes of random objects: `explain` and `check` say beforehand what the API server answers, and, where it takes a
//! controller, what becomes of the Pods that the real controllers then create.

mod made;

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use gatewright_api::PolicyKind;
use gatewright_e2e::generate::{Random, deployables, objects, place, policies};
use gatewright_e2e::manifests::labelled_namespace;
use gatewright_e2e::operator::binary;
use gatewright_e2e::requests::{self, Answer};
use gatewright_e2e::{Cluster, Scenario};
use kube::Client;
use serde_json::{Value, json};

use crate::explain::{document, file, of_object, worst};

/// So many objects that the API server finds valid.
const OBJECTS: usize = 500;

/// At most as many are explained at once.
const EXPLAINED_AT_ONCE: usize = 100;

/// So many admitted controllers must have Pods that are refused, and so many Pods that run.
const OF_EACH: usize = 100;

const NAMESPACES: usize = 24;

/// What controllers are not judged by: it depends on what their Pods have in the end.
const OF_PODS: [&str; 8] = [
    "automountServiceAccountToken",
    "fsGroup",
    "requiredAnnotations",
    "requiredLabels",
    "requiredResources",
    "runAsGroup",
    "runAsUser",
    "supplementalGroups",
];

fn name_of(namespace: usize) -> String {
    format!("ns-{:02}", namespace % NAMESPACES)
}

/// Of four namespaces one has any policies; in the others controllers are mostly taken, and the Pods decide.
fn is_open(namespace: usize) -> bool {
    !namespace.is_multiple_of(4)
}

fn namespaces() -> Vec<Value> {
    let standard = |number: usize| match number % 4 {
        0 => ["restricted", "baseline", "privileged"][number / 4 % 3],
        1 => "baseline",
        _ => "privileged",
    };
    let labels = |number| json!({"security.deckhouse.io/pod-policy": standard(number)});
    (0..NAMESPACES).map(|number| labelled_namespace(&name_of(number), &labels(number))).collect()
}

/// Random policies of both kinds for each namespace.
fn random_policies(random: &mut Random) -> Result<Vec<Value>> {
    let mut all = vec![];
    for kind in PolicyKind::ALL {
        for number in 0..NAMESPACES {
            let mut policy = random_policy(random, *kind, is_open(number))?;
            policy["metadata"]["name"] = json!(format!("{}-{number:02}", kind.name().to_lowercase()));
            policy["spec"]["match"]["namespaceSelector"] = json!({"matchNames": [name_of(number)]});
            all.push(policy);
        }
    }
    Ok(all)
}

/// The next random policy; in an open namespace the next one that has something to say of Pods, and only that.
fn random_policy(random: &mut Random, kind: PolicyKind, open: bool) -> Result<Value> {
    loop {
        let mut policy = random.values(&policies(kind), 1)?.remove(0).named("random");
        if !open {
            return Ok(policy);
        }
        let rules = policy["spec"]["policies"].as_object_mut().context("no rules")?;
        rules.retain(|field, _| OF_PODS.contains(&field.as_str()));
        if !rules.is_empty() {
            policy["spec"]["enforcementAction"] = json!("Deny");
            return Ok(policy);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_random_objects_is_said_before() -> Result<()> {
    let low = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "low"}, "value": 1,
    });
    let scenario = Scenario::new("test-outcomes").objects(namespaces().into_iter().chain([low]));
    Scenario::run(scenario, async |cluster| {
        let mut random = Random::from_env()?;
        let policies = random_policies(&mut random)?;
        cluster.put_all(&policies).await?;
        cluster.kubectl_ok(&["label", "node", "--all", "disk=ssd"]).await?;
        cluster.all_ready("secpol,oppol").await?;
        let client = cluster.client().await?;
        let begun = Instant::now();
        let asked = ask(&client, &mut random).await?;
        println!("the API server answered in {:?}", begun.elapsed());
        let begun = Instant::now();
        let said = predictions(cluster, &policies, &asked).await?;
        println!("both commands answered in {:?}", begun.elapsed());
        verdicts_are_those_of_the_api_server(random.seed, &asked, &said)?;
        made::pods_fare_as_said(cluster, &client, random.seed, &asked, &said).await
    })
    .await
}

/// An object, and what the API server says of it.
struct Asked {
    object: Value,
    verdict: &'static str,
}

/// What both commands say of an object, and of the Pods that it creates.
struct Said {
    object: [&'static str; 2],
    pods_refused: [bool; 2],
}

/// Random objects by a dry run, until enough of them are valid.
async fn ask(client: &Client, random: &mut Random) -> Result<Vec<Asked>> {
    let mut asked = vec![];
    let mut number = 0;
    while asked.len() < OBJECTS {
        ensure!(number < 3 * OBJECTS, "only {} of {number} objects are valid", asked.len());
        let mut some = random.values(&deployables(), 92)?;
        some.extend(random.values(&objects(), 8)?);
        // Beside other objects a Namespace says where these stand.
        some.retain(|object| object["kind"] != "Namespace");
        for object in &mut some {
            place(object, &format!("o-{number}"), &name_of(number));
            number += 1;
        }
        let tries = some.iter().cloned().map(|object| {
            let client = client.clone();
            async move { requests::create(&client, &object, true).await }
        });
        let answers = requests::all(tries).await?;
        asked.extend(
            some.into_iter()
                .zip(answers)
                .filter_map(|(object, answer)| Some(Asked { object, verdict: verdict(&answer)? })),
        );
    }
    asked.truncate(OBJECTS);
    Ok(asked)
}

/// None for an object that is not valid.
fn verdict(answer: &Answer) -> Option<&'static str> {
    let said = answer.body["message"].as_str().unwrap_or_default();
    match answer.code {
        201 if answer.warnings.iter().any(|warning| warning.contains("\"[")) => Some("warn"),
        201 => Some("pass"),
        _ if said.contains("admission webhook \"validation.gatekeeper.sh\" denied") => Some("deny"),
        _ => None,
    }
}

async fn predictions(cluster: &Cluster, policies: &[Value], asked: &[Asked]) -> Result<Vec<Said>> {
    let objects: Vec<_> = asked.iter().map(|asked| asked.object.clone()).collect();
    let mut explained = vec![];
    for some in objects.chunks(EXPLAINED_AT_ONCE) {
        let path = file(cluster, some)?;
        let items = document(cluster, &["-f", &path]).await?["items"].take();
        explained.extend(items.as_array().context("no items")?.iter().cloned());
    }
    let checked = check(cluster, policies, &objects).await?;
    ensure!(explained.len() == objects.len() && checked.len() == objects.len(), "some are left out");
    let said = explained.iter().zip(&checked).map(|(explained, checked)| {
        let violations = || checked["violations"].as_array().into_iter().flatten();
        Said {
            object: [of_object(explained), worst(violations(), "object")],
            pods_refused: [explained["refusedLater"] == true, worst(violations(), "pod") == "deny"],
        }
    });
    Ok(said.collect())
}

/// What `check` says of the objects, without the cluster.
async fn check(cluster: &Cluster, policies: &[Value], objects: &[Value]) -> Result<Vec<Value>> {
    let all: Vec<_> = [policies, &namespaces(), objects].concat();
    let path = file(cluster, &all)?;
    let run =
        tokio::process::Command::new(binary()?).args(["check", "-o", "json", "-f", &path]).output().await?;
    let said: Value = serde_json::from_slice(&run.stdout)
        .with_context(|| String::from_utf8_lossy(&run.stderr).into_owned())?;
    let results = said["results"].as_array().context("no results")?.iter();
    Ok(results.filter(|result| result["object"]["kind"] != "Namespace").cloned().collect())
}

fn verdicts_are_those_of_the_api_server(seed: u64, asked: &[Asked], said: &[Said]) -> Result<()> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (Asked { object, verdict }, said) in asked.iter().zip(said) {
        let [explained, checked] = said.object;
        ensure!(
            explained == *verdict && checked == *verdict,
            "seed {seed}: the server says {verdict}, explain {explained}, check {checked}: {object}"
        );
        *counts.entry(verdict).or_default() += 1;
    }
    println!("seed {seed}: {counts:?}");
    ensure!(counts.len() == 3, "seed {seed}: {counts:?}");
    Ok(())
}
