//! What reports say where not everything is known, or not everything is to be listed.

use anyhow::{Result, ensure};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{tools, until};
use serde_json::json;

use super::{
    POLICY_REPORT, SOON, World, labels_required, namespace, own, policy, rows, scenario, scenario_with,
    secret,
};

const INCOMPLETE: &str = "owners - skip -";

#[tokio::test(flavor = "multi_thread")]
async fn a_report_never_says_more_than_is_known() -> Result<()> {
    scenario("test-reports-bounds", async |world| {
        world.crds("apply", &tools::policy_reports()).await?;
        let list: Vec<_> =
            ["full", "shop", "quiet", "elsewhere", "taken"].map(|it| namespace(it, &own())).into();
        world.put(&json!({"apiVersion": "v1", "kind": "List", "items": list})).await?;
        let mut secrets: Vec<_> = (10..35).map(|i| secret(&format!("secret-{i}"), "full")).collect();
        secrets.extend(["shop", "taken"].map(|it| secret("late", it)));
        world.put(&json!({"apiVersion": "v1", "kind": "List", "items": secrets})).await?;
        let foreign = json!({
            "apiVersion": "wgpolicyk8s.io/v1alpha2", "kind": "PolicyReport",
            "metadata": {"name": "gatewright", "namespace": "taken"}, "summary": {"pass": 1},
        });
        world.put(&foreign).await?;
        world.0.start_operator().await?;
        let namespaces = ["full", "shop", "quiet", "taken"];
        world
            .put(&policy("OperationPolicy", "owners", "Deny", &namespaces, &labels_required("/Secret")))
            .await?;
        truncated(world).await?;
        foreign_reports_stay(world).await?;
        nothing_is_written_while_nothing_changes(world).await?;
        capped(world).await?;
        complete_again(world).await?;
        switched_off(world).await?;
        left_over(world).await
    })
    .await
}

/// Audit lists the first 20 of 27 violations, all of them in one namespace.
async fn truncated(world: &World<'_>) -> Result<()> {
    for namespace in ["shop", "quiet"] {
        let report = world.reports(POLICY_REPORT, namespace, &[INCOMPLETE]).await?;
        let message = report["results"][0]["message"].as_str().unwrap_or_default();
        ensure!(message.contains("more violations of the OperationPolicy owners than it lists"), "{message}");
    }
    let full = world.report(POLICY_REPORT, "full").await?;
    ensure!(full["summary"]["fail"] == 20 && full["summary"]["skip"] == 1, "{full}");
    ensure!(rows(&full)[..2] == [INCOMPLETE.to_owned(), "owners requiredLabels fail secret-10".to_owned()]);
    ensure!(world.report(POLICY_REPORT, "elsewhere").await?.is_null(), "out of reach");
    let clusterwide = world.report("clusterpolicyreports.wgpolicyk8s.io", "").await?;
    ensure!(clusterwide.is_null(), "the policy looks at nothing outside of namespaces: {clusterwide}");
    world.metric("gatewright_constraints_truncated", "1").await
}

async fn foreign_reports_stay(world: &World<'_>) -> Result<()> {
    world.condition("Conflict", "PolicyReport taken/gatewright exists and is not ours").await?;
    world.metric("gatewright_reports_unwritten", "1").await?;
    let report = world.report(POLICY_REPORT, "taken").await?;
    ensure!(report["summary"] == json!({"pass": 1}) && report["metadata"]["generation"] == 1, "{report}");
    until("an event says so", SOON, async || {
        let events = world.kubectl(&["get", "events", "-n", "taken"]).await?;
        ensure!(events.contains("ReportNotWritten"), "{events}");
        Ok(true)
    })
    .await
}

async fn nothing_is_written_while_nothing_changes(world: &World<'_>) -> Result<()> {
    world.audits("d8operationpolicy/owners", 3).await?;
    let before = world.writes()?;
    world.audits("d8operationpolicy/owners", 4).await?;
    ensure!(world.writes()? == before, "{} writes in a steady state", world.writes()? - before);
    ensure!(before > 10, "the audit log is not what it was: {before}");
    Ok(())
}

fn settings(world: &World<'_>, text: &str) -> Result<()> {
    Ok(std::fs::write(world.0.directory().join("settings.yaml"), text)?)
}

