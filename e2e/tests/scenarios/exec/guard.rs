//! Who enters which Pods, from a cluster with nothing to guard to one on Deckhouse.

use anyhow::{Result, ensure};
use gatewright_e2e::manifests::{labelled_pod, namespace};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{AT_ONCE, Cluster, Condition, SOON, Scenario, until};
use serde_json::{Value, json};

use super::{
    ADMINISTRATOR, GUARD, GUARDED, INVENTORY, OURS, PLAIN, REFUSED, SYSTEM, UNKNOWN, UPSTREAM, attach, enter,
    exec, exec_says, pods_run, routes_become, with_pods,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_platforms_pods_are_guarded() -> Result<()> {
    let scenario = with_pods("test-exec", &[("shop", "web-0")]);
    Scenario::run(scenario, async |cluster| {
        pods_run(cluster).await?;
        nothing_to_guard(cluster).await?;

        cluster.put(&namespace("d8-system")).await?;
        cluster.put(&labelled_pod("d8-system", "deckhouse-0", &json!({"heritage": "deckhouse"}))).await?;
        exec_says(cluster, "developer", "d8-system/deckhouse-0", REFUSED).await?;
        who_enters_in_a_plain_cluster(cluster).await?;
        the_entry_is_upstreams(cluster).await?;
        pods_that_nobody_has_seen(cluster).await?;
        gatekeeper_down(cluster).await?;
        gatekeeper_uninstalled(cluster).await?;

        cluster.kubectl_ok(&["delete", "pod/deckhouse-0", "-n", "d8-system"]).await?;
        for object in [OURS, GUARD, INVENTORY] {
            cluster.gone(object).await?;
        }
        who_enters_on_deckhouse(cluster).await
    })
    .await
}

async fn nothing_to_guard(cluster: &Cluster) -> Result<()> {
    until("the operator has looked", SOON, async || {
        cluster.exists("constrainttemplate/d8denyexecheritage").await
    })
    .await?;
    exec_says(cluster, "developer", "shop/web-0", "inside").await?;
    for object in [GUARD, INVENTORY, OURS] {
        ensure!(!cluster.exists(object).await?, "{object} is there");
    }
    Ok(())
}

async fn who_enters_in_a_plain_cluster(cluster: &Cluster) -> Result<()> {
    let says = "enforced by gatekeeper-0";
    cluster.condition(SYSTEM, Condition::yes("ExecGuard", "Enforced", says)).await?;
    enter(
        cluster,
        &[
            ("developer", false),
            (ADMINISTRATOR, false),
            ("system:sudouser", true),
            ("system:serviceaccount:kube-system:cleaner", true),
            ("system:serviceaccount:gatekeeper-system:gatekeeper-admin", true),
            ("system:serviceaccount:d8-monitoring:prometheus", false),
            ("system:serviceaccount:kube-dns:dns", false),
            ("system:serviceaccount:shop:d8-admin", false),
            // No service account has such a name, but somebody's certificate could.
            ("d8-admin", false),
        ],
    )
    .await
}

/// But for its name and its rules, also when upstream's changes.
async fn the_entry_is_upstreams(cluster: &Cluster) -> Result<()> {
    routes_become(cluster, &["CONNECT pods/attach", "CONNECT pods/exec"]).await?;
    let patch = json!([{"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 7}]);
    cluster.patch(UPSTREAM, "json", &patch).await?;
    until("our entry is a copy of upstream's", AT_ONCE, async || {
        let of = |mut configuration: Value| {
            let entries = configuration["webhooks"].as_array_mut().map(std::mem::take).unwrap_or_default();
            let entry = entries
                .into_iter()
                .find(|entry| entry["name"].as_str().is_some_and(|name| name.starts_with("validation.")));
            let mut entry = entry.unwrap_or_default();
            let (name, rules) = (entry["name"].take(), entry["rules"].take());
            (name, rules, entry)
        };
        let (name, rules, ours) = of(cluster.get(&[OURS]).await?);
        let (_, upstream_rules, upstreams) = of(cluster.get(&[UPSTREAM]).await?);
        ensure!(name == "validation.gatewright.io" && rules != upstream_rules, "{name} {rules}");
        ensure!(ours == upstreams && ours["timeoutSeconds"] == 7, "{ours} {upstreams}");
        Ok(true)
    })
    .await
}

async fn pods_that_nobody_has_seen(cluster: &Cluster) -> Result<()> {
    // Without the operator nobody brings the inventory back.
    cluster.kill(OPERATOR).await?;
    cluster.kubectl_ok(&["delete", INVENTORY]).await?;
    exec_says(cluster, "developer", PLAIN, UNKNOWN).await?;
    let said = attach(cluster, "developer", PLAIN).await?;
    ensure!(said.contains(UNKNOWN), "{said}");
    let said = exec(cluster, "system:sudouser", GUARDED).await?;
    ensure!(said.contains("inside"), "{said}");
    cluster.restart(OPERATOR).await?;
    exec_says(cluster, "developer", "shop/web-0", "inside").await?;

    // What the inventory is never to know cannot be waited for.
    let config = json!({
        "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": {"name": "config", "namespace": "gatekeeper-system"},
        "spec": {"match": [{"excludedNamespaces": ["sho*"], "processes": ["sync"]}]},
    });
    cluster.put(&config).await?;
    until("the guard knows of it", SOON, async || {
        Ok(cluster.get(&[GUARD]).await?["spec"]["parameters"]["unknownPodsAllowedIn"] == json!(["sho*"]))
    })
    .await?;
    exec_says(cluster, "developer", "shop/web-0", "inside").await?;
    let says = "Gatekeeper's Config keeps Pods of sho* out of its inventory: unknown Pods there are let in";
    cluster.condition(SYSTEM, Condition::yes("ExecGuard", "Enforced", says)).await?;
    cluster.kubectl_ok(&["delete", "config/config", "-n", "gatekeeper-system"]).await.map(drop)
}

/// Then the failure policy of upstream's entry decides, as for every other request.
async fn gatekeeper_down(cluster: &Cluster) -> Result<()> {
    cluster.kill("gatekeeper-0").await?;
    let failed = "failed calling webhook \"validation.gatewright.io\"";
    exec_says(cluster, "developer", PLAIN, failed).await?;
    let said = attach(cluster, "system:sudouser", GUARDED).await?;
    ensure!(said.contains(failed), "{said}");
    let patch = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]);
    cluster.patch(UPSTREAM, "json", &patch).await?;
    exec_says(cluster, "developer", "d8-system/deckhouse-0", "inside").await?;
    cluster.restart("gatekeeper-0").await?;
    exec_says(cluster, "developer", "d8-system/deckhouse-0", REFUSED).await
}

/// Nothing of ours may then keep anybody out of Pods.
async fn gatekeeper_uninstalled(cluster: &Cluster) -> Result<()> {
    let mut upstreams = cluster.get(&[UPSTREAM]).await?;
    cluster.kubectl_ok(&["delete", UPSTREAM]).await?;
    cluster.gone(OURS).await?;
    exec_says(cluster, "developer", "d8-system/deckhouse-0", "inside").await?;
    upstreams["metadata"] =
        json!({"name": upstreams["metadata"]["name"], "labels": upstreams["metadata"]["labels"]});
    cluster.put(&upstreams).await?;
    exec_says(cluster, "developer", "d8-system/deckhouse-0", REFUSED).await
}

/// Runs the operator with a settings file while something happens.
async fn operator_with(
    cluster: &Cluster,
    settings: &str,
    run: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    cluster.start_operator_with(settings).await?;
    run().await?;
    cluster.kill(OPERATOR).await
}

async fn who_enters_on_deckhouse(cluster: &Cluster) -> Result<()> {
    cluster.kill(OPERATOR).await?;
    operator_with(cluster, "preset: Deckhouse", async || {
        cluster.put(&labelled_pod("d8-system", "deckhouse-0", &json!({"heritage": "deckhouse"}))).await?;
        exec_says(cluster, "developer", "d8-system/deckhouse-0", REFUSED).await?;
        enter(
            cluster,
            &[
                ("system:sudouser", true),
                ("system:serviceaccount:d8-monitoring:prometheus", true),
                ("system:serviceaccount:kube-dns:dns", true),
                ("system:serviceaccount:kube-system:cleaner", true),
                ("system:serviceaccount:shop:d8-admin", false),
                ("system:serviceaccount:shop:kube-admin", false),
                ("developer", false),
                (ADMINISTRATOR, false),
            ],
        )
        .await
    })
    .await
}
