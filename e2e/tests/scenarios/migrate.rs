//! `gatewright migrate` in a cluster: what it says of policies, that what it writes out can be put in their place, and what it
//! says to somebody who may see little.

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::manifests::{labelled_namespace, operation_policy, policy};
use gatewright_e2e::{Cluster, Scenario};
use serde_json::{Value, json};

use crate::see::{gatewright, without_cluster};

fn pod(name: &str, context: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"}, "spec": {
        "containers": [{"name": "app", "image": "registry.example.com/app:1", "securityContext": context}]}})
}

/// The same as if a controller had made it. Nobody looks after it here.
fn owned(mut object: Value, (api_version, kind, name): (&str, &str, &str)) -> Value {
    let owner =
        json!({"apiVersion": api_version, "kind": kind, "name": name, "controller": true, "uid": name});
    object["metadata"]["ownerReferences"] = json!([owner]);
    object
}

fn controller(kind: &str, name: &str) -> Value {
    let container = json!({"name": "app", "image": "registry.example.com/app:1", "securityContext": {"privileged": true}});
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}}})
}

/// A Deployment and what it made, and what a Rollout made: two owners with three Pods.
fn families() -> Vec<Value> {
    let privileged = json!({"privileged": true});
    let rollout = ("argoproj.io/v1alpha1", "Rollout", "roll");
    let mut skips = controller("DaemonSet", "skips");
    skips["spec"]["template"]["metadata"]["labels"]["security.deckhouse.io/skip-pss-check"] = json!("true");
    skips["spec"]["template"]["spec"]["containers"][0]["securityContext"] = json!({});
    vec![
        controller("Deployment", "web"),
        owned(controller("ReplicaSet", "web-1"), ("apps/v1", "Deployment", "web")),
        owned(pod("web-1-a", &privileged), ("apps/v1", "ReplicaSet", "web-1")),
        owned(controller("ReplicaSet", "roll-1"), rollout),
        owned(pod("roll-1-a", &privileged), ("apps/v1", "ReplicaSet", "roll-1")),
        owned(pod("roll-1-b", &privileged), ("apps/v1", "ReplicaSet", "roll-1")),
        skips,
    ]
}

