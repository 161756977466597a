//! A measurement.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use gatewright_e2e::manifests::{labelled_pod, namespace};
use gatewright_e2e::{Cluster, Options};
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::core::{ApiResource, DynamicObject};
use serde_json::{Value, json};

use super::UPSTREAM;

/// What the inventory of the guard costs a Gatekeeper process. `cargo test … --test scenarios -- memory --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a check; GATEWRIGHT_PODS says how many Pods"]
async fn memory_of_the_inventory() -> Result<()> {
    let count: usize = std::env::var("GATEWRIGHT_PODS").map_or(Ok(10_000), |count| count.parse())?;
    let options = Options { nodes: 0, audit_interval: 3600, ..Options::new("bench-inventory") };
    Cluster::run(options, async |cluster| {
        cluster.put(&namespace("many")).await?;
        cluster.kubectl_ok(&["delete", UPSTREAM]).await?;
        let pods: kube::Api<DynamicObject> =
            kube::Api::namespaced_with(cluster.client().await?, "many", &ApiResource::erase::<Pod>(&()));
        let create = |number| {
            let pods = pods.clone();
            async move {
                let pod = serde_json::from_value(large_pod(number))?;
                anyhow::Ok(pods.create(&PostParams::default(), &pod).await?)
            }
        };
        let bytes = serde_json::to_vec(&create(0).await?)?.len();
        let created = futures::stream::iter((1..count).map(create)).buffer_unordered(32);
        created.try_for_each(|_| std::future::ready(Ok(()))).await?;
        let before = resident(cluster).await?;
        cluster.put(&json!(gatewright_compiler::sync_set())).await?;
        let after = resident(cluster).await?;
        println!(
            "{count} Pods of {bytes} bytes; MiB resident and at most: {before:?}, with inventory {after:?}"
        );
        Ok(())
    })
    .await
}

/// A Pod as large as usual ones, that nothing touches: gated, so that the scheduler leaves it alone.
fn large_pod(number: usize) -> Value {
    let variables: Vec<_> = (0..12)
        .map(|i| json!({"name": format!("VARIABLE_{i}"), "value": format!("value-{i}-of-{number}")}))
        .collect();
    let container = |name: &str| {
        let probe = json!({"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10});
        json!({
            "name": name, "image": format!("registry.example.com/team/{name}:1.2.{number}"), "env": variables,
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "livenessProbe": probe, "readinessProbe": probe,
        })
    };
    let labels = json!({"app": "web", "number": number.to_string()});
    let mut pod = labelled_pod("many", &format!("web-{number}"), &labels);
    // In place of a status, which running Pods have.
    pod["metadata"]["annotations"] = json!({"status": format!("{number:0>1500}")});
    pod["spec"]["containers"] = json!([container("app"), container("sidecar")]);
    pod["spec"]["schedulingGates"] = json!([{"name": "example.com/never"}]);
    pod
}

/// The resident memory of Gatekeeper in MiB now, and at most so far. Go gives memory back over some minutes.
async fn resident(cluster: &Cluster) -> Result<(u64, u64)> {
    tokio::time::sleep(Duration::from_mins(4)).await;
    let running = gatewright_e2e::running(cluster.directory());
    let process = running.iter().find(|process| process.name == "gatekeeper-0");
    let pid = process.context("Gatekeeper does not run")?.pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let of = |field: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
    };
    Ok((of("VmRSS:")?, of("VmHWM:")?))
}
