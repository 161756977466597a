//! The constraint of an invalid policy: whoever may edit constraints must gain nothing from somebody's typo.

use anyhow::{Result, ensure};
use gatewright_e2e::manifests::{namespace, no_privileged, security_policy};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, Condition, SOON, Scenario, until};
use serde_json::{Value, json};

const POLICY: &str = "secpol/strict";
const CONSTRAINT: &str = "d8securitypolicy/strict";

/// An edit of somebody who may edit constraints: with it the policy refuses nothing.
const EDIT: &str = r#"{"spec": {"enforcementAction": "dryrun", "match": {"excludedNamespaces": ["shop"]}}}"#;

async fn edit(cluster: &Cluster) -> Result<()> {
    cluster.kubectl_ok(&["patch", CONSTRAINT, "--type=merge", "-p", EDIT]).await.map(drop)
}

async fn break_policy(cluster: &Cluster) -> Result<()> {
    cluster.put(&security_policy("strict", &json!({"allowPrivileged": null}))).await?;
    cluster.condition(POLICY, Condition::no("Valid", "Invalid", "null says neither")).await
}

/// The conditions but for what an operator that starts may write anew.
async fn said(cluster: &Cluster) -> Result<Value> {
    let status = cluster.get(&[POLICY]).await?["status"].clone();
    Ok(json!([status["conditions"], status["constraints"]]))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_constraint_of_an_invalid_policy_is_repaired_like_any_other() -> Result<()> {
    Scenario::run(Scenario::new("test-last-good").objects([namespace("shop")]), async |cluster| {
        cluster.put(&security_policy("strict", &no_privileged())).await?;
        cluster.ready(POLICY).await?;
        let good = cluster.get(&[CONSTRAINT]).await?["spec"].clone();
        break_policy(cluster).await?;
        cluster
            .condition(POLICY, Condition::yes("Applied", "Applied", "last valid generation stays"))
            .await?;
        while_the_operator_runs(cluster, &good).await?;
        after_a_restart(cluster, &good).await?;
        while_no_operator_ran(cluster).await
    })
    .await
}

async fn while_the_operator_runs(cluster: &Cluster, good: &Value) -> Result<()> {
    edit(cluster).await?;
    cluster.restored("an edit under an invalid policy", CONSTRAINT, good).await?;
    cluster.kubectl_ok(&["delete", CONSTRAINT]).await?;
    cluster.restored("a deletion under an invalid policy", CONSTRAINT, good).await?;
    cluster.condition(POLICY, Condition::yes("Enforced", "Enforced", "enforced by")).await?;
    cluster.enforces("strict").await
}

/// Another process knows only the digest in the status, which proves that the constraint is still the last good one.
async fn after_a_restart(cluster: &Cluster, good: &Value) -> Result<()> {
    let before = said(cluster).await?;
    ensure!(before[1]["hash"].as_str().is_some_and(|hash| hash.len() == 32), "{before}");
    cluster.kill(OPERATOR).await?;
    cluster.restart(OPERATOR).await?;
    cluster.readiness(OPERATOR, 200, "ok: leader\n").await?;
    until("an edit is undone by an operator that has just started", SOON, async || {
        edit(cluster).await?;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        Ok(cluster.get(&[CONSTRAINT]).await?["spec"] == *good)
    })
    .await?;
    cluster.condition(POLICY, Condition::yes("Enforced", "Enforced", "enforced by")).await?;
    let after = said(cluster).await?;
    ensure!(before[1] == after[1], "{before} became {after}");
    cluster.enforces("strict").await
}

/// What was changed or deleted meanwhile cannot be made good from an invalid policy, and is said.
async fn while_no_operator_ran(cluster: &Cluster) -> Result<()> {
    cluster.kill(OPERATOR).await?;
    edit(cluster).await?;
    cluster.restart(OPERATOR).await?;
    let changed = "was changed while no operator ran; fix what the condition Valid names";
    cluster.condition(POLICY, Condition::no("Applied", "Drifted", changed)).await?;
    cluster.condition(POLICY, Condition::no("Enforced", "Drifted", changed)).await?;

    cluster.kubectl_ok(&["delete", CONSTRAINT]).await?;
    let deleted = "was deleted while no operator ran";
    cluster.condition(POLICY, Condition::no("Applied", "Drifted", deleted)).await?;

    cluster.put(&security_policy("strict", &no_privileged())).await?;
    cluster.ready(POLICY).await?;
    cluster.enforces("strict").await
}