async fn capped(world: &World<'_>) -> Result<()> {
    settings(world, "reports: {maxResults: 3}")?;
    let rows = [INCOMPLETE, "owners requiredLabels fail secret-10", "gatewright reports.maxResults skip -"];
    let report = world.reports(POLICY_REPORT, "full", &rows).await?;
    ensure!(report["summary"]["fail"] == 20 && report["summary"]["skip"] == 2, "{report}");
    let message = report["results"][2]["message"].as_str().unwrap_or_default();
    ensure!(message.starts_with("19 more results are counted"), "{message}");
    settings(world, "")
}

/// With 17 violations all are listed: nothing is left open, and what was not told before is.
async fn complete_again(world: &World<'_>) -> Result<()> {
    let names: Vec<_> = (10..20).map(|i| format!("secret-{i}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    world.kubectl(&[&["delete", "secrets", "-n", "full"], names.as_slice()].concat()).await?;
    world.reports(POLICY_REPORT, "shop", &["owners requiredLabels fail late"]).await?;
    world.reports(POLICY_REPORT, "quiet", &[]).await?;
    ensure!(world.report(POLICY_REPORT, "quiet").await?.is_null(), "a report of nothing");
    let full = world.report(POLICY_REPORT, "full").await?;
    ensure!(full["summary"]["fail"] == 15 && full["summary"]["skip"] == 0, "{full}");
    // Once the other report is out of the way, ours comes.
    world.kubectl(&["delete", POLICY_REPORT, "gatewright", "-n", "taken"]).await?;
    world.reports(POLICY_REPORT, "taken", &["owners requiredLabels fail late"]).await?;
    world.condition("Written", "PolicyReport").await
}

async fn switched_off(world: &World<'_>) -> Result<()> {
    world
        .put(&json!({
            "apiVersion": "wgpolicyk8s.io/v1alpha2", "kind": "PolicyReport",
            "metadata": {"name": "scanner", "namespace": "shop"}, "summary": {"pass": 1},
        }))
        .await?;
    settings(world, "reports: {enabled: false}")?;
    until("our reports are gone", SOON, async || {
        let all = world.kubectl(&["get", POLICY_REPORT, "-A", "--no-headers"]).await?;
        ensure!(all.lines().count() == 1 && all.contains("scanner"), "{all}");
        Ok(true)
    })
    .await?;
    world.condition("NotNeeded", "reports.enabled is false").await?;
    settings(world, "")?;
    world.reports(POLICY_REPORT, "shop", &["owners requiredLabels fail late"]).await.map(drop)
}

/// A policy is deleted while nobody looks.
async fn left_over(world: &World<'_>) -> Result<()> {
    world.0.kill(OPERATOR).await?;
    world.kubectl(&["delete", "oppol/owners"]).await?;
    until("the constraint is gone", SOON, async || {
        Ok(world.get(&["d8operationpolicy/owners"]).await?.is_null())
    })
    .await?;
    ensure!(!world.report(POLICY_REPORT, "shop").await?.is_null(), "nobody looked");
    world.0.restart(OPERATOR).await?;
    until("what was left is gone", SOON, async || Ok(world.report(POLICY_REPORT, "shop").await?.is_null()))
        .await
}

/// How many violations are listed is Gatekeeper's to say: with the limit raised as documented, all are.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_higher_limit_more_is_told() -> Result<()> {
    scenario_with("test-reports-limit", &["--constraint-violations-limit=30"], async |world| {
        world.crds("apply", &tools::policy_reports()).await?;
        world.put(&namespace("full", &own())).await?;
        world.0.start_operator().await?;
        world
            .put(&policy("OperationPolicy", "owners", "Dryrun", &["full"], &labels_required("/Secret")))
            .await?;
        for (count, listed, skipped) in [(30, 30, 0), (31, 30, 1)] {
            let items: Vec<_> = (0..count).map(|i| secret(&format!("secret-{i}"), "full")).collect();
            world.put(&json!({"apiVersion": "v1", "kind": "List", "items": items})).await?;
            until(&format!("{listed} of {count} are listed"), SOON, async || {
                let summary = &world.report(POLICY_REPORT, "full").await?["summary"];
                ensure!(summary["warn"] == listed && summary["skip"] == skipped, "{summary}");
                Ok(true)
            })
            .await?;
        }
        Ok(())
    })
    .await
}
