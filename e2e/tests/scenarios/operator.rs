//! The operator on the real control plane: good times and bad times.

mod documented;
mod enforcement;
mod last_good;
mod requests;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::manifests::{namespace, no_privileged, operation_policy, security_policy};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, Condition, Options, SOON, Scenario, until};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_not_touched() -> Result<()> {
    let scenario = Scenario::new("test-conflict").without_operator().objects([namespace("shop")]);
    Scenario::run(scenario, async |cluster| {
        // A template of our name that was there first, as Deckhouse's would be.
        let foreign = json!({
            "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
            "metadata": {"name": "d8operationpolicy"},
            "spec": {
                "crd": {"spec": {"names": {"kind": "D8OperationPolicy"}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh",
                             "rego": "package foreign\nviolation[{\"msg\": \"no\"}] { false }"}],
            },
        });
        cluster.put(&foreign).await?;
        let before = cluster.get(&["constrainttemplate/d8operationpolicy"]).await?;
        cluster.start_operator().await?;
        let repositories = json!({"allowedRepos": ["registry.example.com"]});
        cluster.put(&operation_policy("common", &repositories)).await?;
        let says = "ConstraintTemplate d8operationpolicy exists and is not ours";
        cluster.condition("oppol/common", Condition::no("Enforced", "Conflict", says)).await?;
        let after = cluster.get(&["constrainttemplate/d8operationpolicy"]).await?;
        ensure!(
            before["spec"] == after["spec"]
                && before["metadata"]["generation"] == after["metadata"]["generation"]
        );

        cluster.gone("d8operationpolicy/common").await?;
        cluster
            .condition("gatewrightstatus/cluster", Condition::no("TemplatesInstalled", "Conflict", says))
            .await
    })
    .await
}

/// With huge pages the operator takes a fifth more memory (docs/performance.md).
fn takes_no_huge_pages(cluster: &Cluster) -> Result<()> {
    let running = gatewright_e2e::running(cluster.directory());
    let operator = running.iter().find(|process| process.name == OPERATOR).context("no operator runs")?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", operator.pid()))?;
    // Kernels before 5.0 do not say it.
    ensure!(!status.contains("THP_enabled:\t1"), "{status}");
    Ok(())
}

/// Whatever happened while nobody looked is made good, and the check that says so sees each of it before.
#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_the_operator_was_down_is_made_good() -> Result<()> {
    Scenario::run(Scenario::new("test-down"), async |cluster| {
        let before = cluster.populate().await?;
        takes_no_huge_pages(cluster)?;
        cluster.kill(OPERATOR).await?;
        for change in [
            &["delete", "secpol/first-0"][..],
            &["patch", "secpol/first-1", "--type=merge", "-p", r#"{"spec": {"policies": {"allowHostPID": false}}}"#],
            &["patch", "d8securitypolicy/first-2", "--type=merge", "-p", r#"{"spec": {"enforcementAction": "warn"}}"#],
            &["label", "d8securitypolicy/first-3", "--overwrite", "gatewright.io/owner=builtin"],
            &["delete", "syncset/gatewright-pods"],
            &["delete", "d8podsecuritystandard/d8-pod-security-baseline-deny"],
            &["delete", "validatingwebhookconfiguration/gatewright-validating-webhook-configuration"],
        ] {
            cluster.kubectl_ok(change).await?;
        }
        cluster.put(&security_policy("new", &no_privileged())).await?;
        let orphan = json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "D8SecurityPolicy",
            "metadata": {"name": "orphan", "labels": {"gatewright.io/owner": "7d7f5d4c-7f0e-4d5b-9a51-8a7a2f0e2b11"}},
            "spec": {"match": {"namespaces": ["nowhere"]}},
        });
        cluster.put(&orphan).await?;
        let wrong = cluster.not_as_desired(&before, &[]).await?.join("\n");
        for expected in [
            "D8SecurityPolicy/new is missing",
            "D8SecurityPolicy/first-1 is {",
            "D8SecurityPolicy/first-2 is {",
            "D8SecurityPolicy/first-3 belongs to \"builtin\"",
            "D8SecurityPolicy/orphan should not be there",
            "SyncSet/gatewright-pods is missing",
            "D8PodSecurityStandard/d8-pod-security-baseline-deny is missing",
            "our webhook configuration routes null",
            "SecurityPolicy/new is not ready: {",
            "SecurityPolicy/first-1 is not ready: {",
        ] {
            ensure!(wrong.contains(expected), "the check has not seen that {expected}: {wrong}");
        }
        cluster.restart(OPERATOR).await?;
        cluster.becomes_as_desired(&before, &[]).await?;

        cluster.kubectl_ok(&["annotate", "syncset/foreign", "a=b"]).await?;
        let wrong = cluster.not_as_desired(&before, &[]).await?.join("\n");
        ensure!(wrong.contains("SyncSet/foreign, which is not ours, is"), "{wrong}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_around_the_operator_are_survived() -> Result<()> {
    let scenario = Scenario::new("test-restarts");
    Scenario::run(scenario, async |cluster| {
        let before = cluster.populate().await?;
        for (round, process) in ["kube-apiserver", "etcd", "gatekeeper-0"].into_iter().enumerate() {
            cluster.kill(process).await?;
            if process == "kube-apiserver" {
                cluster.readiness(OPERATOR, 503, "cannot be followed now: /api").await?;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            cluster.is_alive(OPERATOR).await?;
            cluster.restart(process).await?;
            let name = format!("after-{round}");
            until("the API server takes a policy", SOON, async || {
                Ok(cluster.put(&security_policy(&name, &no_privileged())).await.is_ok())
            })
            .await?;
            cluster.becomes_as_desired(&before, &[]).await?;
            cluster.enforces(&name).await?;
        }
        cluster.readiness(OPERATOR, 200, "ok: leader\n").await?;
        cluster.is_alive(OPERATOR).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_comes_first_waits_and_says_so() -> Result<()> {
    let options = Options { gatekeepers: vec![], ..Options::new("test-first") };
    let scenario = Scenario::on(options).objects([namespace("shop")]);
    Scenario::run(scenario, async |cluster| {
        cluster.put(&security_policy("strict", &no_privileged())).await?;
        let says = "the API server serves no ConstraintTemplates: install Gatekeeper";
        cluster.condition("secpol/strict", Condition::no("Applied", "WaitingForGatekeeper", says)).await?;
        cluster.condition("secpol/strict", Condition::yes("Valid", "Compiled", "")).await?;
        let log = std::fs::read_to_string(cluster.log(OPERATOR))?;
        ensure!(log.contains("waiting for the kind to be served"), "{log}");

        // Its CRDs alone make no constraint kinds: that takes a process with the operation generate.
        cluster.install_gatekeeper_crds().await?;
        let says = "Gatekeeper has not made the kind D8SecurityPolicy from our template";
        cluster.condition("secpol/strict", Condition::no("Applied", "WaitingForGatekeeper", says)).await?;

        cluster.install_gatekeeper(&Options::gatekeeper_names(1)).await?;
        cluster.ready("secpol/strict").await?;
        cluster.enforces("strict").await
    })
    .await
}
