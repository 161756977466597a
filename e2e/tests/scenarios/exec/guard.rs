//! Who enters which Pods, from a cluster with nothing to guard to one on Deckhouse.

use anyhow::{Result, ensure};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, Condition, Options, until};
use serde_json::{Value, json};

use super::{
    ADMINISTRATOR, AT_ONCE, GUARD, GUARDED, INVENTORY, OURS, PLAIN, REFUSED, SOON, SYSTEM, UNKNOWN, UPSTREAM,
    World, namespace, pod, prepared,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_platforms_pods_are_guarded() -> Result<()> {
    Cluster::run(Options::new("test-exec"), async |cluster| {
        let world = World(cluster);
        prepared(&world, &[("shop", "web-0", json!({"app": "web"}))]).await?;
        cluster.start_operator().await?;
        nothing_to_guard(&world).await?;

        world.put(&namespace("d8-system")).await?;
        world.put(&pod("d8-system", "deckhouse-0", &json!({"heritage": "deckhouse"}))).await?;
        world.exec_says("developer", "d8-system/deckhouse-0", REFUSED).await?;
        who_enters_in_a_plain_cluster(&world).await?;
        the_entry_is_upstreams(&world).await?;
        edits_by_hand_are_undone(&world).await?;
        pods_that_nobody_has_seen(&world).await?;
        gatekeeper_down(&world).await?;
        gatekeeper_uninstalled(&world).await?;

        world.kubectl(&["delete", "pod/deckhouse-0", "-n", "d8-system"]).await?;
        for object in [OURS, GUARD, INVENTORY] {
            world.gone(object).await?;
        }
        who_enters_on_deckhouse(&world).await?;
        modes_and_routing_obey(&world).await
    })
    .await
}

async fn nothing_to_guard(world: &World<'_>) -> Result<()> {
    until("the operator has looked", SOON, async || {
        world.exists("constrainttemplate/d8denyexecheritage").await
    })
    .await?;
    world.exec_says("developer", "shop/web-0", "inside").await?;
    for object in [GUARD, INVENTORY, OURS] {
        let found = world.answer(&["get", "--ignore-not-found", object]).await?;
        ensure!(found.is_empty() || found.contains("the server doesn't have"), "{object}: {found}");
    }
    Ok(())
}

async fn who_enters_in_a_plain_cluster(world: &World<'_>) -> Result<()> {
    let says = "enforced by gatekeeper-0";
    world.0.condition(SYSTEM, Condition::yes("ExecGuard", "Enforced", says)).await?;
    world
        .enter(&[
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
        ])
        .await
}

/// But for its name and its rules, also when upstream's changes.
async fn the_entry_is_upstreams(world: &World<'_>) -> Result<()> {
    world.routes_become(&["CONNECT pods/attach", "CONNECT pods/exec"]).await?;
    let patch = json!([{"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 7}]);
    world.patch(UPSTREAM, "json", &patch).await?;
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
        let (name, rules, ours) = of(world.get(OURS).await?);
        let (_, upstream_rules, upstreams) = of(world.get(UPSTREAM).await?);
        ensure!(name == "validation.gatewright.io" && rules != upstream_rules, "{name} {rules}");
        ensure!(ours == upstreams && ours["timeoutSeconds"] == 7, "{ours} {upstreams}");
        Ok(true)
    })
    .await
}

async fn edits_by_hand_are_undone(world: &World<'_>) -> Result<()> {
    let selector = json!({"spec": {"match": {"labelSelector": {"matchLabels": {"a": "b"}}}}});
    world.undone("a selector", GUARD, "merge", &selector).await?;
    let exempt = json!({"spec": {"parameters": {"exemptUsers": ["developer"]}}});
    world.undone("an exempt user", GUARD, "merge", &exempt).await?;
    let kinds = json!({"spec": {"gvks": [{"group": "", "version": "v1", "kind": "Secret"}]}});
    world.undone("other kinds", INVENTORY, "merge", &kinds).await?;
    let add = |path: &str, value: Value| json!([{"op": "add", "path": path, "value": value}]);
    let never = json!([{"name": "never", "expression": "false"}]);
    world.undone("a condition", OURS, "json", &add("/webhooks/0/matchConditions", never)).await?;
    let policy = json!("Ignore");
    world.undone("a failure policy", OURS, "json", &add("/webhooks/0/failurePolicy", policy)).await?;
    let mut second = world.get(OURS).await?["webhooks"][0].clone();
    second["name"] = json!("second.example.com");
    world.undone("a second entry", OURS, "json", &add("/webhooks/-", second)).await?;
    for object in [OURS, INVENTORY, GUARD] {
        world.kubectl(&["delete", object]).await?;
        until(&format!("{object} is back"), AT_ONCE, async || world.exists(object).await).await?;
    }
    world.exec_says("developer", "d8-system/deckhouse-0", REFUSED).await
}

async fn pods_that_nobody_has_seen(world: &World<'_>) -> Result<()> {
    // Without the operator nobody brings the inventory back.
    world.0.kill(OPERATOR).await?;
    world.kubectl(&["delete", INVENTORY]).await?;
    world.exec_says("developer", PLAIN, UNKNOWN).await?;
    let said = world.attach("developer", PLAIN).await?;
    ensure!(said.contains(UNKNOWN), "{said}");
    let said = world.exec("system:sudouser", GUARDED).await?;
    ensure!(said.contains("inside"), "{said}");
    world.0.restart(OPERATOR).await?;
    world.exec_says("developer", "shop/web-0", "inside").await?;

    // What the inventory is never to know cannot be waited for.
    let config = json!({
        "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": {"name": "config", "namespace": "gatekeeper-system"},
        "spec": {"match": [{"excludedNamespaces": ["sho*"], "processes": ["sync"]}]},
    });
    world.put(&config).await?;
    until("the guard knows of it", SOON, async || {
        Ok(world.get(GUARD).await?["spec"]["parameters"]["unknownPodsAllowedIn"] == json!(["sho*"]))
    })
    .await?;
    world.exec_says("developer", "shop/web-0", "inside").await?;
    let says = "Gatekeeper's Config keeps Pods of sho* out of its inventory: unknown Pods there are let in";
    world.0.condition(SYSTEM, Condition::yes("ExecGuard", "Enforced", says)).await?;
    world.kubectl(&["delete", "config/config", "-n", "gatekeeper-system"]).await.map(drop)
}

/// Then the failure policy of upstream's entry decides, as for every other request.
async fn gatekeeper_down(world: &World<'_>) -> Result<()> {
    world.0.kill("gatekeeper-0").await?;
    let failed = "failed calling webhook \"validation.gatewright.io\"";
    world.exec_says("developer", PLAIN, failed).await?;
    let said = world.attach("system:sudouser", GUARDED).await?;
    ensure!(said.contains(failed), "{said}");
    let patch = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]);
    world.patch(UPSTREAM, "json", &patch).await?;
    world.exec_says("developer", "d8-system/deckhouse-0", "inside").await?;
    world.0.restart("gatekeeper-0").await?;
    world.exec_says("developer", "d8-system/deckhouse-0", REFUSED).await
}

