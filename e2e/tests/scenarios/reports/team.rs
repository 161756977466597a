//! What a team reads of its own namespace, and what becomes of it when things change.

use anyhow::{Context, Result, ensure};
use gatewright_e2e::manifests::{labelled_namespace, namespace, privileged_pod};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, SOON, Scenario, paths, tools, until};
use serde_json::json;

use super::{
    OPEN_REPORT, POLICY_REPORT, condition, crds, labels_required, policy, report, reports, rows, scenario,
};

const SHOP: [&str; 1] = ["strict allowPrivileged warn web"];

#[tokio::test(flavor = "multi_thread")]
async fn a_team_sees_its_own_violations() -> Result<()> {
    let warned = labelled_namespace("standard", &json!({"security.deckhouse.io/pod-policy-action": "warn"}));
    let namespaces = ["shop", "till", "quiet"].map(namespace).into_iter().chain([warned]);
    let pods = [("shop", "web"), ("till", "scan"), ("standard", "old")];
    let pods = pods.map(|(namespace, name)| privileged_pod(namespace, name));
    let scenario = scenario("test-reports", &[]).objects(namespaces.chain(pods));
    Scenario::run(scenario, async |cluster| {
        cluster.start_operator().await?;
        let rules = json!({"allowPrivileged": false});
        cluster.put(&policy("SecurityPolicy", "strict", "Warn", &["shop", "till", "quiet"], &rules)).await?;
        let owners = policy("OperationPolicy", "owners", "Dryrun", &["shop"], &labels_required("/Namespace"));
        cluster.put(&owners).await?;
        nothing_without_a_kind(cluster).await?;
        what_is_in_the_namespace(cluster).await?;
        only_the_namespace_is_seen(cluster).await?;
        edits_are_undone(cluster).await?;
        kinds_come_and_go(cluster).await?;
        what_is_gone_is_gone(cluster).await
    })
    .await
}

async fn nothing_without_a_kind(cluster: &Cluster) -> Result<()> {
    until("audit has found the Pods", SOON, async || {
        let found = cluster.find(&["secpol/strict"]).await?;
        ensure!(found["status"]["violations"]["total"] == 2, "{}", found["status"]["violations"]);
        Ok(true)
    })
    .await?;
    condition(cluster, "NotNeeded", "serves no reports").await?;
    let (code, text) = cluster.ask_replica(OPERATOR, "/readyz").await?;
    ensure!(code == 200, "{text}");
    crds(cluster, "apply", &tools::policy_reports()).await
}

