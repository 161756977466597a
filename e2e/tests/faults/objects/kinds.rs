//! Kinds that are no longer served, or deleted, and come back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_e2e::manifests::security_policy;
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Condition, Options, SOON, paths, until};
use serde_json::{Value, json};

use super::{CONSTRAINTS, SYSTEM, Scene, scene, sources};

#[tokio::test(flavor = "multi_thread")]
async fn kinds_of_gatekeeper_go_and_come_back() -> Result<()> {
    scene(Options::new("test-faults-kinds"), async |scene| {
        let before = scene.cluster.before_the_fault().await?;
        for kind in ["d8securitypolicy", "d8podsecuritystandard", "d8denyexecheritage"] {
            delete_kind(scene, &format!("{kind}.constraints.gatekeeper.sh")).await?;
            scene.cluster.becomes_as_desired(&before, &[]).await.with_context(|| kind.to_owned())?;
        }
        inventory_and_config(scene).await?;
        scene.cluster.becomes_as_desired(&before, &[]).await?;
        templates(scene).await?;
        scene.cluster.becomes_as_desired(&before, &[]).await?;
        scene.cluster.enforces("strict").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_kinds_go_and_come_back() -> Result<()> {
    scene(Options::new("test-faults-own-kinds"), async |scene| {
        scene.cluster.install_foreign_objects().await?;
        let before = scene.cluster.before_the_fault().await?;
        delete_kind(scene, "gatewrightstatuses.gatewright.io").await?;
        install_own_crds(scene).await?;
        scene.cluster.becomes_as_desired(&before, &[]).await?;
        what_is_not_served_is_not_gone(scene).await?;
        scene.cluster.becomes_as_desired(&before, &[]).await?;
        with_their_kind_policies_go(scene).await?;
        scene.cluster.becomes_as_desired(&before, &[]).await?;
        scene.cluster.enforces("strict").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forbidden_is_not_gone() -> Result<()> {
    scene(Options::new("test-faults-forbidden"), async |scene| {
        scene.cluster.install_foreign_objects().await?;
        let before = scene.cluster.before_the_fault().await?;
        let role = scene.at("/apis/rbac.authorization.k8s.io/v1/clusterroles/gatewright").await?;
        let mut less = role.context("no role")?["rules"].take();
        let rules = less.as_array_mut().context("no rules")?;
        rules.retain(|rule| rule["resources"] != json!(["securitypolicies", "operationpolicies"]));
        let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/gatewright";
        scene.merge(path, "somebody", &json!({"rules": less})).await?;
        // A watch that runs is not cut.
        scene.cluster.restart("kube-apiserver").await?;
        scene.not_ready_because("not served, or not to the operator: SecurityPolicy").await?;
        let says = "does not serve SecurityPolicy, OperationPolicy, or not to the operator";
        scene.cluster.condition(SYSTEM, Condition::no("PoliciesServed", "NotServed", says)).await?;
        let constraint = format!("{CONSTRAINTS}/d8securitypolicy/strict");
        ensure!(
            scene.at(&constraint).await?.is_some(),
            "a constraint was deleted that is only forbidden to see"
        );

        // Also for an operator that has never seen the policies.
        scene.cluster.restart(OPERATOR).await?;
        scene.not_ready_because("not served, or not to the operator: SecurityPolicy").await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        ensure!(
            scene.at(&constraint).await?.is_some(),
            "a constraint was deleted that is only forbidden to see"
        );

        scene.cluster.install_policies().await?;
        scene.cluster.becomes_as_desired(&before, &[]).await?;
        scene.cluster.put(&security_policy("later", &json!({"allowHostPID": false}))).await?;
        scene.cluster.ready("secpol/later").await
    })
    .await
}

impl Scene<'_> {
    async fn not_ready_because(&self, says: &str) -> Result<()> {
        until(&format!("/readyz says {says:?}"), SOON * 2, async || {
            let (code, text) = self.cluster.ask_replica(OPERATOR, "/readyz").await?;
            ensure!(code == 503 && text.contains(says), "{code} {text}");
            Ok(true)
        })
        .await
    }
}

/// Deletes a CRD, and with it all objects of its kind.
async fn delete_kind(scene: &Scene<'_>, crd: &str) -> Result<()> {
    scene.cluster.kubectl_ok(&["delete", "crd", crd, "--timeout=100s"]).await.map(drop)
}

async fn install_own_crds(scene: &Scene<'_>) -> Result<()> {
    let crds = paths::repository().join("crds");
    let crds = crds.to_str().context("not UTF-8")?;
    scene.cluster.kubectl_ok(&["apply", "--server-side", "--force-conflicts", "-f", crds]).await.map(drop)
}

async fn inventory_and_config(scene: &Scene<'_>) -> Result<()> {
    let config = json!({
        "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": {"name": "config", "namespace": "gatekeeper-system"},
        "spec": {"match": [{"excludedNamespaces": ["sho*"], "processes": ["sync"]}]},
    });
    scene.cluster.put(&config).await?;
    let guard = format!("{CONSTRAINTS}/d8denyexecheritage/deny-exec-heritage-pods");
    let allowed = |expected: Value| {
        move |guard: &Value| guard["spec"]["parameters"]["unknownPodsAllowedIn"] == expected
    };
    scene.becomes("the guard knows of the Config", &guard, allowed(json!(["sho*"]))).await?;
    delete_kind(scene, "configs.config.gatekeeper.sh").await?;
    scene
        .becomes("the guard knows that it is gone", &guard, |guard| {
            guard["spec"]["parameters"]["unknownPodsAllowedIn"].as_array().is_none_or(Vec::is_empty)
        })
        .await?;
    delete_kind(scene, "syncsets.syncset.gatekeeper.sh").await?;
    let says = "Gatekeeper serves no SyncSets";
    scene.cluster.condition(SYSTEM, Condition::no("ExecGuard", "NotApplied", says)).await?;
    // The guard itself stays: without inventory it lets nobody in, which is the safe side.
    ensure!(scene.at(&guard).await?.is_some(), "the guard is gone");
    scene.cluster.install_gatekeeper_crds().await
}

/// With their kind go the templates, with them in time their kinds, and with these all constraints.
async fn templates(scene: &Scene<'_>) -> Result<()> {
    delete_kind(scene, "constrainttemplates.templates.gatekeeper.sh").await?;
    let says = "the API server serves no ConstraintTemplates";
    scene.cluster.condition(SYSTEM, Condition::no("GatekeeperFound", "WaitingForGatekeeper", says)).await?;
    scene.not_ready_because("not served, or not to the operator: ConstraintTemplate").await?;
    scene.cluster.install_gatekeeper_crds().await?;
    // Gatekeeper does not look for a kind again that it has lost; a container that is started anew does.
    scene.cluster.restart("gatekeeper-0").await
}

/// A 404 alone says nothing of objects: the policies are still there.
async fn what_is_not_served_is_not_gone(scene: &Scene<'_>) -> Result<()> {
    let crd = "crd/securitypolicies.deckhouse.io";
    let serve = async |served: bool| {
        let patch = json!([{"op": "replace", "path": "/spec/versions/0/served", "value": served}]);
        scene.cluster.kubectl_ok(&["patch", crd, "--type=json", "-p", &patch.to_string()]).await
    };
    let constraint = format!("{CONSTRAINTS}/d8securitypolicy/strict");
    let before = scene.at(&constraint).await?.context("no constraint")?;
    serve(false).await?;
    scene.not_ready_because("not served, or not to the operator: SecurityPolicy").await?;
    let says = "does not serve SecurityPolicy, or not to the operator";
    scene.cluster.condition(SYSTEM, Condition::no("PoliciesServed", "NotServed", says)).await?;
    // What is left of them is kept as it is.
    let patch = json!({"spec": {"enforcementAction": "dryrun"}});
    scene.merge(&constraint, "somebody", &patch).await?;
    scene.becomes("the edit is undone", &constraint, |found| found["spec"] == before["spec"]).await?;
    scene.cluster.restart(OPERATOR).await?;
    scene.not_ready_because("not served, or not to the operator: SecurityPolicy").await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after =
        scene.at(&constraint).await?.context("the constraint of a policy that is not served is gone")?;
    ensure!(after["metadata"]["uid"] == before["metadata"]["uid"], "{after}");
    scene.cluster.enforces("strict").await?;
    // The other kind does not notice.
    scene.cluster.put(&sources("meanwhile")).await?;
    scene.cluster.ready("oppol/meanwhile").await?;
    serve(true).await?;
    scene.cluster.ready("secpol/strict").await
}

/// Deleting their kind deletes the policies, as Kubernetes has it, and so their constraints; nothing else goes, and it is
/// said. Policies that come back are enforced again.
async fn with_their_kind_policies_go(scene: &Scene<'_>) -> Result<()> {
    delete_kind(scene, "securitypolicies.deckhouse.io").await?;
    let constraint = format!("{CONSTRAINTS}/d8securitypolicy/strict");
    until("the constraint is gone", SOON, async || Ok(scene.at(&constraint).await?.is_none())).await?;
    scene.not_ready_because("not served, or not to the operator: SecurityPolicy").await?;
    let says = "does not serve SecurityPolicy, or not to the operator";
    scene.cluster.condition(SYSTEM, Condition::no("PoliciesServed", "NotServed", says)).await?;
    scene.cluster.ready("oppol/common").await?;
    scene.cluster.condition(SYSTEM, Condition::yes("StandardsEnforced", "Enforced", "")).await?;
    let of_strict = |event: &Value| {
        event["objectRef"]["name"] == "strict" && event["objectRef"]["resource"] == "d8securitypolicy"
    };
    let writes = scene.writes(of_strict)?.len();
    tokio::time::sleep(Duration::from_secs(3)).await;
    ensure!(scene.writes(of_strict)?.len() == writes, "the operator works on what is gone");
    ensure!(scene.at(&constraint).await?.is_none(), "a constraint was made for a policy that is gone");
    install_own_crds(scene).await?;
    until("the policy is taken", SOON, async || {
        scene.cluster.put(&security_policy("strict", &json!({"allowPrivileged": false}))).await.map(|()| true)
    })
    .await?;
    scene.cluster.ready("secpol/strict").await
}
