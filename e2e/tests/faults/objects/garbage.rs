//! Objects that no longer mean anything, or mean something new.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_api::names::OWNER_LABEL;
use gatewright_e2e::manifests::security_policy;
use gatewright_e2e::{Condition, Options, SOON, paths, until};
use serde_json::{Value, json};

use super::{CONSTRAINTS, POLICIES, SYSTEM, Scene, scene};

const CRD: &str = "crd/securitypolicies.deckhouse.io";

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_parse_stops_nobody() -> Result<()> {
    scene(Options::new("test-faults-garbage"), async |scene| {
        let before = scene.cluster.before_the_fault().await?;
        a_field_of_a_newer_version(scene).await?;
        nonsense_in_the_status_of_a_policy(scene).await?;
        scene.cluster.becomes_as_desired(&before, &["newer"]).await?;
        the_schema_is_ours_again(scene).await?;
        conditions_of_others_go(scene).await?;
        nonsense_in_the_status_of_a_constraint(scene).await?;
        nonsense_in_a_label(scene).await?;
        scene.cluster.becomes_as_desired(&before, &[]).await
    })
    .await
}

async fn patch_schema(scene: &Scene<'_>, patch: &Value) -> Result<()> {
    scene.cluster.kubectl_ok(&["patch", CRD, "--type=json", "-p", &patch.to_string()]).await.map(drop)
}

/// The CRD is of a newer version than the operator.
async fn a_field_of_a_newer_version(scene: &Scene<'_>) -> Result<()> {
    let cluster = scene.cluster;
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/policies/properties/allowTimeTravel";
    patch_schema(scene, &json!([{"op": "add", "path": path, "value": {"type": "boolean"}}])).await?;
    let newer = json!({"allowPrivileged": false, "allowTimeTravel": false});
    let constraint = format!("{CONSTRAINTS}/d8securitypolicy/strict");
    let good = scene.at(&constraint).await?.context("no constraint")?;
    let says = "spec.policies.allowTimeTravel is a field that this version of gatewright";
    // The API server drops the field, also from what the operator reads, until it has taken in the schema.
    let tries = AtomicU32::new(0);
    let condition = || Condition::no("Valid", "Unsupported", says);
    until("the operator sees the field", SOON, async || {
        let mut policy = security_policy("strict", &newer);
        policy["metadata"]["annotations"] =
            json!({"example.com/try": tries.fetch_add(1, Ordering::Relaxed).to_string()});
        cluster.put(&policy).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let found = scene.at(&format!("{POLICIES}/securitypolicies/strict")).await?.unwrap_or_default();
        Ok(found["status"]["conditions"][0]["status"] == "False")
    })
    .await?;
    cluster.condition("secpol/strict", condition()).await?;
    cluster.put(&security_policy("newer", &newer)).await?;
    cluster.condition("secpol/newer", condition()).await?;
    let kept = scene.at(&constraint).await?.context("the last good constraint is gone")?;
    ensure!(kept["spec"] == good["spec"] && kept["metadata"]["uid"] == good["metadata"]["uid"], "{kept}");
    scene.cluster.enforces("strict").await?;

    // The others do not notice.
    cluster.put(&security_policy("beside", &json!({"allowHostPID": false}))).await?;
    scene.cluster.ready("secpol/beside").await?;
    cluster.put(&security_policy("strict", &json!({"allowPrivileged": false}))).await?;
    scene.cluster.ready("secpol/strict").await
}

/// Without a schema anything can stand there. It is replaced once, and nobody is kept busy by it.
async fn nonsense_in_the_status_of_a_policy(scene: &Scene<'_>) -> Result<()> {
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/status";
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    patch_schema(scene, &json!([{"op": "replace", "path": path, "value": anything}])).await?;
    let status = format!("{POLICIES}/securitypolicies/strict/status");
    let nonsense = json!({"status": {"conditions": "nonsense", "violations": 7, "foreign": true}});
    until("the API server takes nonsense", SOON, async || {
        let written = scene.merge(&status, "somebody", &nonsense).await?;
        Ok(written["status"]["foreign"] == true)
    })
    .await?;
    let policy = format!("{POLICIES}/securitypolicies/strict");
    let is_whole = |policy: &Value| {
        let status = &policy["status"];
        status["conditions"].is_array() && status["foreign"].is_null() && !status["violations"].is_number()
    };
    scene.becomes("the status is whole again", &policy, is_whole).await?;
    scene.cluster.ready("secpol/strict").await?;
    let log = std::fs::read_to_string(scene.cluster.log(gatewright_e2e::operator::OPERATOR))?;
    let blamed = log.lines().any(|line| line.contains("reason=\"Invalid\" because=\"status"));
    ensure!(!blamed, "the policy is blamed for its status");
    let of_strict = |event: &Value| {
        event["objectRef"]["name"] == "strict" && event["objectRef"]["subresource"] == "status"
    };
    let writes = scene.writes(of_strict)?.len();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let later = scene.writes(of_strict)?.len();
    ensure!(later - writes <= 1, "{} writes of a status that is whole", later - writes);
    Ok(())
}

