//! A release with the verifier, from `helm install` to where it is taken away again: operator and verifier run as the chart's
//! Pods say, each with the rights that the chart gives it. It is taken away as docs/verifier.md says.

use anyhow::{Result, ensure};
use gatewright_e2e::chart::{self, NAMESPACE, NO_IMAGE, RELEASE};
use gatewright_e2e::manifests::{namespace, no_privileged, security_policy};
use gatewright_e2e::operator::OPERATOR_USER;
use gatewright_e2e::signatures::Asker;
use gatewright_e2e::{Cluster, Condition, Options, SOON, VERIFIER_PORT, rights, until};
use gatewright_operator::rbac;
use serde_json::json;

const VERIFIER_USER: &str = "system:serviceaccount:gatewright-system:gatewright-verifier";
const SYSTEM: &str = "gatewrightstatus/cluster";
const POLICY: &str = "secpol/signed";
const KEY: &str = include_str!("../../../../crates/signatures/tests/fixtures/keys/p256.pub");

#[tokio::test(flavor = "multi_thread")]
async fn a_release_with_the_verifier() -> Result<()> {
    Cluster::run(Options::new("test-chart-verifier"), async |cluster| {
        helm(cluster, "install", &["verifier.enabled=true"]).await?;
        cluster.with_pods_run(async || Box::pin(the_verifier_comes_and_goes(cluster)).await).await
    })
    .await
}

async fn helm(cluster: &Cluster, verb: &str, values: &[&str]) -> Result<()> {
    // No Service has an address on this machine, so Gatekeeper asks the one replica itself.
    let url = format!("settings.signatures.url=https://127.0.0.1:{}", cluster.port(VERIFIER_PORT)?);
    let chart = chart::folder();
    let chart = chart.to_str().unwrap_or_default();
    let mut arguments = vec![verb, RELEASE, chart, "-n", NAMESPACE];
    arguments.extend((verb == "install").then_some("--create-namespace"));
    for value in [NO_IMAGE, "verifier.replicas=1", &url].iter().chain(values) {
        arguments.extend(["--set", *value]);
    }
    cluster.helm(&arguments).await?.success().map(drop)
}

async fn the_verifier_comes_and_goes(cluster: &Cluster) -> Result<()> {
    cluster.condition(SYSTEM, Condition::yes("Verifier", "Answering", "")).await?;
    let entry = json!({"reference": "registry.invalid/*", "publicKeys": [KEY]});
    let mut policies = no_privileged();
    policies["verifyImageSignatures"] = json!([entry]);
    cluster.put_all(&[namespace("shop"), security_policy("signed", &policies)]).await?;
    cluster.ready(POLICY).await?;
    let asker = Asker(cluster.client().await?);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried", "namespace": "shop"},
        "spec": {"containers": [{"name": "app", "image": "registry.invalid/app:1"}]},
    });
    until("an image of a registry that nobody has is refused", SOON, async || {
        asker.tries(&pod).await?.refuses("the registry does not answer").map(|()| true)
    })
    .await?;
    rights_suffice(cluster)?;

    // The settings change in the volumes of both.
    helm(cluster, "upgrade", &["verifier.enabled=true", "verifier.suspended=true"]).await?;
    cluster.condition(POLICY, Condition::no("Enforced", "VerifierDisabled", "")).await?;
    until("nobody asks for signatures", SOON, async || asker.tries(&pod).await?.passes().map(|()| true))
        .await?;
    for left in [
        "constrainttemplate/d8verifyimagesignatures",
        "provider.externaldata.gatekeeper.sh/gatewright-verifier",
    ] {
        cluster.gone(left).await?;
    }
    until("the Secret is gone", SOON, async || {
        let found = cluster.kubectl_ok(&["get", "secrets", "-n", NAMESPACE, "-o", "name"]).await?;
        Ok(!found.contains("gatewright-verifier-tls"))
    })
    .await?;
    rights_suffice(cluster)?;
    helm(cluster, "upgrade", &[]).await?;
    let found = cluster.kubectl_ok(&["get", "all,sa,netpol,pdb", "-n", NAMESPACE, "-o", "name"]).await?;
    ensure!(!found.contains("/gatewright-verifier\n"), "{found}");
    Ok(())
}

/// No request of the two is forbidden, and the operator asks for nothing beside the table.
fn rights_suffice(cluster: &Cluster) -> Result<()> {
    let log = std::fs::read_to_string(cluster.audit_log())?;
    let problems = rights::problems(&rbac::rules(), NAMESPACE, &rights::asked_by(OPERATOR_USER, &log)?);
    let problems: Vec<_> = problems.into_iter().filter(|problem| !problem.starts_with("unused")).collect();
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    let asked = rights::asked_by(VERIFIER_USER, &log)?;
    ensure!(asked.iter().any(|it| it.resource == "d8verifyimagesignatures"), "the verifier asked nothing");
    let forbidden: Vec<_> = asked.iter().filter(|it| it.forbidden).collect();
    ensure!(forbidden.is_empty(), "{forbidden:?}");
    let writes: Vec<_> = asked.iter().filter(|it| !["get", "list", "watch"].contains(&&*it.verb)).collect();
    ensure!(writes.is_empty(), "{writes:?}");
    Ok(())
}
