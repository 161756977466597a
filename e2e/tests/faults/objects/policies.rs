//! Policies that change places with others.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_e2e::manifests::security_policy;
use gatewright_e2e::{Options, SOON, until};
use serde_json::{Value, json};

use super::{CONSTRAINTS, POLICIES, Scene, scene, sources};

#[tokio::test(flavor = "multi_thread")]
async fn policies_change_places() -> Result<()> {
    scene(Options::new("test-faults-policies"), async |scene| {
        scene.cluster.install_foreign_objects().await?;
        let before = scene.cluster.before_the_fault().await?;
        the_same_name_again(scene).await?;
        another_name(scene).await?;
        twins(scene).await?;
        scene.cluster.becomes_as_desired(&before, &[]).await
    })
    .await
}

/// Deleted and made again at once: the constraint follows, and the garbage collector, which comes for that of the
/// first, leaves that of the second alone.
async fn the_same_name_again(scene: &Scene<'_>) -> Result<()> {
    const TIMES: usize = 20;
    let path = format!("{POLICIES}/securitypolicies");
    let named = format!("{path}/again");
    for round in 0..TIMES {
        let rules =
            if round % 2 == 0 { json!({"allowHostPID": false}) } else { json!({"allowHostIPC": false}) };
        scene.create(&path, &security_policy("again", &rules)).await?;
        // Now and then before anything came of it.
        if round % 4 == 0 {
            scene.cluster.ready("secpol/again").await?;
        } else {
            tokio::time::sleep(Duration::from_millis(40 * round as u64)).await;
        }
        if round + 1 < TIMES {
            scene.delete(&named).await?;
        }
    }
    scene.cluster.ready("secpol/again").await?;
    let policy = scene.at(&named).await?.context("no policy")?;
    let belongs = |constraint: &Value| {
        constraint["metadata"]["ownerReferences"][0]["uid"] == policy["metadata"]["uid"]
            && constraint["spec"]["parameters"] == json!({"allowHostIPC": false})
    };
    let path = format!("{CONSTRAINTS}/d8securitypolicy/again");
    let constraint = scene.becomes("the constraint is the last policy's", &path, belongs).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let later = scene.at(&path).await?.context("the constraint was deleted")?;
    ensure!(constraint["metadata"]["uid"] == later["metadata"]["uid"], "the constraint was made anew");
    Ok(())
}

/// What is called renaming: the new one comes, the old one goes.
async fn another_name(scene: &Scene<'_>) -> Result<()> {
    scene.cluster.put(&security_policy("renamed", &json!({"allowHostIPC": false}))).await?;
    scene.cluster.kubectl_ok(&["delete", "secpol/again"]).await?;
    scene.cluster.ready("secpol/renamed").await?;
    let old = format!("{CONSTRAINTS}/d8securitypolicy/again");
    until("the old constraint is gone", SOON, async || Ok(scene.at(&old).await?.is_none())).await
}

/// The two kinds share no names.
async fn twins(scene: &Scene<'_>) -> Result<()> {
    scene.cluster.put(&security_policy("twin", &json!({"allowHostIPC": false}))).await?;
    scene.cluster.put(&sources("twin")).await?;
    scene.cluster.ready("secpol/twin").await?;
    scene.cluster.ready("oppol/twin").await?;
    let stays = format!("{CONSTRAINTS}/d8operationpolicy/twin");
    let before = scene.at(&stays).await?.context("no constraint")?;
    scene.cluster.kubectl_ok(&["delete", "secpol/twin"]).await?;
    let goes = format!("{CONSTRAINTS}/d8securitypolicy/twin");
    until("the constraint of one is gone", SOON, async || Ok(scene.at(&goes).await?.is_none())).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = scene.at(&stays).await?.context("the constraint of the other is gone, too")?;
    ensure!(before["metadata"]["uid"] == after["metadata"]["uid"], "{after}");
    ensure!(before["metadata"]["generation"] == after["metadata"]["generation"], "{after}");
    scene.cluster.ready("oppol/twin").await
}
