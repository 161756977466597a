//! The exec guard and the routing on the real control plane: real `exec`, `attach` and deletions.

#[path = "exec/memory.rs"]
mod memory;
#[path = "exec/routing.rs"]
mod routing;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_compiler::{EXEC_GUARD, SYNC_SET};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, Condition, Options, until};
use serde_json::{Value, json};

/// Much more than anything here takes.
const SOON: Duration = Duration::from_mins(1);

/// How soon an edit by hand must be undone, on a machine under load.
const AT_ONCE: Duration = Duration::from_secs(5);

const GUARD: &str = "d8denyexecheritage/deny-exec-heritage-pods";
const INVENTORY: &str = "syncset/gatewright-pods";
const OURS: &str = "validatingwebhookconfiguration/gatewright-validating-webhook-configuration";
const UPSTREAM: &str = "validatingwebhookconfiguration/gatekeeper-validating-webhook-configuration";

const SYSTEM: &str = "gatewrightstatus/cluster";

/// The Pod of the platform, and one of somebody else.
const GUARDED: &str = "d8-system/deckhouse-0";
const PLAIN: &str = "shop/web-0";

const REFUSED: &str = "[deny-exec-heritage-pods] exec into Pod d8-system/deckhouse-0 is refused: it belongs";
const ATTACH_REFUSED: &str =
    "[deny-exec-heritage-pods] attach to Pod d8-system/deckhouse-0 is refused: it belongs";
const UNKNOWN: &str = "Gatekeeper has not seen this Pod yet";

/// What is said of somebody who is attached.
const ATTACHED: &str = "attached";

/// The user of the cluster's own kubeconfig, of the group system:masters; everybody else is impersonated.
const ADMINISTRATOR: &str = "admin";

