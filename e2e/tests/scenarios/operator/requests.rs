//! What people's requests are answered: objects that were there before a policy, and namespaces' labels.

use anyhow::{Result, ensure};
use gatewright_e2e::manifests::{
    labelled_namespace, namespace, no_privileged, pod, privileged_pod, security_policy,
};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, SOON, Scenario, until};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_judged() -> Result<()> {
    Scenario::run(Scenario::new("test-requests").objects([namespace("shop")]), async |cluster| {
        objects_that_were_there_before_stay_editable(cluster).await?;
        standards_hold_by_label(cluster).await
    })
    .await
}

/// What was there before a policy stays editable, but nobody may use it to run something new.
async fn objects_that_were_there_before_stay_editable(cluster: &Cluster) -> Result<()> {
    let mut old = privileged_pod("shop", "old");
    old["metadata"]["finalizers"] = json!(["example.com/hold"]);
    cluster.create(&old).await?;
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "old", "namespace": "shop"},
        "spec": {
            "replicas": 0, "selector": {"matchLabels": {"app": "old"}},
            "template": {"metadata": {"labels": {"app": "old"}}, "spec": old["spec"]},
        },
    });
    cluster.create(&deployment).await?;
    cluster.put(&security_policy("strict", &no_privileged())).await?;
    cluster.ready("secpol/strict").await?;
    cluster.enforces("strict").await?;

    let in_shop =
        async |arguments: &[&str]| cluster.kubectl(&[&["-n", "shop"], arguments].concat(), None).await;
    for allowed in [
        &["label", "pod/old", "a=b"][..],
        &["annotate", "deployment/old", "a=b"],
        &["scale", "deployment/old", "--replicas=0"],
        &["patch", "deployment/old", "-p", r#"{"spec": {"revisionHistoryLimit": 3}}"#],
    ] {
        let output = in_shop(allowed).await?;
        ensure!(output.status.success(), "{allowed:?}: {}", output.stderr);
    }
    for refused in [
        &["set", "image", "pod/old", "app=registry.example.com/app:2"][..],
        &["set", "image", "deployment/old", "app=registry.example.com/app:2"],
        &["debug", "pod/old", "--image=registry.example.com/sh:1", "--profile=general", "-q"],
    ] {
        let output = in_shop(refused).await?;
        ensure!(output.stderr.contains("[strict] allowPrivileged:"), "{refused:?}: {}", output.stderr);
    }
    let fixed = r#"{"spec": {"template": {"spec": {"containers": [{"name": "app", "securityContext": {"privileged": false}}]}}}}"#;
    ensure!(in_shop(&["patch", "deployment/old", "-p", fixed]).await?.status.success());

    // What is going away is not held back by its finalizer.
    in_shop(&["delete", "pod/old", "--wait=false", "--grace-period=0"]).await?.success()?;
    in_shop(&["patch", "pod/old", "--type=merge", "-p", r#"{"metadata": {"finalizers": null}}"#])
        .await?
        .success()?;
    until("the Pod is gone", SOON, async || {
        Ok(in_shop(&["get", "pod/old", "--ignore-not-found"]).await?.stdout.is_empty())
    })
    .await
}

/// A namespace's label takes effect with the very next request, whether the operator runs or not.
async fn standards_hold_by_label(cluster: &Cluster) -> Result<()> {
    let label = async |labels: &Value| cluster.put(&labelled_namespace("plain", labels)).await;
    let (plain, privileged) = (pod("plain", "plain"), privileged_pod("plain", "plain"));
    label(&json!({})).await?;
    let baseline = "[d8-pod-security-baseline-deny] privileged:";
    cluster.answers(&privileged, baseline).await?;
    let said = cluster.try_create(&plain).await?;
    ensure!(said.contains("created"), "{said}");

    cluster.kill(OPERATOR).await?;
    let restricted = "[d8-pod-security-restricted-deny] allowPrivilegeEscalation:";
    let policy = "security.deckhouse.io/pod-policy";
    let action = "security.deckhouse.io/pod-policy-action";
    for (labels, pod, expected) in [
        (json!({policy: "restricted"}), &plain, restricted),
        (json!({policy: "privileged"}), &privileged, "pod/plain created"),
        (json!({policy: "resticted"}), &privileged, baseline),
        (json!({policy: "restricted", action: "warn"}), &plain, "Warning: [d8-pod-security-restricted-warn]"),
        (json!({policy: "restricted", action: "dryrun"}), &plain, "pod/plain created"),
        (json!({policy: "restricted", action: "Deny"}), &plain, restricted),
    ] {
        label(&labels).await?;
        let said = cluster.try_create(pod).await?;
        ensure!(said.contains(expected), "{labels}: {said}");
        ensure!(!expected.contains("created") || !said.contains("Warning"), "{labels}: {said}");
    }
    let said = cluster.try_create(&privileged_pod("kube-system", "plain")).await?;
    ensure!(said.contains("created"), "a system namespace is under a standard: {said}");
    Ok(())
}