/// Nothing of ours may then keep anybody out of Pods.
async fn gatekeeper_uninstalled(world: &World<'_>) -> Result<()> {
    let mut upstreams = world.get(UPSTREAM).await?;
    world.kubectl(&["delete", UPSTREAM]).await?;
    world.gone(OURS).await?;
    world.exec_says("developer", "d8-system/deckhouse-0", "inside").await?;
    upstreams["metadata"] =
        json!({"name": upstreams["metadata"]["name"], "labels": upstreams["metadata"]["labels"]});
    world.put(&upstreams).await?;
    world.exec_says("developer", "d8-system/deckhouse-0", REFUSED).await
}

/// Runs the operator with a settings file while something happens.
async fn operator_with(
    world: &World<'_>,
    settings: &str,
    run: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    world.0.start_operator_with(settings).await?;
    run().await?;
    world.0.kill(OPERATOR).await
}

async fn who_enters_on_deckhouse(world: &World<'_>) -> Result<()> {
    world.0.kill(OPERATOR).await?;
    operator_with(world, "preset: Deckhouse", async || {
        world.put(&pod("d8-system", "deckhouse-0", &json!({"heritage": "deckhouse"}))).await?;
        world.exec_says("developer", "d8-system/deckhouse-0", REFUSED).await?;
        world
            .enter(&[
                ("system:sudouser", true),
                ("system:serviceaccount:d8-monitoring:prometheus", true),
                ("system:serviceaccount:kube-dns:dns", true),
                ("system:serviceaccount:kube-system:cleaner", true),
                ("system:serviceaccount:shop:d8-admin", false),
                ("system:serviceaccount:shop:kube-admin", false),
                ("developer", false),
                (ADMINISTRATOR, false),
            ])
            .await
    })
    .await
}

async fn modes_and_routing_obey(world: &World<'_>) -> Result<()> {
    // There is a Pod to guard.
    operator_with(world, "execGuard: {mode: 'Off'}", async || {
        for object in [OURS, GUARD, INVENTORY] {
            world.gone(object).await?;
        }
        let says = "execGuard.mode is Off in the settings";
        world.0.condition(SYSTEM, Condition::yes("ExecGuard", "NotNeeded", says)).await?;
        world.enter(&[("developer", true)]).await
    })
    .await?;
    world.kubectl(&["delete", "pod/deckhouse-0", "-n", "d8-system"]).await?;
    // And now there is none.
    operator_with(world, "execGuard: {mode: Always}\nrouting: {connect: 'off'}", async || {
        until("the guard stands", SOON, async || world.exists(GUARD).await).await?;
        ensure!(world.exists(INVENTORY).await? && !world.exists(OURS).await?);
        let says = "RoutingOff: CONNECT of pods/attach, pods/exec is not sent to Gatekeeper, because routing.connect is off";
        world.0.condition(SYSTEM, Condition::yes("Routing", "Routed", says)).await?;
        world.0.condition(SYSTEM, Condition::no("ExecGuard", "NotRouted", "CONNECT of pods/exec")).await
    })
    .await?;
    // An object of our name that is not ours stays as it is.
    let mut foreign = world.get(UPSTREAM).await?;
    foreign["metadata"] = json!({"name": OURS.split('/').next_back()});
    world.put(&foreign).await?;
    operator_with(world, "", async || {
        world.gone(INVENTORY).await?;
        world.put(&pod("d8-system", "deckhouse-0", &json!({"heritage": "deckhouse"}))).await?;
        until("the guard stands", SOON, async || world.exists(GUARD).await).await?;
        let found = world.get(OURS).await?;
        ensure!(found["webhooks"] == foreign["webhooks"], "{found}");
        let says = "ValidatingWebhookConfiguration gatewright-validating-webhook-configuration exists and is not ours";
        world.0.condition(SYSTEM, Condition::no("Routing", "ApplyFailed", says)).await?;
        world.kubectl(&["delete", OURS]).await?;
        world.routes_become(&["CONNECT pods/attach", "CONNECT pods/exec"]).await
    })
    .await
}
