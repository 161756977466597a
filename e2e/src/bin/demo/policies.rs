//! Policies: written, edited, repaired by the operator, wrong, deleted.

use std::time::Instant;

use anyhow::Result;

use super::stage::Stage;
use gatewright_e2e::{SOON, until};

const MORE_REPOS: &str =
    r#"[{"op": "add", "path": "/spec/policies/allowedRepos/-", "value": "registry.example.com.evil.io"}]"#;

const WRONG_KEY: &str = r#"{"spec": {"policies": {"verifyImageSignatures": [{"reference": "registry.example.com/*", "publicKeys": ["ssh-ed25519 AAAA"]}]}}}"#;

pub(super) async fn policies_become_ready(stage: &mut Stage<'_>) -> Result<()> {
    stage.title("The operator starts, and policies are written")?;
    stage.cluster.install_policies().await?;
    super::replicas::start(stage.cluster).await?;
    stage.kubectl(&["apply", "-f", "examples/policies"]).await?;
    let wait = ["wait", "--for=condition=Ready", "secpol,oppol", "--all", "--timeout=100s"];
    let output = stage.kubectl(&wait).await?;
    stage.check("every policy is valid, applied and enforced", output.status.success());
    stage.kubectl(&["get", "d8securitypolicy,d8operationpolicy"]).await?;
    stage.kubectl(&["apply", "-f", "examples/workloads/00-namespaces.yaml"]).await.map(drop)
}

pub(super) async fn an_edit_takes_effect(stage: &mut Stage<'_>) -> Result<()> {
    stage.title("An edit of a policy takes effect")?;
    stage.kubectl(&["patch", "oppol", "common", "--type=json", "-p", MORE_REPOS]).await?;
    stage.kubectl(&["wait", "--for=condition=Ready", "oppol/common", "--timeout=100s"]).await?;
    let output = stage.dry_run("foreign-registry-pod").await?;
    stage.check("what was foreign is allowed", output.status.success());
    let output = stage.dry_run("good-pod").await?;
    stage.check("what was allowed still is", output.status.success());
    Ok(())
}

pub(super) async fn what_is_deleted_comes_back(stage: &mut Stage<'_>) -> Result<()> {
    stage.title("A constraint deleted by hand comes back")?;
    let uid = ["get", "d8securitypolicy", "baseline", "-o", "jsonpath={.metadata.uid}"];
    let old = stage.cluster.kubectl(&uid, None).await?.success()?;
    stage.kubectl(&["delete", "d8securitypolicy", "baseline"]).await?;
    let start = Instant::now();
    until("the constraint is back", SOON, async || {
        let output = stage.cluster.kubectl(&uid, None).await?;
        Ok(output.status.success() && output.stdout != old)
    })
    .await?;
    println!("  (back after at most {} ms)", start.elapsed().as_millis());
    stage.kubectl(&["wait", "--for=condition=Ready", "secpol/baseline", "--timeout=100s"]).await?;
    let output = stage.dry_run("privileged-pod").await?;
    stage.check("it refuses as before", output.stderr.contains("[baseline] allowPrivileged"));
    Ok(())
}

pub(super) async fn a_wrong_key_is_said(stage: &mut Stage<'_>) -> Result<()> {
    stage.title("Nothing is silently not enforced")?;
    stage.kubectl(&["patch", "secpol", "drop-all", "--type=merge", "-p", WRONG_KEY]).await?;
    let message =
        ["get", "secpol", "drop-all", "-o", "jsonpath={.status.conditions[?(@.type==\"Valid\")].message}"];
    let said = until("the policy says so", SOON, async || {
        let said = stage.cluster.kubectl(&message, None).await?.stdout;
        Ok(said.starts_with("spec.policies.verifyImageSignatures[0].publicKeys[0]: there is no PEM block"))
    })
    .await;
    stage.kubectl(&message).await?;
    stage.check("a key that cannot be read makes the policy invalid, by its place", said.is_ok());
    let output = stage.cluster.kubectl(&["get", "d8securitypolicy", "drop-all"], None).await?;
    stage.check("its last good constraint stays", output.status.success());
    Ok(())
}

pub(super) async fn a_deleted_policy_leaves_nothing(stage: &mut Stage<'_>) -> Result<()> {
    stage.title("A policy deleted takes its constraint along")?;
    stage.kubectl(&["delete", "secpol", "baseline"]).await?;
    let get = ["get", "d8securitypolicy", "baseline", "--ignore-not-found"];
    let gone = until("the constraint is gone", SOON, async || {
        Ok(stage.cluster.kubectl(&get, None).await?.success()?.is_empty())
    })
    .await;
    stage.kubectl(&["get", "d8securitypolicy,d8operationpolicy"]).await?;
    stage.check("its constraint is gone", gone.is_ok());
    let allowed = until("the Pod passes", SOON, async || {
        let file = "examples/workloads/privileged-pod.yaml";
        Ok(stage.quietly(&["apply", "--dry-run=server", "-f", file]).await?.status.success())
    })
    .await;
    let output = stage.dry_run("privileged-pod").await?;
    stage.check("what it refused is allowed", allowed.is_ok() && output.status.success());
    Ok(())
}
