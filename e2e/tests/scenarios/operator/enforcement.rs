//! What it takes to be called enforced, and what a cluster costs in which nothing happens.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_e2e::answers::{Answers, writes};
use gatewright_e2e::manifests::{namespace, no_privileged, privileged_pod, security_policy};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, Condition, FailurePolicy, Options, SOON, Scenario, until};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn enforced_means_every_process_and_a_route() -> Result<()> {
    let options = Options {
        gatekeepers: Options::gatekeeper_names(2),
        failure_policy: FailurePolicy::Ignore,
        ..Options::new("test-enforced")
    };
    let scenario = Scenario::on(options).objects([namespace("shop")]);
    Scenario::run(scenario, async |cluster| {
        cluster.put(&security_policy("strict", &no_privileged())).await?;
        cluster.ready("secpol/strict").await?;
        let says = "enforced by gatekeeper-0, gatekeeper-1; the webhook's failure policy is Ignore";
        cluster.condition("secpol/strict", Condition::yes("Enforced", "Enforced", says)).await?;

        // A process that is down keeps what it had; it has not seen the edit.
        cluster.stop("gatekeeper-1").await?;
        cluster
            .put(&security_policy("strict", &json!({"allowPrivileged": false, "allowHostNetwork": false})))
            .await?;
        let says = "gatekeeper-1 has generation 1 of the constraint, not 2";
        cluster.condition("secpol/strict", Condition::no("Enforced", "NotEnforcedBy", says)).await?;
        cluster.restart("gatekeeper-1").await?;
        cluster.ready("secpol/strict").await?;

        let webhook = "validatingwebhookconfiguration/gatekeeper-validating-webhook-configuration";
        cluster.kubectl_ok(&["delete", webhook]).await?;
        let says = "the API server does not ask Gatekeeper";
        cluster.condition("secpol/strict", Condition::no("Enforced", "NotRouted", says)).await?;

        // What the operator may not see it does not guess.
        let mut role = cluster.get(&["clusterrole/gatewright"]).await?;
        let rules = role["rules"].as_array_mut().context("no rules")?;
        rules.retain(|rule| rule["resources"] != json!(["pods"]));
        let patch = json!({"rules": rules}).to_string();
        cluster.kubectl_ok(&["patch", "clusterrole/gatewright", "--type=merge", "-p", &patch]).await?;
        cluster.restart(OPERATOR).await?;
        let says = "the operator may not watch the Pods of Gatekeeper's namespace";
        cluster.condition("secpol/strict", Condition::no("Enforced", "NoGatekeeperProcess", says)).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steady_cluster_sees_no_write() -> Result<()> {
    let options = Options { audit_interval: 2, ..Options::new("test-steady") };
    let scenario = Scenario::on(options).objects([namespace("shop")]);
    Scenario::run(scenario, async |cluster| {
        // Violations, so that audit rewrites the constraints' status again and again.
        for i in 0..3 {
            cluster.create(&privileged_pod("shop", &format!("old-{i}"))).await?;
        }
        for i in 0..10 {
            cluster.put(&security_policy(&format!("p{i}"), &no_privileged())).await?;
        }
        cluster.all_ready("secpol").await?;
        until("audit has found the old Pods", SOON, async || {
            Ok(cluster.get(&["d8securitypolicy/p0"]).await?["status"]["totalViolations"] == 3)
        })
        .await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (writes, all) = requests(cluster)?;
        ensure!(
            writes > 20 && all > writes,
            "the audit log misses the operator's requests: {writes} of {all}"
        );
        let said = std::fs::read_to_string(cluster.log(OPERATOR))?;
        let audited = cluster.get(&["d8securitypolicy/p0"]).await?["status"]["auditTimestamp"].clone();
        tokio::time::sleep(Duration::from_secs(12)).await;
        ensure!(
            cluster.get(&["d8securitypolicy/p0"]).await?["status"]["auditTimestamp"] != audited,
            "no audit ran"
        );
        let (later, _) = requests(cluster)?;
        ensure!(writes == later, "{} writes in a steady cluster", later - writes);
        ensure!(
            said == std::fs::read_to_string(cluster.log(OPERATOR))?,
            "the operator talks in a steady cluster"
        );
        Ok(())
    })
    .await
}

/// How many requests that write, and how many at all, the operator has made so far.
fn requests(cluster: &Cluster) -> Result<(usize, usize)> {
    let all = Answers::new(&cluster.audit_log()).all()?;
    let ours = all.iter().filter(|answer| answer.is_operators()).count();
    Ok((writes(&all).values().sum(), ours))
}
