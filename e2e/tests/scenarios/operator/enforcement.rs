//! What it takes to be called enforced, and what a cluster costs in which nothing happens.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{FailurePolicy, Options, until};
use serde_json::json;

use super::{SOON, namespace, no_privileged, privileged, scenario, security_policy};

#[tokio::test(flavor = "multi_thread")]
async fn enforced_means_every_process_and_a_route() -> Result<()> {
    let options = Options {
        gatekeepers: Options::gatekeeper_names(2),
        failure_policy: FailurePolicy::Ignore,
        ..Options::new("test-enforced")
    };
    scenario(options, async |world| {
        world.put(&namespace("shop")).await?;
        world.put(&security_policy("strict", &no_privileged())).await?;
        world.ready("secpol/strict").await?;
        let says = "enforced by gatekeeper-0, gatekeeper-1; the webhook's failure policy is Ignore";
        world.condition("secpol/strict", "Enforced", "True", "Enforced", says).await?;

        // A process that is down keeps what it had; it has not seen the edit.
        world.0.stop("gatekeeper-1").await?;
        world
            .put(&security_policy("strict", &json!({"allowPrivileged": false, "allowHostNetwork": false})))
            .await?;
        let says = "gatekeeper-1 has generation 1 of the constraint, not 2";
        world.condition("secpol/strict", "Enforced", "False", "NotEnforcedBy", says).await?;
        world.0.restart("gatekeeper-1").await?;
        world.ready("secpol/strict").await?;

        // Gatekeeper's Config exempts namespaces from every constraint.
        let config = json!({
            "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
            "metadata": {"name": "config", "namespace": "gatekeeper-system"},
            "spec": {"match": [{"excludedNamespaces": ["sh*"], "processes": ["webhook"]}]},
        });
        world.put(&config).await?;
        world
            .condition("secpol/strict", "Enforced", "True", "Enforced", "Gatekeeper's Config exempts sh*")
            .await?;

        // A webhook that leaves out what the policy is about: of subresources the operator sends the rest itself.
        let webhook = "validatingwebhookconfiguration/gatekeeper-validating-webhook-configuration";
        let trim = async |resource: &str| {
            let patch =
                json!([{"op": "replace", "path": "/webhooks/0/rules/0/resources", "value": [resource]}]);
            world.kubectl(&["patch", webhook, "--type=json", "-p", &patch.to_string()]).await
        };
        trim("*").await?;
        until("the operator sends the subresource", SOON, async || {
            let own = "validatingwebhookconfiguration/gatewright-validating-webhook-configuration";
            let rules = world.get(&[own]).await?["webhooks"][0]["rules"].take();
            Ok(rules[0]["operations"] == json!(["UPDATE"])
                && rules[0]["resources"] == json!(["pods/ephemeralcontainers"]))
        })
        .await?;
        world.ready("secpol/strict").await?;
        trim("deployments").await?;
        let says = "does not send Gatekeeper CREATE of pods";
        world.condition("secpol/strict", "Enforced", "False", "NotRouted", says).await?;
        world.kubectl(&["delete", webhook]).await?;
        let says = "the API server does not ask Gatekeeper";
        world.condition("secpol/strict", "Enforced", "False", "NotRouted", says).await?;

        world.kubectl(&["delete", "pods", "--all", "-n", "gatekeeper-system", "--force"]).await?;
        let says = "no process of Gatekeeper answers admission requests";
        world.condition("secpol/strict", "Enforced", "False", "NoGatekeeperProcess", says).await?;

        // What the operator may not see it does not guess.
        world.kubectl(&["delete", "rolebinding/gatewright", "-n", "gatekeeper-system"]).await?;
        let mut role = world.get(&["clusterrole/gatewright"]).await?;
        let rules = role["rules"].as_array_mut().context("no rules")?;
        rules.retain(|rule| rule["resources"] != json!(["pods"]));
        let patch = json!({"rules": rules}).to_string();
        world.kubectl(&["patch", "clusterrole/gatewright", "--type=merge", "-p", &patch]).await?;
        world.0.restart(OPERATOR).await?;
        let says = "the operator may not watch the Pods of Gatekeeper's namespace";
        world.condition("secpol/strict", "Enforced", "False", "NoGatekeeperProcess", says).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steady_cluster_sees_no_write() -> Result<()> {
    let options = Options { audit_interval: 2, ..Options::new("test-steady") };
    scenario(options, async |world| {
        world.put(&namespace("shop")).await?;
        // Violations, so that audit rewrites the constraints' status again and again.
        for i in 0..3 {
            world.create_pod(&format!("old-{i}"), "shop", privileged()).await?;
        }
        for i in 0..10 {
            world.put(&security_policy(&format!("p{i}"), &no_privileged())).await?;
        }
        world.kubectl(&["wait", "--for=condition=Ready", "secpol", "--all", "--timeout=60s"]).await?;
        until("audit has found the old Pods", SOON, async || {
            Ok(world.get(&["d8securitypolicy/p0"]).await?["status"]["totalViolations"] == 3)
        })
        .await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (writes, all) = world.requests()?;
        ensure!(
            writes > 20 && all > writes,
            "the audit log misses the operator's requests: {writes} of {all}"
        );
        let said = std::fs::read_to_string(world.0.log(OPERATOR))?;
        let audited = world.get(&["d8securitypolicy/p0"]).await?["status"]["auditTimestamp"].clone();
        tokio::time::sleep(Duration::from_secs(12)).await;
        ensure!(
            world.get(&["d8securitypolicy/p0"]).await?["status"]["auditTimestamp"] != audited,
            "no audit ran"
        );
        let (later, _) = world.requests()?;
        ensure!(writes == later, "{} writes in a steady cluster", later - writes);
        ensure!(
            said == std::fs::read_to_string(world.0.log(OPERATOR))?,
            "the operator talks in a steady cluster"
        );
        Ok(())
    })
    .await
}
