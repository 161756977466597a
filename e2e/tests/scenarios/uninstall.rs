//! Leaving: whoever deletes the ClusterRole `gatewright` is rid of what would refuse for ever, whether an operator runs or
//! not; `gatewright uninstall` takes the rest.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use gatewright_e2e::manifests::{
    labelled_namespace, labelled_pod, namespace, no_privileged, pod, privileged_pod, security_policy,
};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, Output, Scenario, until};
use serde_json::{Value, json};

use crate::exec::{
    ATTACHED, GUARD, GUARDED, INVENTORY, OURS, PLAIN, REFUSED, SYSTEM, attach, exec, exec_says, pods_run,
    put_constraint, routes_become,
};
use crate::openshift::owned_by;
use crate::see::gatewright;

/// How long what the release owns may take to go. The garbage collector needs a second or two; machines under load more.
const GONE: Duration = Duration::from_secs(20);

const STANDARD: &str = "d8podsecuritystandard/d8-pod-security-baseline-deny";
const CONSTRAINT: &str = "d8securitypolicy/strict";

/// A cluster with a policy, a namespace under the default standard, and a Pod of the platform.
fn scenario(name: &str) -> Scenario {
    Scenario::new(name).without_operator().objects([
        namespace("shop"),
        labelled_namespace("plain", &json!({})),
        namespace("d8-system"),
        pod("shop", "web-0"),
        labelled_pod("d8-system", "deckhouse-0", &json!({"heritage": "deckhouse"})),
        the_developer_may(),
    ])
}

/// The developer may do everything, as far as RBAC is asked; the operator only what its own role says.
fn the_developer_may() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "developer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "developer"}],
    })
}

/// The operator works, as a replica with a Lease.
async fn install(cluster: &Cluster, settings: &str) -> Result<()> {
    cluster.write_settings(settings)?;
    cluster.start_replica(OPERATOR, &["--lease-seconds", "10"]).await?;
    cluster.put(&security_policy("strict", &no_privileged())).await?;
    for object in ["secpol/strict", SYSTEM] {
        cluster.ready(object).await?;
    }
    pods_run(cluster).await?;
    exec_says(cluster, "developer", GUARDED, REFUSED).await?;
    for object in [OURS, INVENTORY, GUARD] {
        owned_by(cluster, object, "ClusterRole").await?;
    }
    the_garbage_collector_follows(cluster).await
}

/// The garbage collector looks each 30 seconds which kinds there are. Only on a cluster that was just made, the kinds of
/// our constraints are new to it.
async fn the_garbage_collector_follows(cluster: &Cluster) -> Result<()> {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "probe"}, "rules": [],
    });
    cluster.put(&role).await?;
    let uid = cluster.get(&["clusterrole/probe"]).await?["metadata"]["uid"].take();
    let owner = json!({"apiVersion": role["apiVersion"], "kind": "ClusterRole", "name": "probe", "uid": uid});
    let constraint = json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "D8SecurityPolicy",
        "metadata": {"name": "probe", "labels": {"gatewright.io/owner": "render"}, "ownerReferences": [owner]},
        "spec": {"enforcementAction": "dryrun", "match": {"namespaces": ["nowhere"]}},
    });
    cluster.put(&constraint).await?;
    cluster.kubectl_ok(&["delete", "clusterrole/probe"]).await?;
    cluster.gone("d8securitypolicy/probe").await
}

/// As `helm uninstall` does. Returns how long these objects took to go.
async fn leave(cluster: &Cluster, objects: &[&str]) -> Result<Duration> {
    cluster.kubectl_ok(&["delete", "clusterrole/gatewright"]).await?;
    let begun = Instant::now();
    until("what the release owns is gone", GONE, async || {
        for object in objects {
            ensure!(!cluster.exists(object).await?, "{object} is there");
        }
        Ok(true)
    })
    .await?;
    Ok(begun.elapsed())
}

