//! The controllers are created, and their Pods come or are refused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::requests::{self, create, remove};
use gatewright_e2e::{Cluster, SOON, until};
use kube::Client;
use serde_json::{Value, json};

use super::{Asked, OF_EACH, Said};

/// So many are created at a time.
const AT_A_TIME: usize = 70;

const CONTROLLERS: [&str; 6] =
    ["CronJob", "DaemonSet", "Deployment", "Job", "ReplicationController", "StatefulSet"];

/// What became of the Pods of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Made,
    Refused,
    /// By something that is not Gatekeeper.
    NotMade,
}

type Fates = BTreeMap<String, Fate>;

/// Creates the controllers that the API server takes, and compares what becomes of their Pods with what both commands said.
pub async fn pods_fare_as_said(
    cluster: &Cluster,
    client: &Client,
    seed: u64,
    asked: &[Asked],
    said: &[Said],
) -> Result<()> {
    let begun = Instant::now();
    let is_admitted = |asked: &Asked| {
        asked.verdict != "deny" && CONTROLLERS.iter().any(|kind| asked.object["kind"] == *kind)
    };
    let admitted: Vec<_> = asked.iter().zip(said).filter(|(asked, _)| is_admitted(asked)).collect();
    let mut fates = Fates::new();
    for some in admitted.chunks(AT_A_TIME) {
        let objects: Vec<_> = some.iter().map(|(asked, _)| &asked.object).collect();
        fates.extend(fates_of(client, &objects).await?);
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (Asked { object, .. }, said) in &admitted {
        let fate = fates[name(object)];
        *counts.entry(format!("{fate:?}")).or_default() += 1;
        ensure!(
            fate == Fate::NotMade || said.pods_refused == [fate == Fate::Refused; 2],
            "seed {seed}: Pods are {fate:?}, refused by explain and check: {:?}: {object}",
            said.pods_refused
        );
    }
    println!(
        "seed {seed}: {} controllers are admitted, their Pods in {:?}: {counts:?}",
        admitted.len(),
        begun.elapsed()
    );
    let count = |fate: Fate| counts.get(&format!("{fate:?}")).copied().unwrap_or_default();
    ensure!(count(Fate::Refused) >= OF_EACH && count(Fate::NotMade) * 20 < admitted.len(), "{counts:?}");
    until("enough Pods run", SOON, async || Ok(running(client).await?.len() >= OF_EACH))
        .await
        .with_context(|| cluster.end_of_log("kube-scheduler"))
}

/// Creates controllers, and waits for what becomes of their Pods. Those whose Pods are refused go again: they would try for
/// ever.
async fn fates_of(client: &Client, objects: &[&Value]) -> Result<Fates> {
    let tasks = objects.iter().map(|object| begin(client.clone(), (*object).clone()));
    let refused_jobs: Fates = requests::all(tasks).await?.into_iter().flatten().collect();
    let look_again = async || -> Result<Fates> {
        let seen = look(client).await?;
        Ok(seen.into_iter().chain(refused_jobs.clone()).collect())
    };
    until("all controllers have Pods, or are refused them", SOON, async || {
        let fates = look_again().await?;
        let left = objects.iter().map(|object| name(object)).filter(|name| !fates.contains_key(*name));
        let left: Vec<_> = left.collect();
        ensure!(left.is_empty(), "{left:?}");
        Ok(true)
    })
    .await?;
    let mut fates = look_again().await?;
    fates.retain(|of, _| objects.iter().any(|object| name(object) == of));
    let refused = objects.iter().filter(|object| fates.get(name(object)) != Some(&Fate::Made));
    let tasks = refused.map(|object| {
        let (client, object) = (client.clone(), (*object).clone());
        async move { remove(&client, &object).await }
    });
    requests::all(tasks).await?;
    Ok(fates)
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Creates a controller; a CronJob with a Job from it, as `kubectl create job --from` makes one. Says whether the Job was
/// refused.
async fn begin(client: Client, object: Value) -> Result<Option<(String, Fate)>> {
    let made = create(&client, &object, false).await?;
    ensure!(made.code == 201, "{}: {made:?}", name(&object));
    if object["kind"] != "CronJob" {
        return Ok(None);
    }
    let owner = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "name": name(&object), "uid": made.body["metadata"]["uid"],
        "controller": true,
    });
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": format!("{}-job", name(&object)), "namespace": object["metadata"]["namespace"],
            "annotations": {"cronjob.kubernetes.io/instantiate": "manual"}, "ownerReferences": [owner],
        },
        "spec": object["spec"]["jobTemplate"]["spec"],
    });
    let made = create(&client, &job, false).await?;
    let fate = fate(made.body["message"].as_str().unwrap_or_default());
    Ok((made.code != 201).then(|| (name(&object).to_owned(), fate)))
}

/// By what is said of something that was not made.
fn fate(said: &str) -> Fate {
    if said.contains("admission webhook \"validation.gatekeeper.sh\" denied") {
        Fate::Refused
    } else {
        Fate::NotMade
    }
}

/// Looks at all Pods, and at the events about those that were refused.
async fn look(client: &Client) -> Result<Fates> {
    let mut fates = Fates::new();
    let events = requests::get(client, "/api/v1/events?fieldSelector=reason%3DFailedCreate").await?;
    for event in events["items"].as_array().into_iter().flatten() {
        let about = event["involvedObject"]["name"].as_str().unwrap_or_default();
        fates.entry(owner(about)).or_insert_with(|| fate(event["message"].as_str().unwrap_or_default()));
    }
    let pods = requests::get(client, "/api/v1/pods").await?;
    for pod in pods["items"].as_array().into_iter().flatten() {
        fates.insert(owner(name(pod)), Fate::Made);
    }
    Ok(fates)
}

/// The controllers that have a Pod that runs, or that ran to its end.
async fn running(client: &Client) -> Result<BTreeSet<String>> {
    let pods = requests::get(client, "/api/v1/pods").await?;
    let runs = |pod: &&Value| pod["status"]["phase"] == "Running" || pod["status"]["phase"] == "Succeeded";
    let pods = pods["items"].as_array().into_iter().flatten().filter(runs);
    Ok(pods.map(|pod| owner(name(pod))).filter(|name| name.starts_with("o-")).collect())
}

/// `o-17` of `o-17-5d8f…-x2x4z`.
fn owner(name: &str) -> String {
    name.split('-').take(2).collect::<Vec<_>>().join("-")
}
