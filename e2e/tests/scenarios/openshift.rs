//! A cluster with OpenShift's admission plugin that lets nobody name an owner who may not.

use anyhow::{Result, ensure};
use gatewright_e2e::manifests::{labelled_pod, namespace, no_privileged, security_policy};
use gatewright_e2e::operator::OPERATOR_USER;
use gatewright_e2e::{Cluster, Options, SOON, Scenario, until};
use serde_json::{Value, json};

use crate::exec::{GUARD, INVENTORY, OURS, SYSTEM};

#[tokio::test(flavor = "multi_thread")]
async fn policies_become_ready_where_owners_are_restricted() -> Result<()> {
    let plugin = "OwnerReferencesPermissionEnforcement".to_owned();
    let options = Options { admission_plugins: vec![plugin], ..Options::new("test-openshift") };
    let platform =
        [namespace("d8-system"), labelled_pod("d8-system", "d", &json!({"heritage": "deckhouse"}))];
    let scenario = Scenario::on(options).objects([namespace("shop")].into_iter().chain(platform));
    Scenario::run(scenario, async |cluster| {
        cluster.put(&security_policy("strict", &no_privileged())).await?;
        cluster.ready("secpol/strict").await?;
        the_plugin_is_on(cluster).await?;
        cluster.ready(SYSTEM).await?;
        for object in [OURS, INVENTORY, GUARD] {
            owned_by(cluster, object, "ClusterRole").await?;
        }
        owned_by(cluster, "d8securitypolicy/strict", "SecurityPolicy").await?;

        // To change an owner the plugin wants the right to delete the object.
        cluster.write_settings("onUninstall: Remove")?;
        owned_by(cluster, "d8securitypolicy/strict", "ClusterRole").await?;
        owned_by(cluster, "d8podsecuritystandard/d8-pod-security-baseline-deny", "ClusterRole").await?;
        cluster.ready("secpol/strict").await?;
        cluster.enforces("strict").await
    })
    .await
}

/// The operator may name a policy as owner, but not one that is to wait for what it owns.
async fn the_plugin_is_on(cluster: &Cluster) -> Result<()> {
    let uid = cluster.get(&["secpol/strict"]).await?["metadata"]["uid"].take();
    let constraint = json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "D8SecurityPolicy",
        "metadata": {"name": "waiting", "ownerReferences": [{
            "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "name": "strict", "uid": uid,
            "blockOwnerDeletion": true,
        }]},
        "spec": {},
    });
    let user = format!("--as={OPERATOR_USER}");
    let arguments = ["create", "--dry-run=server", &user, "-f", "-"];
    let said = cluster.kubectl(&arguments, Some(&constraint.to_string())).await?.stderr;
    ensure!(said.contains("cannot set blockOwnerDeletion"), "{said}");
    Ok(())
}

/// Waits until an object has one owner, of this kind, that waits for nobody.
pub(crate) async fn owned_by(cluster: &Cluster, object: &str, kind: &str) -> Result<()> {
    until(&format!("{object} is owned by a {kind} alone"), SOON, async || {
        let owners = cluster.get(&[object]).await?["metadata"]["ownerReferences"].take();
        let owners = owners.as_array().map(Vec::as_slice).unwrap_or_default();
        let [owner] = owners else { anyhow::bail!("{owners:?}") };
        ensure!(owner["kind"] == kind && owner["blockOwnerDeletion"] == Value::Bool(false), "{owner}");
        Ok(true)
    })
    .await
}
