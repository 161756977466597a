//! What reports say where not everything is known, or not everything is to be listed.

use anyhow::{Result, ensure};
use gatewright_e2e::manifests::namespace;
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, SOON, Scenario, tools, until};

use super::{
    POLICY_REPORT, audits, condition, crds, labels_required, policy, report, reports, rows, scenario, secret,
    writes,
};

const INCOMPLETE: &str = "owners - skip -";

#[tokio::test(flavor = "multi_thread")]
async fn a_report_never_says_more_than_is_known() -> Result<()> {
    let spaces = ["full", "shop", "quiet", "elsewhere"].map(namespace);
    let scenario = scenario("test-reports-bounds", &[]).objects(spaces);
    Scenario::run(scenario, async |cluster| {
        crds(cluster, "apply", &tools::policy_reports()).await?;
        let mut secrets: Vec<_> = (10..35).map(|i| secret(&format!("secret-{i}"), "full")).collect();
        secrets.push(secret("late", "shop"));
        cluster.put_all(&secrets).await?;
        cluster.start_operator().await?;
        let namespaces = ["full", "shop", "quiet"];
        cluster
            .put(&policy("OperationPolicy", "owners", "Deny", &namespaces, &labels_required("/Secret")))
            .await?;
        truncated(cluster).await?;
        nothing_is_written_while_nothing_changes(cluster).await?;
        complete_again(cluster).await?;
        left_over(cluster).await
    })
    .await
}

/// Audit lists the first 20 of 26 violations, all of them in one namespace.
async fn truncated(cluster: &Cluster) -> Result<()> {
    for namespace in ["shop", "quiet"] {
        let report = reports(cluster, POLICY_REPORT, namespace, &[INCOMPLETE]).await?;
        let message = report["results"][0]["message"].as_str().unwrap_or_default();
        ensure!(message.contains("more violations of the OperationPolicy owners than it lists"), "{message}");
    }
    let full = report(cluster, POLICY_REPORT, "full").await?;
    ensure!(full["summary"]["fail"] == 20 && full["summary"]["skip"] == 1, "{full}");
    ensure!(rows(&full)[..2] == [INCOMPLETE.to_owned(), "owners requiredLabels fail secret-10".to_owned()]);
    ensure!(report(cluster, POLICY_REPORT, "elsewhere").await?.is_null(), "out of reach");
    let clusterwide = report(cluster, "clusterpolicyreports.wgpolicyk8s.io", "").await?;
    ensure!(clusterwide.is_null(), "the policy looks at nothing outside of namespaces: {clusterwide}");
    cluster.measures(OPERATOR, "gatewright_constraints_truncated", "1").await
}

async fn nothing_is_written_while_nothing_changes(cluster: &Cluster) -> Result<()> {
    audits(cluster, "d8operationpolicy/owners", 3).await?;
    let before = writes(cluster)?;
    audits(cluster, "d8operationpolicy/owners", 4).await?;
    ensure!(writes(cluster)? == before, "{} writes in a steady state", writes(cluster)? - before);
    ensure!(before > 10, "the audit log is not what it was: {before}");
    Ok(())
}

/// With 16 violations all are listed: nothing is left open, and what was not said before is.
async fn complete_again(cluster: &Cluster) -> Result<()> {
    let names: Vec<_> = (10..20).map(|i| format!("secret-{i}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    cluster.kubectl_ok(&[&["delete", "secrets", "-n", "full"], names.as_slice()].concat()).await?;
    reports(cluster, POLICY_REPORT, "shop", &["owners requiredLabels fail late"]).await?;
    reports(cluster, POLICY_REPORT, "quiet", &[]).await?;
    ensure!(report(cluster, POLICY_REPORT, "quiet").await?.is_null(), "a report of nothing");
    let full = report(cluster, POLICY_REPORT, "full").await?;
    ensure!(full["summary"]["fail"] == 15 && full["summary"]["skip"] == 0, "{full}");
    condition(cluster, "Written", "PolicyReport").await
}

/// A policy is deleted while nobody looks.
async fn left_over(cluster: &Cluster) -> Result<()> {
    cluster.kill(OPERATOR).await?;
    cluster.kubectl_ok(&["delete", "oppol/owners"]).await?;
    until("the constraint is gone", SOON, async || {
        Ok(cluster.find(&["d8operationpolicy/owners"]).await?.is_null())
    })
    .await?;
    ensure!(!report(cluster, POLICY_REPORT, "shop").await?.is_null(), "nobody looked");
    cluster.restart(OPERATOR).await?;
    until("what was left is gone", SOON, async || Ok(report(cluster, POLICY_REPORT, "shop").await?.is_null()))
        .await
}

/// How many violations are listed is Gatekeeper's to say: with the limit raised as documented, all are.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_higher_limit_more_is_reported() -> Result<()> {
    let scenario = scenario("test-reports-limit", &["--constraint-violations-limit=30"]);
    Scenario::run(scenario.objects([namespace("full")]), async |cluster| {
        crds(cluster, "apply", &tools::policy_reports()).await?;
        cluster.start_operator().await?;
        cluster
            .put(&policy("OperationPolicy", "owners", "Dryrun", &["full"], &labels_required("/Secret")))
            .await?;
        for (count, listed, skipped) in [(30, 30, 0), (31, 30, 1)] {
            let items: Vec<_> = (0..count).map(|i| secret(&format!("secret-{i}"), "full")).collect();
            cluster.put_all(&items).await?;
            until(&format!("{listed} of {count} are listed"), SOON, async || {
                let summary = &report(cluster, POLICY_REPORT, "full").await?["summary"];
                ensure!(summary["warn"] == listed && summary["skip"] == skipped, "{summary}");
                Ok(true)
            })
            .await?;
        }
        Ok(())
    })
    .await
}