/// Two Deployments: the Pods of one get no token, by their account.
fn with_accounts() -> Vec<Value> {
    let place = |mut object: Value, account: &str| {
        object["metadata"]["namespace"] = json!("quiet");
        object["spec"]["template"]["spec"]["serviceAccountName"] = json!(account);
        object
    };
    vec![
        labelled_namespace("quiet", &json!({"security.deckhouse.io/pod-policy": "privileged"})),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": false,
               "metadata": {"name": "silent", "namespace": "quiet"}}),
        place(controller("Deployment", "silent"), "silent"),
        place(controller("Deployment", "loud"), "default"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_says_what_policies_mean_and_writes_out_what_they_meant() -> Result<()> {
    let shop = labelled_namespace("shop", &json!({"security.deckhouse.io/pod-policy": "privileged"}));
    let scenario = Scenario::new("test-migrate");
    let scenario = scenario.objects([
        shop,
        labelled_namespace("legacy", &json!({"pod-security.kubernetes.io/enforce": "restricted"})),
        labelled_namespace("ignored", &json!({"pod-security.kubernetes.io/enforce": "baseline"})),
        pod("privileged", &json!({"privileged": true})),
        pod("plain", &json!({})),
    ]);
    let scenario = scenario.objects(families()).objects(with_accounts());
    Scenario::run(scenario, async |cluster| {
        let old = json!({"allowPrivilegeEscalation": true, "allowHostPID": false, "allowedHostPaths": []});
        let shop = json!({"namespaceSelector": {"matchNames": ["shop"]}});
        let plain = operation_policy("plain", &json!({"imagePullPolicy": "IfNotPresent"}));
        let labels = json!({"requiredLabels": {"labels": [{"key": "owner"}], "watchKinds": ["/Namespace"]}});
        let of_namespaces = operation_policy("namespaces", &labels);
        let quiet = json!({"namespaceSelector": {"matchNames": ["quiet"]}});
        let volumes =
            json!({"allowPrivileged": true, "allowPrivilegeEscalation": true, "allowedVolumes": ["secret"]});
        let volumes = policy("SecurityPolicy", "volumes", &quiet, &volumes);
        cluster
            .put_all(&[policy("SecurityPolicy", "old", &shop, &old), plain, of_namespaces, volumes])
            .await?;
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
    ensure!(said == [(&json!("Δ1"), &json!(3)), (&json!("Δ5"), &json!(0))], "{document}");
    // What an account gives is known.
    let of_volumes = &of(&document, "SecurityPolicy", "volumes")?["differences"];
    ensure!(of_volumes[0]["id"] == "Δ4" && of_volumes[0]["objects"] == 1, "{document}");
    // A label of a template.
    ensure!(of(&document, "DaemonSet", "skips")?["differences"][0]["id"] == "Δ27", "{document}");
    ensure!(of(&document, "OperationPolicy", "plain")?["differences"] == json!([]), "{document}");
    // Our own templates and definitions are in nobody's way.
    ensure!(document["conflicts"] == json!([]) && document["incomplete"] == json!([]), "{document}");
    // Nothing shows that these policies were Deckhouse's.
    ensure!(document["hasModule"] == false && document["order"] == json!([]), "{document}");
    a_dump_counts_the_same(cluster, &document).await
}

async fn a_dump_counts_the_same(cluster: &Cluster, seen: &Value) -> Result<()> {
    let kinds = "ns,deploy,ds,rs,pods,sa,secpol,oppol";
    let dump = tempfile(&cluster.kubectl_ok(&["get", kinds, "-A", "-o", "yaml"]).await?)?;
    let path = dump.to_str().context("no path")?;
    let output = without_cluster(&["migrate", "--from", "deckhouse", "-f", path, "-o", "json"]).await?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    let of_dump: Value = serde_json::from_str(&output.stdout)?;
    std::fs::remove_file(&dump)?;
    let differences =
        |document| Ok::<_, anyhow::Error>(of(document, "SecurityPolicy", "old")?["differences"].clone());
    ensure!(differences(&of_dump)? == differences(seen)?, "{of_dump}");
    let volumes =
        |document| Ok::<_, anyhow::Error>(of(document, "SecurityPolicy", "volumes")?["differences"].clone());
    ensure!(volumes(&of_dump)? == volumes(seen)?, "{of_dump}");
    ensure!(of_dump["judged"] == seen["judged"], "{} {}", of_dump["judged"], seen["judged"]);
    // A policy is about namespaces, too: of those -n leaves one.
    let of_shop = document(cluster, &["--from", "deckhouse", "-n", "shop"], 1).await?;
    ensure!(differences(&of_shop)? == differences(seen)?, "{of_shop}");
    let namespaces = cluster.kubectl_ok(&["get", "namespaces", "-o", "name"]).await?.lines().count() as u64;
    let judged = |document: &Value| document["judged"].as_u64().unwrap_or_default();
    ensure!(judged(seen) + 1 >= judged(&of_shop) + namespaces, "{namespaces} {seen} {of_shop}");
    let output = gatewright(cluster, &["migrate", "-n", "nowhere"]).await?;
    ensure!(output.status.code() == Some(2), "{output:?}");
    ensure!(output.stderr.contains("there is no namespace nowhere"), "{output:?}");
    Ok(())
}

/// Gatekeeper refuses its label, and does not see it come through a subresource.
async fn ignore(cluster: &Cluster, namespace: &str) -> Result<()> {
    let mut object = cluster.get(&["namespace", namespace]).await?;
    object["metadata"]["labels"]["admission.gatekeeper.sh/ignore"] = json!("x");
    let path = format!("/api/v1/namespaces/{namespace}/finalize");
    let output = cluster.kubectl(&["replace", "--raw", &path, "-f", "-"], Some(&object.to_string())).await?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}

async fn namespaces_are_named(cluster: &Cluster) -> Result<()> {
    ignore(cluster, "ignored").await?;
    let document = document(cluster, &["--from", "psa"], 1).await?;
    let legacy = of(&document, "Namespace", "legacy")?;
    let becomes = "security.deckhouse.io/pod-policy=restricted, security.deckhouse.io/pod-policy-action=deny";
    ensure!(legacy["becomes"] == becomes && legacy["differences"] == json!([]), "{document}");
    // gatewright's default holds in this one already: nothing has to be done, and nothing is switched off.
    ensure!(of(&document, "Namespace", "default").is_err(), "{document}");
    let ignored = of(&document, "Namespace", "ignored")?;
    ensure!(ignored["differences"][0]["id"] == "P9" && ignored["becomes"].is_null(), "{document}");
    let output = gatewright(cluster, &["migrate", "--from", "psa", "-o", "yaml"]).await?;
    ensure!(!output.stdout.contains("privileged"), "{output:?}");
    Ok(())
}

/// The commands of the last steps but one.
async fn what_is_written_out_takes_their_place(cluster: &Cluster) -> Result<()> {
    let output = gatewright(cluster, &["migrate", "--from", "deckhouse", "-o", "yaml"]).await?;
    let file = tempfile(&output.stdout)?;
    let path = file.to_str().context("no path")?;
    let trial = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", path];
    cluster.kubectl_ok(&trial).await?;
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