async fn what_is_in_the_namespace(cluster: &Cluster) -> Result<()> {
    let shop = reports(cluster, POLICY_REPORT, "shop", &SHOP).await?;
    let result = &shop["results"][0];
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
    ensure!(shop["scope"]["name"] == "shop" && shop["summary"]["warn"] == 1, "{shop}");
    reports(cluster, POLICY_REPORT, "till", &["strict allowPrivileged warn scan"]).await?;
    reports(cluster, POLICY_REPORT, "standard", &["d8-pod-security-baseline-warn privileged warn old"])
        .await?;
    let clusterwide =
        reports(cluster, "clusterpolicyreports.wgpolicyk8s.io", "", &["owners requiredLabels warn shop"])
            .await?;
    ensure!(
        clusterwide["results"][0]["severity"] == "low" && clusterwide["scope"].is_null(),
        "{clusterwide}"
    );
    ensure!(report(cluster, POLICY_REPORT, "quiet").await?.is_null(), "a report of nothing");
    condition(cluster, "Written", "PolicyReport of wgpolicyk8s.io and ClusterPolicyReport of wgpolicyk8s.io")
        .await?;
    cluster.measures(OPERATOR, r#"gatewright_report_results{result="warn"}"#, "4").await?;
    let table = cluster.kubectl_ok(&["get", "policyreports", "-n", "shop"]).await?;
    ensure!(table.contains("gatewright") && table.contains("WARN"), "{table}");
    Ok(())
}

/// With the optional role, whoever may view a namespace reads its report, and no other.
async fn only_the_namespace_is_seen(cluster: &Cluster) -> Result<()> {
    let role = paths::component("report-viewers");
    cluster.kubectl_ok(&["apply", "-f", role.to_str().context("not UTF-8")?]).await?;
    cluster
        .kubectl_ok(&["create", "rolebinding", "team", "-n", "shop", "--clusterrole=view", "--user=team"])
        .await?;
    let may = async |namespace: &str| -> Result<bool> {
        let arguments = ["get", POLICY_REPORT, "gatewright", "-n", namespace, "--as=team"];
        Ok(cluster.kubectl(&arguments, None).await?.status.success())
    };
    until("the team reads its report", SOON, async || may("shop").await).await?;
    ensure!(!may("till").await?, "the team reads the report of another");
    let policies = cluster.kubectl(&["get", "secpol", "--as=team"], None).await?;
    ensure!(!policies.status.success(), "the team reads policies");
    Ok(())
}

async fn edits_are_undone(cluster: &Cluster) -> Result<()> {
    let before = report(cluster, POLICY_REPORT, "shop").await?;
    for patch in [
        r#"{"results": []}"#,
        r#"{"summary": {"warn": 7}, "scopeSelector": {"matchLabels": {"a": "b"}}}"#,
        r#"{"metadata": {"labels": {"gatewright.io/owner": null, "app.kubernetes.io/managed-by": null}}}"#,
    ] {
        cluster
            .kubectl_ok(&["patch", POLICY_REPORT, "gatewright", "-n", "shop", "--type=merge", "-p", patch])
            .await?;
        until(&format!("{patch} is undone"), SOON, async || {
            let now = report(cluster, POLICY_REPORT, "shop").await?;
            let same = |field: &str| now[field] == before[field];
            let labels = now["metadata"]["labels"] == before["metadata"]["labels"];
            ensure!(labels && ["summary", "scope", "scopeSelector"].into_iter().all(same), "{now}");
            ensure!(rows(&now) == SHOP, "{now}");
            Ok(true)
        })
        .await?;
    }
    cluster.kubectl_ok(&["delete", POLICY_REPORT, "gatewright", "-n", "shop"]).await?;
    reports(cluster, POLICY_REPORT, "shop", &SHOP).await.map(drop)
}

async fn kinds_come_and_go(cluster: &Cluster) -> Result<()> {
    // openreports.io is preferred: what was written before goes.
    crds(cluster, "apply", &tools::open_reports()).await?;
    let report = reports(cluster, OPEN_REPORT, "shop", &SHOP).await?;
    ensure!(
        report["source"] == "gatewright" && report["configuration"]["limits"]["maxResults"] == 500,
        "{report}"
    );
    reports(cluster, "clusterreports.openreports.io", "", &["owners requiredLabels warn shop"]).await?;
    for namespace in ["shop", "till", "standard"] {
        reports(cluster, POLICY_REPORT, namespace, &[]).await?;
    }
    reports(cluster, "clusterpolicyreports.wgpolicyk8s.io", "", &[]).await?;
    condition(cluster, "Written", "Report of openreports.io and ClusterReport of openreports.io").await?;
    crds(cluster, "delete", &tools::open_reports()).await?;
    reports(cluster, POLICY_REPORT, "shop", &SHOP).await?;
    crds(cluster, "delete", &tools::policy_reports()).await?;
    condition(cluster, "NotNeeded", "serves no reports").await?;
    crds(cluster, "apply", &tools::policy_reports()).await?;
    reports(cluster, POLICY_REPORT, "shop", &SHOP).await.map(drop)
}

async fn what_is_gone_is_gone(cluster: &Cluster) -> Result<()> {
    cluster.kubectl_ok(&["delete", "pod", "web", "-n", "shop", "--force"]).await?;
    until("the report of a fixed namespace is gone", SOON, async || {
        Ok(report(cluster, POLICY_REPORT, "shop").await?.is_null())
    })
    .await?;
    cluster.kubectl_ok(&["delete", "namespace", "till", "--timeout=100s"]).await?;
    ensure!(report(cluster, POLICY_REPORT, "till").await?.is_null(), "a report in a namespace that is gone");
    cluster.put(&privileged_pod("shop", "web")).await?;
    reports(cluster, POLICY_REPORT, "shop", &SHOP).await?;
    cluster.kubectl_ok(&["delete", "secpol/strict", "oppol/owners"]).await?;
    for (kind, namespace) in [(POLICY_REPORT, "shop"), ("clusterpolicyreports.wgpolicyk8s.io", "")] {
        until("what a deleted policy found is gone", SOON, async || {
            Ok(report(cluster, kind, namespace).await?.is_null())
        })
        .await?;
    }
    condition(cluster, "Written", "PolicyReport").await
}
