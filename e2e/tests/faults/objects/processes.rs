//! Gatekeeper's processes: killed, frozen, behind, gone.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_e2e::manifests::security_policy;
use gatewright_e2e::{Condition, Options};
use serde_json::{Value, json};

use super::{CONSTRAINTS, SYSTEM, Scene, scene};

#[tokio::test(flavor = "multi_thread")]
async fn processes_with_different_views_are_told_apart() -> Result<()> {
    let options =
        Options { gatekeepers: Options::gatekeeper_names(3), ..Options::new("test-faults-processes") };
    scene(options, async |scene| {
        scene.cluster.install_foreign_objects().await?;
        let before = scene.cluster.before_the_fault().await?;
        one_is_frozen(scene).await?;
        one_is_killed(scene).await?;
        scene.cluster.becomes_as_desired(&before, &[]).await?;
        one_is_gone_for_good(scene).await?;
        one_was_evicted(scene).await?;
        all_are_killed(scene).await?;
        scene.cluster.becomes_as_desired(&before, &[]).await?;
        scene.cluster.enforces("strict").await
    })
    .await
}

/// A process that hangs is behind; it catches up when it wakes.
async fn one_is_frozen(scene: &Scene<'_>) -> Result<()> {
    let cluster = scene.cluster;
    cluster.freeze("gatekeeper-1")?;
    cluster
        .put(&security_policy("strict", &json!({"allowPrivileged": false, "allowHostIPC": false})))
        .await?;
    let says = "gatekeeper-1 has generation 1 of the constraint, not 2";
    cluster.condition("secpol/strict", Condition::no("Enforced", "NotEnforcedBy", says)).await?;
    cluster.thaw("gatekeeper-1")?;
    scene.cluster.ready("secpol/strict").await?;
    let says = "enforced by gatekeeper-0, gatekeeper-1, gatekeeper-2";
    cluster.condition("secpol/strict", Condition::yes("Enforced", "Enforced", says)).await
}

/// What came while a process was down it has never seen.
async fn one_is_killed(scene: &Scene<'_>) -> Result<()> {
    let cluster = scene.cluster;
    cluster.kill("gatekeeper-1").await?;
    cluster.put(&security_policy("new", &json!({"allowHostIPC": false}))).await?;
    let says = "gatekeeper-1 has not reported on the constraint";
    cluster.condition("secpol/new", Condition::no("Enforced", "NotEnforcedBy", says)).await?;
    // A template that is made anew is another one, of which the process knows nothing.
    scene.delete("/apis/templates.gatekeeper.sh/v1/constrainttemplates/d8operationpolicy").await?;
    let says = "gatekeeper-1 has not reported on the template";
    cluster.condition("oppol/common", Condition::no("Enforced", "NotEnforcedBy", says)).await?;
    let says = "d8operationpolicy: gatekeeper-1 has not reported on the template";
    cluster.condition(SYSTEM, Condition::no("TemplatesInstalled", "NotEnforcedBy", says)).await?;
    cluster.restart("gatekeeper-1").await?;
    for object in ["secpol/new", "oppol/common", SYSTEM] {
        scene.cluster.ready(object).await?;
    }
    Ok(())
}

/// What a process has said does not count any more when its Pod is gone.
async fn one_is_gone_for_good(scene: &Scene<'_>) -> Result<()> {
    let cluster = scene.cluster;
    cluster.kill("gatekeeper-2").await?;
    scene.cluster.kubectl_ok(&["delete", "pod/gatekeeper-2", "-n", "gatekeeper-system", "--force"]).await?;
    let constraint = format!("{CONSTRAINTS}/d8securitypolicy/new");
    let entry =
        json!({"id": "gatekeeper-9", "operations": ["webhook"], "observedGeneration": 1, "enforced": false});
    // An entry that Gatekeeper forgets to take away.
    let mut stale = scene.at(&constraint).await?.context("no constraint")?["status"]["byPod"].take();
    stale.as_array_mut().context("no entries")?.push(entry);
    scene.merge(&format!("{constraint}/status"), "somebody", &json!({"status": {"byPod": stale}})).await?;
    cluster.put(&security_policy("new", &json!({"allowHostIPC": false, "allowHostPID": false}))).await?;
    let is_current = |found: &Value| found["status"]["observedGeneration"] == found["metadata"]["generation"];
    let path = format!("{}/securitypolicies/new", super::POLICIES);
    scene.becomes("the policy was looked at", &path, is_current).await?;
    let says = "enforced by gatekeeper-0, gatekeeper-1";
    cluster.condition("secpol/new", Condition::yes("Enforced", "Enforced", says)).await?;
    let processes = cluster.get(&[SYSTEM]).await?["status"]["processes"].take();
    ensure!(processes.as_array().is_some_and(|all| all.len() == 2), "{processes}");
    Ok(())
}

/// A Pod that was evicted stays as an object, but nobody must wait for it.
async fn one_was_evicted(scene: &Scene<'_>) -> Result<()> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "gatekeeper-evicted", "namespace": "gatekeeper-system",
                     "labels": {"control-plane": "controller-manager"}},
        "spec": {"containers": [{"name": "manager", "image": "registry.example.com/gatekeeper:1"}],
                 "schedulingGates": [{"name": "example.com/never"}]},
    });
    scene.cluster.put(&pod).await?;
    let says = "gatekeeper-evicted has not reported";
    scene.cluster.condition("secpol/new", Condition::no("Enforced", "NotEnforcedBy", says)).await?;
    let path = "/api/v1/namespaces/gatekeeper-system/pods/gatekeeper-evicted/status";
    scene.merge(path, "kubelet", &json!({"status": {"phase": "Failed", "reason": "Evicted"}})).await?;
    scene.cluster.ready("secpol/new").await?;
    scene
        .cluster
        .kubectl_ok(&["delete", "pod/gatekeeper-evicted", "-n", "gatekeeper-system", "--force"])
        .await
        .map(drop)
}

/// With failure policy Fail nothing can be written that Gatekeeper would be asked about; that is tried again.
async fn all_are_killed(scene: &Scene<'_>) -> Result<()> {
    let cluster = scene.cluster;
    for name in ["gatekeeper-0", "gatekeeper-1"] {
        cluster.kill(name).await?;
    }
    let constraint = format!("{CONSTRAINTS}/d8securitypolicy/new");
    let request =
        scene.merge(&constraint, "somebody", &json!({"spec": {"enforcementAction": "dryrun"}})).await;
    ensure!(request.is_err(), "Gatekeeper is dead, and the API server does not ask it");
    tokio::time::sleep(Duration::from_secs(3)).await;
    for name in ["gatekeeper-0", "gatekeeper-1"] {
        cluster.restart(name).await?;
    }
    cluster.put(&security_policy("new", &json!({"allowHostIPC": false}))).await?;
    scene.cluster.ready("secpol/new").await
}