/// Who may enter the platform's Pods, and who not.
type Users<'a> = &'a [(&'a str, bool)];

fn impersonation(user: &str) -> Vec<String> {
    if user == ADMINISTRATOR { vec![] } else { vec![format!("--as={user}")] }
}

/// A cluster, and what the scenarios ask of it.
struct World<'a>(&'a Cluster);

impl World<'_> {
    async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.0.kubectl(arguments, None).await?.success()
    }

    /// What kubectl and the API server say, be it yes or no.
    async fn answer(&self, arguments: &[&str]) -> Result<String> {
        let output = self.0.kubectl(arguments, None).await?;
        Ok(output.stdout + &output.stderr)
    }

    async fn put(&self, manifest: &Value) -> Result<()> {
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.0.kubectl(&arguments, Some(&manifest.to_string())).await?.success().map(drop)
    }

    /// Puts a constraint as soon as Gatekeeper has made its kind and knows it.
    async fn put_constraint(&self, manifest: &Value) -> Result<()> {
        until("the constraint is taken", SOON, async || self.put(manifest).await.map(|()| true)).await
    }

    async fn get(&self, object: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.kubectl(&["get", "-o", "json", object]).await?)?)
    }

    async fn exists(&self, object: &str) -> Result<bool> {
        Ok(!self.kubectl(&["get", "--ignore-not-found", object]).await?.is_empty())
    }

    async fn patch(&self, object: &str, r#type: &str, patch: &Value) -> Result<()> {
        let (r#type, patch) = (format!("--type={type}"), patch.to_string());
        self.kubectl(&["patch", object, &r#type, "-p", &patch]).await.map(drop)
    }

    /// What `kubectl exec` says to somebody who runs `echo inside` in a Pod.
    async fn exec(&self, user: &str, pod: &str) -> Result<String> {
        let (namespace, name) = pod.split_once('/').context("no namespace")?;
        let user = impersonation(user);
        let user: Vec<_> = user.iter().map(String::as_str).collect();
        let arguments = [&["exec", "-n", namespace, name], &user[..], &["--", "echo", "inside"]].concat();
        self.answer(&arguments).await
    }

    /// What `kubectl attach` says to somebody, who is let go once attached.
    async fn attach(&self, user: &str, pod: &str) -> Result<String> {
        let (namespace, name) = pod.split_once('/').context("no namespace")?;
        let impersonated = impersonation(user);
        let impersonated: Vec<_> = impersonated.iter().map(String::as_str).collect();
        let arguments = [&["attach", "-n", namespace, name], &impersonated[..]].concat();
        let before = self.attached(user, name)?;
        let attached = until("somebody is attached", SOON, async || Ok(self.attached(user, name)? > before));
        tokio::select! {
            said = self.answer(&arguments) => said,
            attached = attached => attached.map(|()| ATTACHED.to_owned()),
        }
    }

    /// How often the API server has attached somebody to a Pod.
    fn attached(&self, user: &str, pod: &str) -> Result<usize> {
        let attached = self.0.audited(|event| {
            let who = if user == ADMINISTRATOR { &event["user"] } else { &event["impersonatedUser"] };
            let object = &event["objectRef"];
            who["username"] == user
                && (&object["subresource"], &object["name"]) == (&json!("attach"), &json!(pod))
                && event["stage"] == "ResponseStarted"
                && event["responseStatus"]["code"] == 101
        })?;
        Ok(attached.len())
    }

    /// Everybody is let into everybody's Pods, but only some into the platform's, by exec as by attach.
    async fn enter(&self, users: Users<'_>) -> Result<()> {
        for (user, may) in users {
            for (pod, allowed) in [(GUARDED, *may), (PLAIN, true)] {
                let (exec, attach) = if allowed { ("inside", ATTACHED) } else { (REFUSED, ATTACH_REFUSED) };
                let said = self.exec(user, pod).await?;
                ensure!(said.contains(exec), "exec of {user} into {pod}: {said}");
                let said = self.attach(user, pod).await?;
                ensure!(said.contains(attach), "attach of {user} to {pod}: {said}");
            }
        }
        Ok(())
    }

    /// Waits until `kubectl exec` says this.
    async fn exec_says(&self, user: &str, pod: &str, says: &str) -> Result<()> {
        until(&format!("exec of {user} into {pod} says {says:?}"), SOON, async || {
            let said = self.exec(user, pod).await?;
            ensure!(said.contains(says), "{said}");
            Ok(true)
        })
        .await
    }

    async fn gone(&self, object: &str) -> Result<()> {
        until(&format!("{object} is gone"), SOON, async || Ok(!self.exists(object).await?)).await
    }

    /// The requests that our webhook configuration sends, as `CONNECT pods/exec`.
    async fn routes(&self) -> Result<Vec<String>> {
        if !self.exists(OURS).await? {
            return Ok(vec![]);
        }
        let entry = self.get(OURS).await?["webhooks"][0].take();
        let mut routes = vec![];
        for rule in entry["rules"].as_array().into_iter().flatten() {
            let operation = rule["operations"][0].as_str().unwrap_or_default();
            let resources = rule["resources"].as_array().into_iter().flatten().filter_map(Value::as_str);
            routes.extend(resources.map(|resource| format!("{operation} {resource}")));
        }
        Ok(routes)
    }

    async fn routes_become(&self, expected: &[&str]) -> Result<()> {
        until(&format!("routed is {expected:?}"), SOON, async || {
            let found = self.routes().await?;
            ensure!(found == expected, "{found:?}; {}", self.0.log(OPERATOR).display());
            Ok(true)
        })
        .await
    }

    async fn operator_says(&self, words: &[&str]) -> Result<()> {
        until(&format!("the operator says {words:?}"), SOON, async || {
            let log = std::fs::read_to_string(self.0.log(OPERATOR))?;
            Ok(log.lines().any(|line| words.iter().all(|word| line.contains(word))))
        })
        .await
    }

    /// Waits until events about the system, each about another turn, tell this, and no more of them do.
    async fn told(&self, reason: &str, says: &str, times: usize) -> Result<()> {
        until(&format!("{times} events tell {reason}, {says:?}"), SOON, async || {
            let told = self.0.events("default", "cluster", reason).await?;
            ensure!(told.len() == times && told.iter().all(|told| told.contains(says)), "{told:?}");
            Ok(true)
        })
        .await
    }

    /// Changes an object by hand, and waits until the change is undone.
    async fn undone(&self, what: &str, object: &str, r#type: &str, patch: &Value) -> Result<()> {
        let content = |object: &Value| (object["spec"].clone(), object["webhooks"].clone());
        let good = content(&self.get(object).await?);
        self.patch(object, r#type, patch).await?;
        until(&format!("{object} is as before ({what})"), AT_ONCE, async || {
            let found = content(&self.get(object).await?);
            ensure!(found == good, "{found:?}");
            Ok(true)
        })
        .await
    }
}

fn namespace(name: &str) -> Value {
    let labels = json!({"security.deckhouse.io/pod-policy": "privileged"});
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn pod(namespace: &str, name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "app", "image": "registry.example.com/app:1"}]},
    })
}

/// Everybody may do everything, as far as RBAC is asked.
fn everybody_may() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "everybody"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}],
    })
}

async fn prepared(world: &World<'_>, pods: &[(&str, &str, Value)]) -> Result<()> {
    world.0.install_policies().await?;
    world.put(&everybody_may()).await?;
    for (in_namespace, name, labels) in pods {
        world.put(&namespace(in_namespace)).await?;
        until("the Pod is taken", SOON, async || {
            world.put(&pod(in_namespace, name, labels)).await.map(|()| true)
        })
        .await?;
        let wait = ["wait", "--for=condition=Ready", "pod", name, "-n", in_namespace, "--timeout=50s"];
        world.kubectl(&wait).await?;
    }
    Ok(())
}

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

/// The names in the test are those of the compiler.
#[test]
fn names_are_the_compilers() {
    assert!(GUARD.ends_with(EXEC_GUARD) && INVENTORY.ends_with(SYNC_SET));
}
