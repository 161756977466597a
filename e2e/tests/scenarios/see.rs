//! What the commands that look at a cluster say of a release, run by its administrator, by a viewer and by somebody who may
//! see nothing; and what `helm test` runs.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::chart::{self, NAMESPACE, NO_IMAGE, objects};
use gatewright_e2e::container::{self, Place};
use gatewright_e2e::manifests::security_policy;
use gatewright_e2e::operator::binary;
use gatewright_e2e::{Cluster, Output, SOON, until};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// Runs the command line as the administrator of the cluster, or as the user that `--as` names.
pub async fn gatewright(cluster: &Cluster, arguments: &[&str]) -> Result<Output> {
    let mut command = tokio::process::Command::new(binary()?);
    command.args(arguments).arg("--kubeconfig").arg(cluster.kubeconfig());
    output(command).await
}

/// Runs the command line where no cluster is asked.
pub async fn without_cluster(arguments: &[&str]) -> Result<Output> {
    let mut command = tokio::process::Command::new(binary()?);
    command.args(arguments);
    output(command).await
}

async fn output(mut command: tokio::process::Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    Ok(Output {
        status: output.status,
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

/// A release is ready, with one policy named baseline.
pub async fn a_release_is_seen(cluster: &Cluster) -> Result<()> {
    let waited = gatewright(cluster, &["status", "--wait"]).await?;
    ensure!(waited.status.success(), "{waited:?}");
    for says in [
        "gatekeeper   v3.",
        "1 webhook, 1 audit   failurePolicy ",
        "   2 replicas   leader gatewright-",
        "   settings in force   CRDs current\n",
        "standards    baseline deny in ",
        "SecurityPolicy\n└─ baseline   Deny   Ready   ",
        "\nthe policy is enforced\n",
    ] {
        ensure!(waited.stdout.contains(says), "no {says:?}: {}", waited.stdout);
    }
    let one = gatewright(cluster, &["status", "secpol/baseline"]).await?;
    ensure!(one.stdout.contains("process   gatekeeper-0 enforces it, generation 1\n"), "{one:?}");
    ensure!(one.status.success(), "{one:?}");
    let none = gatewright(cluster, &["status", "secpol/nowhere"]).await?;
    ensure!(
        none.status.code() == Some(2) && none.stderr.contains("there is no SecurityPolicy/nowhere"),
        "{none:?}"
    );
    rights(cluster).await?;
    what_is_not_ready(cluster).await?;
    probes(cluster).await
}

/// The role of the chart suffices; who may see nothing reads what is missing and which right that needs.
async fn rights(cluster: &Cluster) -> Result<()> {
    let bind = ["create", "clusterrolebinding", "viewer", "--clusterrole=gatewright-viewer", "--user=viewer"];
    cluster.kubectl_ok(&bind).await?;
    until("the viewer sees everything", SOON, async || {
        let seen = gatewright(cluster, &["status", "-o", "json", "--as", "viewer"]).await?;
        ensure!(seen.status.success(), "{seen:?}");
        let document: Value = serde_json::from_str(&seen.stdout)?;
        ensure!(document["kind"] == "Status" && document["ready"] == true, "{document}");
        ensure!(document["incomplete"] == json!([]) && document["operator"]["replicas"] == 2, "{document}");
        let process = &document["policies"][0]["processes"][0];
        ensure!(process["name"] == "gatekeeper-0" && process["enforced"] == true, "{document}");
        Ok(true)
    })
    .await?;
    let nothing = gatewright(cluster, &["status", "--as", "nobody"]).await?;
    ensure!(nothing.status.code() == Some(2), "{nothing:?}");
    ensure!(nothing.stdout.ends_with("not all policies are shown\n"), "{nothing:?}");
    for right in [
        "not shown: securitypolicies (needs list on securitypolicies.deckhouse.io)",
        "not shown: gatewrightstatuses (needs list on gatewrightstatuses.gatewright.io)",
        "not shown: d8securitypolicy (needs list on d8securitypolicy.constraints.gatekeeper.sh)",
        "not shown: pods (needs list on pods)",
    ] {
        ensure!(nothing.stderr.contains(right), "no {right:?}: {}", nothing.stderr);
    }
    Ok(())
}

/// A policy that does not compile is named with its field, and the exit code says so.
async fn what_is_not_ready(cluster: &Cluster) -> Result<()> {
    // Null says neither that it may nor that it may not.
    let broken = security_policy("broken", &json!({"allowHostPID": null}));
    cluster.put(&broken).await?;
    until("status names the policy", SOON, async || {
        let seen = gatewright(cluster, &["status"]).await?;
        ensure!(seen.status.code() == Some(1), "{seen:?}");
        ensure!(seen.stdout.contains("├─ broken     Deny   invalid"), "{seen:?}");
        ensure!(seen.stdout.contains("1 of 2 policies is not enforced as written"), "{seen:?}");
        Ok(true)
    })
    .await?;
    cluster.kubectl_ok(&["delete", "secpol/broken"]).await.map(drop)
}

/// What the chart has `helm test` run, under its own account; and a namespace in which a privileged Pod passes.
async fn probes(cluster: &Cluster) -> Result<()> {
    let hooks = objects(&chart::template(&[NO_IMAGE])?)?
        .into_iter()
        .filter(|(_, object)| object["metadata"]["annotations"]["helm.sh/hook"] == "test");
    let (pods, others): (Vec<_>, Vec<_>) = hooks.partition(|(name, _)| name.starts_with("Pod/"));
    ensure!(pods.len() == 1 && others.len() == 3, "{} Pods and {} others", pods.len(), others.len());
    for (_, object) in others {
        cluster.put(&object).await?;
    }
    // As Kubernetes' own standard wants it in this namespace.
    let (_, pod) = pods.into_iter().next().context("no Pod")?;
    let judged = ["create", "--dry-run=server", "-f", "-"];
    cluster.kubectl(&judged, Some(&pod.to_string())).await?.success()?;
    let pod: Pod = serde_json::from_value(pod)?;
    let server = cluster.server()?;
    let kubeconfig =
        cluster.service_account_kubeconfig_at(&server, NAMESPACE, "gatewright-test", "test").await?;
    let place = Place {
        program: binary()?,
        volumes: cluster.directory().join("pods").join("test"),
        ports: [].into(),
        kubeconfig,
    };
    let tested = output(container::command(&pod, &place)?.into()).await?;
    ensure!(tested.status.success(), "{tested:?}");
    let says = "refused   a privileged Pod in default, by webhook validation.gatekeeper.sh: ";
    ensure!(tested.stdout.starts_with(says), "{tested:?}");

    let passes = gatewright(cluster, &["status", "--probe", "gatekeeper-system"]).await?;
    ensure!(passes.status.code() == Some(1), "{passes:?}");
    ensure!(
        passes.stdout.starts_with("passed    a privileged Pod would be created in gatekeeper-system"),
        "{passes:?}"
    );
    let forbidden = gatewright(cluster, &["status", "--probe", "default", "--as", "viewer"]).await?;
    ensure!(forbidden.status.code() == Some(2) && forbidden.stdout.is_empty(), "{forbidden:?}");
    ensure!(forbidden.stderr.contains("needs create on pods"), "{forbidden:?}");
    Ok(())
}
