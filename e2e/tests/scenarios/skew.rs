//! What does not fit together: an older CRD, a newer one, and settings that are broken from the start. Each is named, and
//! repaired without a restart.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::manifests::{namespace, no_privileged, security_policy};
use gatewright_e2e::operator::{OPERATOR, OPERATOR_USER};
use gatewright_e2e::{Cluster, Condition, SOON, Scenario, paths, until};
use serde_json::{Value, json};

use crate::exec::SYSTEM;

const CRD: &str = "crd/securitypolicies.deckhouse.io";

/// Where the fields of `spec.policies` stand in the CRD.
const FIELDS: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/policies/properties";

const OLDER: &str =
    "the installed CRD of SecurityPolicy is older than this operator and lacks spec.policies.allowHostPID";

#[tokio::test(flavor = "multi_thread")]
async fn an_older_and_a_newer_crd_are_named_and_mended_without_a_restart() -> Result<()> {
    Scenario::run(Scenario::new("test-skew").objects([namespace("shop")]), async |cluster| {
        cluster.put(&security_policy("strict", &no_privileged())).await?;
        cluster.ready("secpol/strict").await?;
        older(cluster).await?;
        newer(cluster).await
    })
    .await
}

async fn older(cluster: &Cluster) -> Result<()> {
    let constraint = cluster.get(&["d8securitypolicy/strict"]).await?;
    let patch = json!([{"op": "remove", "path": format!("{FIELDS}/allowHostPID")}]);
    cluster.patch(CRD, "json", &patch).await?;
    stands_still(cluster).await?;
    // The API server drops the field: what is compiled now would be weaker than what is written.
    cluster.put(&security_policy("later", &json!({"allowHostNetwork": false}))).await?;
    let outdated = || Condition::no("Valid", "CrdOutdated", "gatewright crds | kubectl apply --server-side");
    cluster.condition("secpol/later", outdated()).await?;
    cluster.condition("secpol/strict", outdated()).await?;
    // Also for an operator that has never seen the right one.
    cluster.kill(OPERATOR).await?;
    cluster.restart(OPERATOR).await?;
    stands_still(cluster).await?;
    cluster.gone("d8securitypolicy/later").await?;
    let stays = cluster.get(&["d8securitypolicy/strict"]).await?;
    ensure!(stays["metadata"]["uid"] == constraint["metadata"]["uid"] && stays["spec"] == constraint["spec"]);
    cluster.enforces("strict").await?;

    install_crds(cluster).await?;
    is_ready(cluster).await?;
    for policy in ["secpol/later", "secpol/strict", SYSTEM] {
        cluster.ready(policy).await?;
    }
    Ok(())
}

/// `/readyz`, the state of the system and the log name the CRD and the command.
async fn stands_still(cluster: &Cluster) -> Result<()> {
    let command = "`gatewright crds | kubectl apply --server-side --force-conflicts -f -`";
    until("/readyz names the CRD", SOON, async || {
        let (code, text) = cluster.ask_replica(OPERATOR, "/readyz").await?;
        ensure!(code == 503 && text.contains(OLDER) && text.contains(command), "{code} {text}");
        Ok(true)
    })
    .await?;
    cluster.condition(SYSTEM, Condition::no("PoliciesServed", "CrdOutdated", OLDER)).await?;
    until("the log names the CRD", SOON, async || {
        Ok(std::fs::read_to_string(cluster.log(OPERATOR))?.contains(OLDER))
    })
    .await
}

async fn newer(cluster: &Cluster) -> Result<()> {
    let field =
        json!([{"op": "add", "path": format!("{FIELDS}/allowTimeTravel"), "value": {"type": "boolean"}}]);
    cluster.patch(CRD, "json", &field).await?;
    let travels = json!({"allowPrivileged": false, "allowTimeTravel": false});
    until("the API server keeps the new field", SOON, async || {
        let policy = security_policy("newer", &travels).to_string();
        let dry_run = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        Ok(cluster.kubectl(&dry_run, Some(&policy)).await?.success()?.contains("allowTimeTravel"))
    })
    .await?;
    // For a second or longer after the change the API server goes on serving watches that began before, and drops the
    // field from their events.
    let names: Vec<_> = (0..8).map(|number| format!("newer-{number}")).collect();
    for name in &names {
        cluster.put(&security_policy(name, &travels)).await?;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    let says = "spec.policies.allowTimeTravel is a field that this version of gatewright";
    for name in &names {
        let unsupported = Condition::no("Valid", "Unsupported", says);
        cluster.condition(&format!("secpol/{name}"), unsupported).await?;
    }
    // A policy that does not have the field is as before.
    cluster.ready("secpol/strict").await?;
    is_ready(cluster).await?;
    cluster.put(&security_policy(&names[0], &no_privileged())).await?;
    cluster.ready(&format!("secpol/{}", names[0])).await
}

async fn is_ready(cluster: &Cluster) -> Result<()> {
    until("the operator is ready", SOON, async || {
        let (code, text) = cluster.ask_replica(OPERATOR, "/readyz").await?;
        ensure!(code == 200, "{code} {text}");
        Ok(true)
    })
    .await
}

async fn install_crds(cluster: &Cluster) -> Result<()> {
    let crds = paths::repository().join("crds");
    let crds = crds.to_str().context("not UTF-8")?;
    cluster.kubectl_ok(&["apply", "--server-side", "--force-conflicts", "-f", crds]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_broken_from_the_start_are_waited_for() -> Result<()> {
    let scenario = Scenario::new("test-unsettled").objects([namespace("shop")]).without_operator();
    Scenario::run(scenario, async |cluster| {
        cluster.put(&security_policy("strict", &no_privileged())).await?;
        cluster.start_operator_with("routing: {connect: on}\nnonsense: 1\n").await?;
        let (first, second) =
            ("line 1: routing.connect: \"on\" is not one of", "line 2: nonsense is unknown");
        let system = "gatewrightstatus/cluster";
        for says in [first, second] {
            cluster.condition(system, Condition::no("Settings", "Broken", says)).await?;
            cluster.condition(system, Condition::no("Ready", "Broken", says)).await?;
        }
        let log = std::fs::read_to_string(cluster.log(OPERATOR))?;
        for says in ["problem=\"line 1: routing.connect", "problem=\"line 2: nonsense is unknown"] {
            ensure!(
                log.lines().filter(|line| line.contains("ERROR") && line.contains(says)).count() == 1,
                "{log}"
            );
        }
        let (code, text) = cluster.ask_replica(OPERATOR, "/readyz").await?;
        ensure!(code == 503 && text.contains(first) && text.contains(second), "{code} {text}");
        tokio::time::sleep(Duration::from_secs(5)).await;
        ensure!(cluster.is_running(OPERATOR), "the operator has ended");
        nothing_else_was_written(cluster)?;

        cluster.write_settings("routing: {connect: off}\n")?;
        cluster.ready(system).await?;
        cluster.ready("secpol/strict").await?;
        cluster.enforces("strict").await
    })
    .await
}

fn nothing_else_was_written(cluster: &Cluster) -> Result<()> {
    let written = cluster.audited(|event| {
        let reads = ["get", "list", "watch"].iter().any(|verb| event["verb"] == *verb);
        let allowed = ["gatewrightstatuses", "events"].iter().any(|it| event["objectRef"]["resource"] == *it);
        event["user"]["username"] == OPERATOR_USER && !reads && !allowed
    })?;
    let what = |event: &Value| format!("{} {}", event["verb"], event["objectRef"]);
    ensure!(written.is_empty(), "{:?}", written.iter().map(what).collect::<Vec<_>>());
    Ok(())
}
