//! What a team reads of its own namespace, and what becomes of it when things change.

use anyhow::{Context, Result, ensure};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{paths, tools, until};
use serde_json::json;

use super::{
    OPEN_REPORT, POLICY_REPORT, SOON, World, labels_required, namespace, own, policy, privileged_pod, rows,
    scenario,
};

const SHOP: [&str; 1] = ["strict allowPrivileged warn web"];

#[tokio::test(flavor = "multi_thread")]
async fn a_team_sees_its_own_violations() -> Result<()> {
    scenario("test-reports", async |world| {
        for name in ["shop", "till", "quiet"] {
            world.put(&namespace(name, &own())).await?;
        }
        world
            .put(&namespace("standard", &json!({"security.deckhouse.io/pod-policy-action": "warn"})))
            .await?;
        for (pod, namespace) in [("web", "shop"), ("scan", "till"), ("old", "standard")] {
            world.put(&privileged_pod(pod, namespace)).await?;
        }
        world.0.start_operator().await?;
        let rules = json!({"allowPrivileged": false});
        world.put(&policy("SecurityPolicy", "strict", "Warn", &["shop", "till", "quiet"], &rules)).await?;
        let owners = policy("OperationPolicy", "owners", "Dryrun", &["shop"], &labels_required("/Namespace"));
        world.put(&owners).await?;
        nothing_without_a_kind(world).await?;
        what_is_in_the_namespace(world).await?;
        only_the_namespace_is_seen(world).await?;
        edits_are_undone(world).await?;
        kinds_come_and_go(world).await?;
        what_is_gone_is_gone(world).await
    })
    .await
}

async fn nothing_without_a_kind(world: &World<'_>) -> Result<()> {
    until("audit has found the Pods", SOON, async || {
        let found = world.get(&["secpol/strict"]).await?;
        ensure!(found["status"]["violations"]["total"] == 2, "{}", found["status"]["violations"]);
        Ok(true)
    })
    .await?;
    world.condition("NotNeeded", "serves no reports").await?;
    let (code, text) = world.0.ask_replica(OPERATOR, "/readyz").await?;
    ensure!(code == 200, "{text}");
    world.crds("apply", &tools::policy_reports()).await
}

