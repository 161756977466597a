//! `gatewright migrate` in a cluster: what it says of policies, that what it writes out can be put in their place, and what it
//! says to somebody who may see little.

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::manifests::{labelled_namespace, operation_policy, policy};
use gatewright_e2e::{Cluster, Scenario};
use serde_json::{Value, json};

use crate::see::gatewright;

fn pod(name: &str, context: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"}, "spec": {
        "containers": [{"name": "app", "image": "registry.example.com/app:1", "securityContext": context}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_says_what_policies_mean_and_writes_out_what_they_meant() -> Result<()> {
    let shop = labelled_namespace("shop", &json!({"security.deckhouse.io/pod-policy": "privileged"}));
    let scenario = Scenario::new("test-migrate");
    let scenario = scenario.objects([
        shop,
        labelled_namespace("legacy", &json!({"pod-security.kubernetes.io/enforce": "restricted"})),
        pod("privileged", &json!({"privileged": true})),
        pod("plain", &json!({})),
    ]);
    Scenario::run(scenario, async |cluster| {
        let old = json!({"allowPrivilegeEscalation": true, "allowHostPID": false, "allowedHostPaths": []});
        let shop = json!({"namespaceSelector": {"matchNames": ["shop"]}});
        let plain = operation_policy("plain", &json!({"imagePullPolicy": "IfNotPresent"}));
        cluster.put_all(&[policy("SecurityPolicy", "old", &shop, &old), plain]).await?;
        cluster.all_ready("secpol,oppol").await?;
        policies_are_counted(cluster).await?;
        namespaces_are_named(cluster).await?;
        what_is_written_out_takes_their_place(cluster).await?;
        rights(cluster).await
    })
    .await
}

async fn document(cluster: &Cluster, arguments: &[&str], code: i32) -> Result<Value> {
    let output = gatewright(cluster, &[&["migrate", "-o", "json"], arguments].concat()).await?;
    ensure!(output.status.code() == Some(code), "{output:?}");
    Ok(serde_json::from_str(&output.stdout)?)
}

fn of<'a>(document: &'a Value, kind: &str, name: &str) -> Result<&'a Value> {
    let mut all = document["objects"].as_array().into_iter().flatten();
    let found = all.find(|it| it["object"]["kind"] == kind && it["object"]["name"] == name);
    found.with_context(|| format!("no {kind}/{name}: {document}"))
}

async fn policies_are_counted(cluster: &Cluster) -> Result<()> {
    let document = document(cluster, &["--from", "deckhouse"], 1).await?;
    let differences = &of(&document, "SecurityPolicy", "old")?["differences"];
    let said: Vec<_> =
        differences.as_array().into_iter().flatten().map(|it| (&it["id"], &it["objects"])).collect();
    ensure!(said == [(&json!("Δ1"), &json!(1)), (&json!("Δ5"), &json!(0))], "{document}");
    ensure!(of(&document, "OperationPolicy", "plain")?["differences"] == json!([]), "{document}");
    // Our own templates and definitions are in nobody's way.
    ensure!(document["conflicts"] == json!([]) && document["incomplete"] == json!([]), "{document}");
    Ok(())
}

async fn namespaces_are_named(cluster: &Cluster) -> Result<()> {
    let document = document(cluster, &["--from", "psa"], 1).await?;
    let legacy = of(&document, "Namespace", "legacy")?;
    let becomes = "security.deckhouse.io/pod-policy=restricted, security.deckhouse.io/pod-policy-action=deny";
    ensure!(legacy["becomes"] == becomes && legacy["differences"] == json!([]), "{document}");
    of(&document, "Namespace", "default")?;
    Ok(())
}

/// The command of the last step but one.
async fn what_is_written_out_takes_their_place(cluster: &Cluster) -> Result<()> {
    let output = gatewright(cluster, &["migrate", "--from", "deckhouse", "-o", "yaml"]).await?;
    let file = tempfile(&output.stdout)?;
    let path = file.to_str().context("no path")?;
    cluster.kubectl_ok(&["replace", "--force", "-f", path]).await?;
    std::fs::remove_file(&file)?;
    cluster.all_ready("secpol,oppol").await?;
    let again = document(cluster, &["--from", "deckhouse"], 1).await?;
    let differences = &of(&again, "SecurityPolicy", "old")?["differences"];
    let same = differences.as_array().into_iter().flatten().filter(|it| !it["sameMeaning"].is_null()).count();
    ensure!(same == 0, "{again}");
    let stored = cluster.kubectl_ok(&["get", "secpol/old", "-o", "json"]).await?;
    let rules = &serde_json::from_str::<Value>(&stored)?["spec"]["policies"];
    ensure!(rules["allowPrivileged"] == false && rules["allowedHostPaths"].is_null(), "{stored}");
    Ok(())
}

fn tempfile(text: &str) -> Result<std::path::PathBuf> {
    let path = std::env::temp_dir().join(format!("gatewright-migrate-{}.yaml", std::process::id()));
    std::fs::write(&path, text)?;
    Ok(path)
}

async fn rights(cluster: &Cluster) -> Result<()> {
    let output = gatewright(cluster, &["migrate", "--as", "nobody"]).await?;
    ensure!(output.status.code() == Some(2), "{output:?}");
    ensure!(output.stdout == "nothing to migrate was found in what you may see\n", "{output:?}");
    for needs in ["list on namespaces)", "list on securitypolicies.deckhouse.io)", "list on pods)"] {
        ensure!(output.stderr.contains(needs), "no {needs}: {output:?}");
    }
    Ok(())
}