async fn the_schema_is_ours_again(scene: &Scene<'_>) -> Result<()> {
    scene.cluster.kubectl_ok(&["delete", "secpol/newer"]).await?;
    let crds = paths::repository().join("crds");
    let crds = crds.to_str().context("not UTF-8")?;
    scene.cluster.kubectl_ok(&["apply", "--server-side", "--force-conflicts", "-f", crds]).await?;
    let field = "{.spec.versions[0].schema.openAPIV3Schema.properties.status.properties.conditions.type}";
    let kept = scene.cluster.kubectl_ok(&["get", CRD, "-o", &format!("jsonpath={field}")]).await?;
    ensure!(kept == "array", "{kept}");
    Ok(())
}

/// A condition that somebody else added parses, and is none of ours.
async fn conditions_of_others_go(scene: &Scene<'_>) -> Result<()> {
    for path in [
        format!("{POLICIES}/securitypolicies/strict"),
        "/apis/gatewright.io/v1alpha1/gatewrightstatuses/cluster".to_owned(),
    ] {
        let mut conditions = scene.at(&path).await?.context("nothing there")?["status"]["conditions"].take();
        let count = conditions.as_array().context("no conditions")?.len();
        let foreign = json!({"type": "Foreign", "status": "True", "reason": "Foreign", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        conditions.as_array_mut().context("no conditions")?.push(foreign);
        scene
            .merge(&format!("{path}/status"), "somebody", &json!({"status": {"conditions": conditions}}))
            .await?;
        let is_ours = |object: &Value| {
            object["status"]["conditions"].as_array().is_some_and(|conditions| conditions.len() == count)
        };
        scene.becomes("the foreign condition is gone", &path, is_ours).await?;
    }
    scene.cluster.ready(SYSTEM).await
}

/// Gatekeeper writes there, without a schema. What is nonsense does not say "enforced"; Gatekeeper itself cannot go on
/// with it until it is taken away, which we leave to others, since it is not our status.
async fn nonsense_in_the_status_of_a_constraint(scene: &Scene<'_>) -> Result<()> {
    let cluster = scene.cluster;
    let path = format!("{CONSTRAINTS}/d8securitypolicy/strict/status");
    let nonsense = json!({"status": {"byPod": [{"id": 7, "observedGeneration": "x"}], "totalViolations": "many",
        "violations": {"a": 1}, "auditTimestamp": 9}});
    scene.merge(&path, "somebody", &nonsense).await?;
    let says = "gatekeeper-0 has not reported on the constraint";
    cluster.condition("secpol/strict", Condition::no("Enforced", "NotEnforcedBy", says)).await?;
    cluster.put(&security_policy("meanwhile", &json!({"allowHostPID": false}))).await?;
    scene.cluster.ready("secpol/meanwhile").await?;
    scene.merge(&path, "somebody", &json!({"status": null})).await?;
    // Gatekeeper says again when it has something new to tell.
    let changed = json!({"allowPrivileged": false, "allowHostIPC": false});
    cluster.put(&security_policy("strict", &changed)).await?;
    scene.cluster.ready("secpol/strict").await?;
    scene.cluster.kubectl_ok(&["delete", "secpol/meanwhile", "secpol/beside"]).await.map(drop)
}

/// Somebody else's constraint that carries our label with a value that is none of ours.
async fn nonsense_in_a_label(scene: &Scene<'_>) -> Result<()> {
    let labelled = json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "D8SecurityPolicy",
        "metadata": {"name": "labelled", "labels": {OWNER_LABEL: "nonsense"}},
        "spec": {"enforcementAction": "dryrun", "match": {"namespaces": ["nowhere"]}},
    });
    let apply = ["apply", "--server-side", "--field-manager=somebody", "-f", "-"];
    scene.cluster.kubectl(&apply, Some(&labelled.to_string())).await?.success()?;
    let path = format!("{CONSTRAINTS}/d8securitypolicy/labelled");
    let before = scene.at(&path).await?.context("no constraint")?;
    scene.cluster.put(&security_policy("labelled", &json!({"allowHostPID": false}))).await?;
    let says = "D8SecurityPolicy labelled exists and is not ours";
    scene.cluster.condition("secpol/labelled", Condition::no("Applied", "Conflict", says)).await?;
    scene.cluster.kubectl_ok(&["delete", "secpol/labelled"]).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = scene.at(&path).await?.context("somebody else's constraint was deleted")?;
    ensure!(before["metadata"]["generation"] == after["metadata"]["generation"], "{after}");
    ensure!(before["metadata"]["labels"] == after["metadata"]["labels"], "{after}");
    scene.delete(&path).await
}