async fn what_is_in_the_namespace(world: &World<'_>) -> Result<()> {
    let report = world.reports(POLICY_REPORT, "shop", &SHOP).await?;
    let result = &report["results"][0];
    ensure!(
        result["message"]
            == "allowPrivileged: container \"app\" sets securityContext.privileged to true; it must be false or unset"
            && result["severity"] == "medium"
            && result["category"] == "SecurityPolicy"
            && result["properties"]["enforcementAction"] == "warn"
            && result["resources"][0]["kind"] == "Pod"
            && result["timestamp"]["seconds"].as_i64() > Some(1_700_000_000),
        "{result}"
    );
    ensure!(report["scope"]["name"] == "shop" && report["summary"]["warn"] == 1, "{report}");
    world.reports(POLICY_REPORT, "till", &["strict allowPrivileged warn scan"]).await?;
    world.reports(POLICY_REPORT, "standard", &["d8-pod-security-baseline-warn privileged warn old"]).await?;
    let cluster = world
        .reports("clusterpolicyreports.wgpolicyk8s.io", "", &["owners requiredLabels warn shop"])
        .await?;
    ensure!(cluster["results"][0]["severity"] == "low" && cluster["scope"].is_null(), "{cluster}");
    ensure!(world.report(POLICY_REPORT, "quiet").await?.is_null(), "a report of nothing");
    world
        .condition("Written", "PolicyReport of wgpolicyk8s.io and ClusterPolicyReport of wgpolicyk8s.io")
        .await?;
    world.metric(r#"gatewright_report_results{result="warn"}"#, "4").await?;
    let table = world.kubectl(&["get", "policyreports", "-n", "shop"]).await?;
    ensure!(table.contains("gatewright") && table.contains("WARN"), "{table}");
    Ok(())
}

/// With the optional role, whoever may view a namespace reads its report, and no other.
async fn only_the_namespace_is_seen(world: &World<'_>) -> Result<()> {
    let role = paths::repository().join("deploy/report-viewers.yaml");
    world.kubectl(&["apply", "-f", role.to_str().context("not UTF-8")?]).await?;
    world
        .kubectl(&["create", "rolebinding", "team", "-n", "shop", "--clusterrole=view", "--user=team"])
        .await?;
    let may = async |namespace: &str| -> Result<bool> {
        let arguments = ["get", POLICY_REPORT, "gatewright", "-n", namespace, "--as=team"];
        Ok(world.0.kubectl(&arguments, None).await?.status.success())
    };
    until("the team reads its report", SOON, async || may("shop").await).await?;
    ensure!(!may("till").await?, "the team reads the report of another");
    let policies = world.0.kubectl(&["get", "secpol", "--as=team"], None).await?;
    ensure!(!policies.status.success(), "the team reads policies");
    Ok(())
}

async fn edits_are_undone(world: &World<'_>) -> Result<()> {
    let before = world.report(POLICY_REPORT, "shop").await?;
    for patch in [
        r#"{"results": []}"#,
        r#"{"summary": {"warn": 7}, "scopeSelector": {"matchLabels": {"a": "b"}}}"#,
        r#"{"metadata": {"labels": {"gatewright.io/owner": null, "app.kubernetes.io/managed-by": null}}}"#,
    ] {
        world
            .kubectl(&["patch", POLICY_REPORT, "gatewright", "-n", "shop", "--type=merge", "-p", patch])
            .await?;
        until(&format!("{patch} is undone"), SOON, async || {
            let now = world.report(POLICY_REPORT, "shop").await?;
            let same = |field: &str| now[field] == before[field];
            let labels = now["metadata"]["labels"] == before["metadata"]["labels"];
            ensure!(labels && ["summary", "scope", "scopeSelector"].into_iter().all(same), "{now}");
            ensure!(rows(&now) == SHOP, "{now}");
            Ok(true)
        })
        .await?;
    }
    world.kubectl(&["delete", POLICY_REPORT, "gatewright", "-n", "shop"]).await?;
    world.reports(POLICY_REPORT, "shop", &SHOP).await.map(drop)
}

async fn kinds_come_and_go(world: &World<'_>) -> Result<()> {
    // openreports.io is preferred: what was written before goes.
    world.crds("apply", &tools::open_reports()).await?;
    let report = world.reports(OPEN_REPORT, "shop", &SHOP).await?;
    ensure!(
        report["source"] == "gatewright" && report["configuration"]["limits"]["maxResults"] == 500,
        "{report}"
    );
    world.reports("clusterreports.openreports.io", "", &["owners requiredLabels warn shop"]).await?;
    for namespace in ["shop", "till", "standard"] {
        world.reports(POLICY_REPORT, namespace, &[]).await?;
    }
    world.reports("clusterpolicyreports.wgpolicyk8s.io", "", &[]).await?;
    world.condition("Written", "Report of openreports.io and ClusterReport of openreports.io").await?;
    world.crds("delete", &tools::open_reports()).await?;
    world.reports(POLICY_REPORT, "shop", &SHOP).await?;
    world.crds("delete", &tools::policy_reports()).await?;
    world.condition("NotNeeded", "serves no reports").await?;
    world.crds("apply", &tools::policy_reports()).await?;
    world.reports(POLICY_REPORT, "shop", &SHOP).await.map(drop)
}

async fn what_is_gone_is_gone(world: &World<'_>) -> Result<()> {
    world.kubectl(&["delete", "pod", "web", "-n", "shop", "--force"]).await?;
    until("the report of a fixed namespace is gone", SOON, async || {
        Ok(world.report(POLICY_REPORT, "shop").await?.is_null())
    })
    .await?;
    world.kubectl(&["delete", "namespace", "till", "--timeout=120s"]).await?;
    ensure!(world.report(POLICY_REPORT, "till").await?.is_null(), "a report in a namespace that is gone");
    world.put(&privileged_pod("web", "shop")).await?;
    world.reports(POLICY_REPORT, "shop", &SHOP).await?;
    world.kubectl(&["delete", "secpol/strict", "oppol/owners"]).await?;
    for (kind, namespace) in [(POLICY_REPORT, "shop"), ("clusterpolicyreports.wgpolicyk8s.io", "")] {
        until("what a deleted policy found is gone", SOON, async || {
            Ok(world.report(kind, namespace).await?.is_null())
        })
        .await?;
    }
    world.condition("Written", "PolicyReport").await
}