/// Good Pods can be created, entered and deleted.
async fn good_pods_live(cluster: &Cluster) -> Result<()> {
    cluster.put(&pod("shop", "good")).await?;
    cluster.kubectl_ok(&["wait", "--for=condition=Ready", "pod/good", "-n", "shop", "--timeout=60s"]).await?;
    exec_says(cluster, "developer", "shop/good", "inside").await?;
    exec_says(cluster, "developer", GUARDED, "inside").await?;
    cluster.kubectl_ok(&["delete", "pod/good", "-n", "shop", "--timeout=60s"]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_keep_bad_pods_stay_refused_while_the_operator_runs() -> Result<()> {
    Scenario::run(scenario("test-uninstall-keep"), async |cluster| {
        install(cluster, "").await?;
        let said = uninstall(cluster, &["--yes"]).await?;
        ensure!(said.status.code() == Some(2) && said.stderr.contains("an operator runs"), "{said:?}");
        let took = leave(cluster, &[OURS, INVENTORY, GUARD]).await?;
        println!("Keep, operator alive: gone after {took:.1?}");
        good_pods_live(cluster).await?;
        still_refused(cluster).await?;
        cluster.kill(OPERATOR).await?;
        the_command_takes_the_rest(cluster).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_keep_a_dead_gatekeeper_holds_back_only_what_is_its_own() -> Result<()> {
    Scenario::run(scenario("test-uninstall-dead"), async |cluster| {
        guarded_deletions(cluster).await?;
        install(cluster, "").await?;
        let routed = ["CONNECT pods/attach", "CONNECT pods/exec", "DELETE configmaps"];
        routes_become(cluster, &routed).await?;
        cluster.kill(OPERATOR).await?;
        cluster.kill("gatekeeper-0").await?;
        let ours = "failed calling webhook \"validation.gatewright.io\"";
        let deletion = ["delete", "configmap/spare", "-n", "shop"];
        for (what, said) in [
            ("exec", exec(cluster, "developer", PLAIN).await?),
            ("attach", attach(cluster, "developer", PLAIN).await?),
            ("DELETE", cluster.answer(&deletion).await?),
        ] {
            ensure!(said.contains(ours), "{what}: {said}");
        }

        let took = leave(cluster, &[OURS, INVENTORY, GUARD]).await?;
        println!("Keep, operator and Gatekeeper dead: gone after {took:.1?}");
        exec_says(cluster, "developer", PLAIN, "inside").await?;
        let said = attach(cluster, "developer", PLAIN).await?;
        ensure!(said.contains(ATTACHED), "{said}");
        let said = cluster.answer(&deletion).await?;
        ensure!(said.contains("deleted"), "{said}");
        // That is Gatekeeper's own webhook: docs/uninstall.md says how to lift it.
        let said = cluster.create(&pod("shop", "good")).await?;
        ensure!(said.contains("failed calling webhook \"validation.gatekeeper.sh\""), "{said}");

        cluster.restart("gatekeeper-0").await?;
        until("Gatekeeper answers", GONE, async || {
            Ok(cluster.try_create(&pod("shop", "good")).await?.contains("created"))
        })
        .await?;
        good_pods_live(cluster).await?;
        still_refused(cluster).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_remove_bad_pods_are_admitted_operator_alive_or_dead() -> Result<()> {
    for alive in [true, false] {
        Scenario::run(scenario("test-uninstall-remove"), async |cluster| {
            install(cluster, "onUninstall: Remove").await?;
            for object in [CONSTRAINT, STANDARD] {
                owned_by(cluster, object, "ClusterRole").await?;
            }
            if !alive {
                cluster.kill(OPERATOR).await?;
            }
            let took = leave(cluster, &[OURS, INVENTORY, GUARD, CONSTRAINT, STANDARD]).await?;
            println!("Remove, operator alive: {alive}: gone after {took:.1?}");
            good_pods_live(cluster).await?;
            until("bad Pods are admitted", GONE, async || {
                for namespace in ["shop", "plain"] {
                    let said = cluster.try_create(&privileged_pod(namespace, "bad")).await?;
                    ensure!(said.contains("created"), "{said}");
                }
                Ok(true)
            })
            .await?;
            ensure!(cluster.exists("secpol/strict").await?, "the policy is gone");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// By the policy and by the default standard.
async fn still_refused(cluster: &Cluster) -> Result<()> {
    for (namespace, by) in [("shop", "[strict]"), ("plain", "[d8-pod-security-baseline-deny]")] {
        let said = cluster.try_create(&privileged_pod(namespace, "bad")).await?;
        ensure!(said.contains(by), "{said}");
    }
    Ok(())
}

/// Somebody's own template for deletions, which only our configuration routes.
async fn guarded_deletions(cluster: &Cluster) -> Result<()> {
    let rego = "package keepnamed\nviolation[{\"msg\": \"it is kept\"}] { input.review.name == \"kept\" }";
    cluster
        .put(&json!({
            "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "keepnamed"},
            "spec": {
                "crd": {"spec": {"names": {"kind": "KeepNamed"}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "operations": ["DELETE"], "rego": rego}],
            },
        }))
        .await?;
    let constraint = json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "KeepNamed", "metadata": {"name": "keep"},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["ConfigMap"]}]}},
    });
    put_constraint(cluster, &constraint).await?;
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "spare", "namespace": "shop"}});
    cluster.put(&map).await
}

/// What `gatewright uninstall` says.
async fn uninstall(cluster: &Cluster, arguments: &[&str]) -> Result<Output> {
    gatewright(cluster, &[&["uninstall"], arguments].concat()).await
}

/// First the list, then the deletion, then nothing; policies last.
async fn the_command_takes_the_rest(cluster: &Cluster) -> Result<()> {
    let rendered = json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "D8OperationPolicy",
        "metadata": {"name": "gitops", "labels": {"gatewright.io/owner": "render"}},
        "spec": {"enforcementAction": "dryrun", "match": {"namespaces": ["nowhere"]}},
    });
    cluster.put(&rendered).await?;
    nobody_may(cluster).await?;
    let listed = uninstall(cluster, &[]).await?;
    ensure!(listed.status.code() == Some(1), "{listed:?}");
    for says in [
        "would delete   6 constraints of the standards, 1 constraint of policies, 3 templates",
        "1 SecurityPolicy, 3 CRDs (--policies deletes them, too)",
        "ConstraintTemplate/d8operationpolicy, because constraints that are not ours would go with it",
        "1 object that is not ours",
        "nothing was deleted: say --yes",
    ] {
        ensure!(listed.stdout.contains(says), "{says:?}: {}", listed.stdout);
    }
    ensure!(cluster.exists(CONSTRAINT).await?, "it was deleted without --yes");
    until("the Lease of the operator that was killed is over", GONE, async || {
        Ok(!uninstall(cluster, &[]).await?.stdout.contains("first "))
    })
    .await?;

    let deleted = uninstall(cluster, &["--yes", "-o", "json"]).await?;
    ensure!(deleted.status.success(), "{deleted:?}");
    let document: Value = serde_json::from_str(&deleted.stdout)?;
    ensure!(document["kind"] == "Uninstall" && document["done"] == true, "{document}");
    for object in [CONSTRAINT, STANDARD, "constrainttemplate/d8securitypolicy", SYSTEM] {
        ensure!(!cluster.exists(object).await?, "{object} is there");
    }
    for object in ["secpol/strict", "d8operationpolicy/gitops", "constrainttemplate/d8operationpolicy"] {
        ensure!(cluster.exists(object).await?, "{object} is gone");
    }
    until("bad Pods are admitted", GONE, async || {
        Ok(cluster.try_create(&privileged_pod("shop", "bad")).await?.contains("created"))
    })
    .await?;
    let again = uninstall(cluster, &["--yes"]).await?;
    ensure!(again.status.success() && again.stdout.starts_with("deleted        nothing"), "{again:?}");

    let policies = uninstall(cluster, &["--policies", "--yes"]).await?;
    ensure!(policies.status.success(), "{policies:?}");
    let crds = cluster.kubectl_ok(&["get", "crd", "-o", "name"]).await?;
    ensure!(!crds.contains("deckhouse.io") && !crds.contains("gatewright.io"), "{crds}");
    Ok(())
}

/// Whoever may not see everything deletes nothing, and is given the role.
async fn nobody_may(cluster: &Cluster) -> Result<()> {
    cluster.kubectl_ok(&["delete", "clusterrolebinding/developer"]).await?;
    until("the developer may nothing", GONE, async || {
        let said = uninstall(cluster, &["--as", "developer", "--yes"]).await?;
        ensure!(said.status.code() == Some(2), "{said:?}");
        for says in [
            "not shown: constrainttemplates (needs list on constrainttemplates.templates.gatekeeper.sh)",
            "name: gatewright-uninstall",
        ] {
            ensure!(said.stderr.contains(says), "{said:?}");
        }
        Ok(true)
    })
    .await?;
    cluster.put(&the_developer_may()).await
}
