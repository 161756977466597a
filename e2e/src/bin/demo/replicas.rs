//! Two replicas, of which one writes.

use std::time::Instant;

use anyhow::{Context, Result};

use super::stage::Stage;
use gatewright_e2e::{Cluster, SOON, until};

const REPLICAS: [&str; 2] = ["gatewright-0", "gatewright-1"];

/// How long a leader that is gone holds up the other, in seconds.
const LEASE: &str = "8";

const LEADER: [&str; 6] =
    ["get", "lease", "gatewright", "-n", "gatewright-system", "-o=jsonpath={.spec.holderIdentity}{\"\\n\"}"];

/// Starts both, under the account that `deploy/gatewright.yaml` gives them.
pub(super) async fn start(cluster: &Cluster) -> Result<()> {
    for replica in REPLICAS {
        cluster.start_replica(replica, &["--lease-seconds", LEASE]).await?;
    }
    Ok(())
}

async fn leader(stage: &Stage<'_>) -> Result<&'static str> {
    let holder = stage.quietly(&LEADER).await?.stdout;
    let leads = |replica: &&&str| holder.starts_with(&format!("{replica}_"));
    REPLICAS.iter().find(leads).copied().with_context(|| format!("{holder:?} leads"))
}

/// The leader dies. Gatekeeper goes on with what it has, and the other replica takes over.
pub(super) async fn another_leads_when_one_dies(stage: &mut Stage<'_>) -> Result<()> {
    stage.title("The replica that leads dies, and the other takes over")?;
    stage.kubectl(&LEADER).await?;
    let first = leader(stage).await?;
    stage.note(&format!("kill -9 of {first}"));
    stage.cluster.kill(first).await?;
    let killed = Instant::now();
    let output = stage.dry_run("privileged-pod").await?;
    let refused = output.stderr.contains("[baseline] allowPrivileged");
    stage.check("meanwhile everything is enforced as before", refused);
    let second = until("the other leads", SOON, async || Ok(leader(stage).await? != first)).await;
    stage.note(&format!("another leads {:.1} s after the kill", killed.elapsed().as_secs_f32()));
    stage.kubectl(&LEADER).await?;
    stage.check("the other leads", second.is_ok());
    stage.kubectl(&["delete", "d8operationpolicy", "common"]).await?;
    let back = stage.settles(&["get", "d8operationpolicy", "common"], "common").await;
    let output = stage.kubectl(&["wait", "--for=condition=Ready", "oppol/common", "--timeout=100s"]).await?;
    stage.check("and mends what somebody deletes", back && output.status.success());
    stage.cluster.restart(first).await
}
