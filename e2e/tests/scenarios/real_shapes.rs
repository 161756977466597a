//! The manifests of examples/real-shapes: their table is what `check` says, and what the API server's own Pod Security
//! admission says.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use gatewright_e2e::fixtures::LEVELS;
use gatewright_e2e::manifests::labelled_namespace;
use gatewright_e2e::{Cluster, Options, SOON, operator, paths, until};
use kube::Client;
use serde_json::{Value, json};

use crate::verdicts::{Answer, ask};

const FOLDER: &str = "examples/real-shapes";

/// How many files there must be.
const LEAST: usize = 60;

/// How many requests are under way at a time.
const CONCURRENCY: usize = 12;

/// Whether a file passes, by its name.
type Verdicts = BTreeMap<String, bool>;

/// What the table says for a level.
fn table(level: &str) -> Result<Verdicts> {
    let text = std::fs::read_to_string(paths::repository().join(FOLDER).join("README.md"))?;
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ["));
    let column = 2 + LEVELS.iter().position(|known| *known == level).context("no level")?;
    rows.map(|row| {
        let cells: Vec<_> = row.split(" | ").map(|cell| cell.trim_end_matches(" |")).collect();
        let name = cells[0].split(']').next().unwrap_or_default();
        let verdict = *cells.get(column).with_context(|| row.to_owned())?;
        ensure!(["passes", "refused"].contains(&verdict), "{row}");
        Ok((name.to_owned(), verdict == "passes"))
    })
    .collect()
}

/// The manifests by the names of their files, without the items of lists around them.
fn objects() -> Result<BTreeMap<String, Vec<Value>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(paths::repository().join(FOLDER))? {
        let path = entry?.path();
        if path.extension().is_none_or(|end| end != "yaml") {
            continue;
        }
        let documents: Vec<Value> = serde_saphyr::from_multiple(&std::fs::read_to_string(&path)?)?;
        let items = |document: Value| match document["items"].as_array() {
            Some(items) => items.clone(),
            None => vec![document],
        };
        found.insert(name(&path), documents.into_iter().flat_map(items).collect());
    }
    Ok(found)
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The Pod that an object is, or that its controller makes of its template. What must exist for the API server to take a
/// Pod is left out: the standards do not look at it.
fn pod(object: &Value) -> Option<Value> {
    let (metadata, spec) = match object["kind"].as_str()? {
        "Pod" => (&object["metadata"], &object["spec"]),
        "CronJob" => template(&object["spec"]["jobTemplate"]),
        _ => template(object),
    };
    let mut spec = spec.clone();
    spec.as_object_mut()?.remove("serviceAccountName");
    add_claims(&mut spec, object);
    let annotations = metadata["annotations"].clone();
    Some(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"annotations": annotations}, "spec": spec}))
}

/// A StatefulSet's Pods have volumes of its claims.
fn add_claims(spec: &mut Value, object: &Value) {
    let claims = object["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    let names = claims.map(|claim| &claim["metadata"]["name"]);
    let volumes: Vec<_> =
        names.map(|name| json!({"name": name, "persistentVolumeClaim": {"claimName": name}})).collect();
    if !volumes.is_empty() {
        let own = spec["volumes"].as_array().cloned().unwrap_or_default();
        spec["volumes"] = json!([own, volumes].concat());
    }
}

fn template(object: &Value) -> (&Value, &Value) {
    let template = &object["spec"]["template"];
    (&template["metadata"], &template["spec"])
}

#[test]
fn the_table_is_what_check_says() -> Result<()> {
    for level in LEVELS {
        let mut check = std::process::Command::new(operator::binary()?);
        let labels = format!("shop:security.deckhouse.io/pod-policy={level}");
        check.args([
            "check",
            "-f",
            FOLDER,
            "-o",
            "json",
            "--namespace",
            "shop",
            "--namespace-labels",
            &labels,
        ]);
        let output = check.current_dir(paths::repository()).output()?;
        let report: Value = serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))?;
        let mut found = Verdicts::new();
        for result in report["results"].as_array().context("no results")? {
            let file = name(Path::new(result["source"]["file"].as_str().context("no file")?));
            *found.entry(file).or_insert(true) &= result["verdict"] == "pass";
        }
        ensure!(found.len() >= LEAST, "{} files", found.len());
        same(level, "check", &found)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_security_admission_says_the_same() -> Result<()> {
    let options = Options { gatekeepers: vec![], ..Options::new("test-real-shapes") };
    Cluster::run(options, async |cluster| {
        let client = cluster.client().await?;
        for level in LEVELS {
            let namespace = labelled_namespace(level, &json!({"pod-security.kubernetes.io/enforce": level}));
            cluster.put(&namespace).await?;
            taken(&client, level).await?;
            same(level, "Pod Security admission", &judged(&client, level).await?)?;
        }
        Ok(())
    })
    .await
}

/// Waits until a namespace takes Pods.
async fn taken(client: &Client, level: &str) -> Result<()> {
    let context = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let good = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {},
        "spec": {
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "app", "image": "app", "securityContext": context}],
        },
    });
    until("Pods are taken", SOON, async || Ok(ask(client, level, &good).await? == Answer::Admitted)).await
}

async fn judged(client: &Client, level: &str) -> Result<Verdicts> {
    let objects = objects()?;
    let pods =
        objects.iter().flat_map(|(file, objects)| objects.iter().filter_map(pod).map(move |pod| (file, pod)));
    let asked: Vec<_> = stream::iter(pods)
        .map(async |(file, pod)| Ok::<_, anyhow::Error>((file, ask(client, level, &pod).await?)))
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let (mut found, mut invalid) = (Verdicts::new(), vec![]);
    for (file, answer) in asked {
        let passes = answer == Answer::Admitted;
        if let Answer::Invalid(why) = answer {
            invalid.push(format!("{file}: {why}"));
        }
        *found.entry(file.clone()).or_insert(true) &= passes;
    }
    ensure!(invalid.is_empty(), "the API server does not take:\n{}", invalid.join("\n"));
    Ok(found)
}

fn same(level: &str, who: &str, found: &Verdicts) -> Result<()> {
    let table = table(level)?;
    let differ: Vec<_> = table.iter().filter(|(file, passes)| found.get(*file) != Some(passes)).collect();
    ensure!(differ.is_empty(), "{level}: {who} says otherwise of {differ:?}");
    ensure!(table.len() == found.len(), "{level}: {} files, {} rows", found.len(), table.len());
    let refused = found.values().filter(|passes| !**passes).count();
    ensure!(refused > 20 && found.len() - refused > 15, "{level}: {refused} of {} are refused", found.len());
    Ok(())
}
