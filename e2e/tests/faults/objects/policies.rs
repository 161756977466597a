//! Policies that change places with others.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_e2e::{Options, until};
use serde_json::{Value, json};

use super::{CONSTRAINTS, POLICIES, SOON, World, operation_policy, scenario, security_policy};

#[tokio::test(flavor = "multi_thread")]
async fn policies_change_places() -> Result<()> {
    scenario(Options::new("test-faults-policies"), async |world| {
        world.cluster.install_foreign_objects().await?;
        let before = world.cluster.before_the_fault().await?;
        the_same_name_again(world).await?;
        another_name(world).await?;
        twins(world).await?;
        world.cluster.becomes_as_desired(&before, &[]).await
    })
    .await
}

/// Deleted and made again at once: the constraint follows, and the garbage collector, which comes for that of the
/// first, leaves that of the second alone.
async fn the_same_name_again(world: &World<'_>) -> Result<()> {
    const TIMES: usize = 20;
    let path = format!("{POLICIES}/securitypolicies");
    let named = format!("{path}/again");
    for round in 0..TIMES {
        let rules =
            if round % 2 == 0 { json!({"allowHostPID": false}) } else { json!({"allowHostIPC": false}) };
        world.create(&path, &security_policy("again", &rules)).await?;
        // Now and then before anything came of it.
        if round % 4 == 0 {
            world.ready("secpol/again").await?;
        } else {
            tokio::time::sleep(Duration::from_millis(40 * round as u64)).await;
        }
        if round + 1 < TIMES {
            world.delete(&named).await?;
        }
    }
    world.ready("secpol/again").await?;
    let policy = world.at(&named).await?.context("no policy")?;
    let belongs = |constraint: &Value| {
        constraint["metadata"]["ownerReferences"][0]["uid"] == policy["metadata"]["uid"]
            && constraint["spec"]["parameters"] == json!({"allowHostIPC": false})
    };
    let path = format!("{CONSTRAINTS}/d8securitypolicy/again");
    let constraint = world.becomes("the constraint is the last policy's", &path, belongs).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let later = world.at(&path).await?.context("the constraint was deleted")?;
    ensure!(constraint["metadata"]["uid"] == later["metadata"]["uid"], "the constraint was made anew");
    Ok(())
}

/// What is called renaming: the new one comes, the old one goes.
async fn another_name(world: &World<'_>) -> Result<()> {
    world.cluster.put(&security_policy("renamed", &json!({"allowHostIPC": false}))).await?;
    world.kubectl(&["delete", "secpol/again"]).await?;
    world.ready("secpol/renamed").await?;
    let old = format!("{CONSTRAINTS}/d8securitypolicy/again");
    until("the old constraint is gone", SOON, async || Ok(world.at(&old).await?.is_none())).await
}

/// The two kinds share no names.
async fn twins(world: &World<'_>) -> Result<()> {
    world.cluster.put(&security_policy("twin", &json!({"allowHostIPC": false}))).await?;
    world.cluster.put(&operation_policy("twin")).await?;
    world.ready("secpol/twin").await?;
    world.ready("oppol/twin").await?;
    let stays = format!("{CONSTRAINTS}/d8operationpolicy/twin");
    let before = world.at(&stays).await?.context("no constraint")?;
    world.kubectl(&["delete", "secpol/twin"]).await?;
    let goes = format!("{CONSTRAINTS}/d8securitypolicy/twin");
    until("the constraint of one is gone", SOON, async || Ok(world.at(&goes).await?.is_none())).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = world.at(&stays).await?.context("the constraint of the other is gone, too")?;
    ensure!(before["metadata"]["uid"] == after["metadata"]["uid"], "{after}");
    ensure!(before["metadata"]["generation"] == after["metadata"]["generation"], "{after}");
    world.ready("oppol/twin").await
}
