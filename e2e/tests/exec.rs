//! The exec guard and the routing on the real control plane: real `exec`, `attach` and deletions.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use gatewright_compiler::{EXEC_GUARD, SYNC_SET};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, Options, paths, until};
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::core::{ApiResource, DynamicObject};
use serde_json::{Value, json};

/// Much more than anything here takes.
const SOON: Duration = Duration::from_mins(1);

/// How soon an edit by hand must be undone, on a machine under load.
const AT_ONCE: Duration = Duration::from_secs(5);

const GUARD: &str = "d8denyexecheritage/deny-exec-heritage-pods";
const INVENTORY: &str = "syncset/gatewright-pods";
const OURS: &str = "validatingwebhookconfiguration/gatewright-validating-webhook-configuration";
const UPSTREAM: &str = "validatingwebhookconfiguration/gatekeeper-validating-webhook-configuration";

const REFUSED: &str = "[deny-exec-heritage-pods] exec into Pod d8-system/deckhouse-0 is refused: it belongs";
const UNKNOWN: &str = "Gatekeeper has not seen this Pod yet";

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
        let user = format!("--as={user}");
        self.answer(&["exec", "-n", namespace, name, &user, "--", "echo", "inside"]).await
    }

    /// What `kubectl attach` says to somebody; nothing if it is attached after a while.
    async fn attach(&self, user: &str, pod: &str) -> Result<String> {
        let (namespace, name) = pod.split_once('/').context("no namespace")?;
        let user = format!("--as={user}");
        let arguments = ["attach", "-n", namespace, name, &user];
        let attached = tokio::time::timeout(Duration::from_secs(15), self.answer(&arguments)).await;
        attached.unwrap_or_else(|_| Ok(String::new()))
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
    let guarded = "d8-system/deckhouse-0";
    for (user, says) in [
        ("developer", REFUSED),
        ("kubernetes-admin", REFUSED),
        ("system:sudouser", "inside"),
        ("system:serviceaccount:kube-system:cleaner", "inside"),
        ("system:serviceaccount:d8-monitoring:prometheus", REFUSED),
        ("system:serviceaccount:shop:d8-admin", REFUSED),
    ] {
        let said = world.exec(user, guarded).await?;
        ensure!(said.contains(says), "{user}: {said}");
    }
    let said = world.attach("developer", guarded).await?;
    ensure!(said.contains("attach to Pod d8-system/deckhouse-0 is refused"), "{said}");
    for (user, pod) in [("system:sudouser", guarded), ("developer", "shop/web-0")] {
        let said = world.attach(user, pod).await?;
        ensure!(!said.contains("refused") && !said.contains("denied"), "{user}: {said}");
    }
    world.exec_says("developer", "shop/web-0", "inside").await
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
    world.exec_says("developer", "shop/web-0", UNKNOWN).await?;
    let said = world.exec("system:sudouser", "d8-system/deckhouse-0").await?;
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
    world.kubectl(&["delete", "config/config", "-n", "gatekeeper-system"]).await.map(drop)
}

/// Then the failure policy of upstream's entry decides, as for every other request.
async fn gatekeeper_down(world: &World<'_>) -> Result<()> {
    world.0.kill("gatekeeper-0").await?;
    world.exec_says("developer", "shop/web-0", "failed calling webhook \"validation.gatewright.io\"").await?;
    let patch = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]);
    world.patch(UPSTREAM, "json", &patch).await?;
    world.exec_says("developer", "d8-system/deckhouse-0", "inside").await?;
    world.0.restart("gatekeeper-0").await?;
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
        for (user, says) in [
            ("system:sudouser", "inside"),
            ("system:serviceaccount:d8-monitoring:prometheus", "inside"),
            ("system:serviceaccount:kube-dns:dns", "inside"),
            ("system:serviceaccount:shop:d8-admin", REFUSED),
            ("kubernetes-admin", REFUSED),
        ] {
            let said = world.exec(user, "d8-system/deckhouse-0").await?;
            ensure!(said.contains(says), "{user}: {said}");
        }
        world.exec_says("developer", "shop/web-0", "inside").await
    })
    .await
}

async fn modes_and_routing_obey(world: &World<'_>) -> Result<()> {
    // There is a Pod to guard.
    operator_with(world, "execGuard: {mode: 'Off'}", async || {
        for object in [OURS, GUARD, INVENTORY] {
            world.gone(object).await?;
        }
        world.exec_says("developer", "d8-system/deckhouse-0", "inside").await
    })
    .await?;
    world.kubectl(&["delete", "pod/deckhouse-0", "-n", "d8-system"]).await?;
    // And now there is none.
    operator_with(world, "execGuard: {mode: Always}\nrouting: {connect: 'off'}", async || {
        until("the guard stands", SOON, async || world.exists(GUARD).await).await?;
        ensure!(world.exists(INVENTORY).await? && !world.exists(OURS).await?);
        Ok(())
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
        world.kubectl(&["delete", OURS]).await?;
        world.routes_become(&["CONNECT pods/attach", "CONNECT pods/exec"]).await
    })
    .await
}

/// What users' own templates are given: a document of the documentation, where this data is present.
fn documented(name: &str) -> Result<Option<Value>> {
    let Some(oracle) = paths::oracle() else { return Ok(None) };
    let path = oracle.join("documented").join(format!("faq-{name}.yaml"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(Some(serde_saphyr::from_str(&text)?))
}

/// The form of a deny-exec template that can be true.
const DENY_EXEC: &str = r#"package d8.custom

violation[{"msg": msg}] {
  input.review.operation == "CONNECT"
  input.review.resource.resource == "pods"
  input.review.requestSubResource == {"exec", "attach"}[_]
  input.review.namespace == input.parameters.forbiddenNamespaces[_]
  msg := sprintf("Exec/attach is forbidden in namespace %q", [input.review.namespace])
}
"#;

const FORBIDDEN: &str = "[deny-exec-in-namespaces] Exec/attach is forbidden";
const NODE_BLOCKED: &str = "[require-node-delete-label] Node deletion is blocked";

#[tokio::test(flavor = "multi_thread")]
async fn documented_examples_are_routed() -> Result<()> {
    let names = [
        "constrainttemplate-d8customdenyexec",
        "constrainttemplate-d8customnodedeleteguard",
        "constrainttemplate-k8sallowedrepos",
    ];
    let Some(templates) = names.into_iter().map(documented).collect::<Result<Option<Vec<_>>>>()? else {
        println!("skipped: no oracle");
        return Ok(());
    };
    Cluster::run(Options::new("test-routing"), async |cluster| {
        let world = World(cluster);
        let none = json!({});
        let pods = [("shop", "web-0", none.clone()), ("production", "db-0", none)];
        prepared(&world, &pods).await?;
        cluster.start_operator().await?;
        for template in &templates {
            world.put(template).await?;
        }
        let constraints = ["d8customdenyexec-deny-exec-in-namespaces",
            "d8customnodedeleteguard-require-node-delete-label", "k8sallowedrepos-prod-repo"];
        for name in constraints {
            let mut constraint = documented(name)?.context("no oracle")?;
            constraint["spec"]["enforcementAction"] = json!("deny");
            if constraint["kind"] == "K8sAllowedRepos" {
                // Its label would also put the Pods under a standard.
                let matches = constraint["spec"]["match"].as_object_mut();
                matches.context("no match")?.remove("namespaceSelector");
            }
            world.put_constraint(&constraint).await?;
        }
        let all = ["CONNECT pods/attach", "CONNECT pods/exec", "DELETE nodes"];
        world.routes_become(&all).await?;
        // As documented, the template compares with what no request has.
        world.operator_says(&["NeverTrue", "d8customdenyexec"]).await?;
        world.exec_says("developer", "production/db-0", "inside").await?;
        let rego = json!([{"op": "replace", "path": "/spec/targets/0/rego", "value": DENY_EXEC}]);
        world.patch("constrainttemplate/d8customdenyexec", "json", &rego).await?;

        examples_hold(&world).await?;
        bad_pods_can_be_deleted(&world).await?;

        let operations = |list: &[&str]| json!([{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": list}]);
        world.patch(UPSTREAM, "json", &operations(&["CREATE", "UPDATE", "CONNECT", "DELETE"])).await?;
        world.routes_become(&[]).await?;
        examples_hold(&world).await?;
        world.patch(UPSTREAM, "json", &operations(&["CREATE", "UPDATE"])).await?;
        world.routes_become(&all).await?;
        a_sleeper_is_not_woken(&world).await
    })
    .await
}

async fn examples_hold(world: &World<'_>) -> Result<()> {
    world.exec_says("developer", "production/db-0", FORBIDDEN).await?;
    world.exec_says("developer", "shop/web-0", "inside").await?;
    let node = |label: Value| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "spare", "labels": label}});
    world.put(&node(json!({}))).await?;
    until("the Node is guarded", SOON, async || {
        let said = world.answer(&["delete", "node/spare", "--dry-run=server"]).await?;
        ensure!(said.contains(NODE_BLOCKED), "{said}");
        Ok(true)
    })
    .await?;
    world.put(&node(json!({"admission.deckhouse.io/allow-delete": "true"}))).await?;
    world.kubectl(&["delete", "node/spare"]).await.map(drop)
}

/// The Pods were there before the constraint that they violate, whose template lists no operations.
async fn bad_pods_can_be_deleted(world: &World<'_>) -> Result<()> {
    until("the constraint refuses", SOON, async || {
        let output = world
            .0
            .kubectl(
                &["create", "--dry-run=server", "-f", "-"],
                Some(&pod("shop", "bad", &json!({})).to_string()),
            )
            .await?;
        ensure!(output.stderr.contains("invalid image repo"), "{}", output.stderr);
        Ok(true)
    })
    .await?;
    world.kubectl(&["delete", "pod/db-0", "-n", "production", "--timeout=30s"]).await?;
    // Not while the constraint refuses it, but the next check needs it.
    let mut again = pod("production", "db-0", &json!({}));
    again["spec"]["containers"][0]["image"] = json!("mycompany.registry.com/app:1");
    world.put(&again).await?;
    world
        .kubectl(&["wait", "--for=condition=Ready", "pod/db-0", "-n", "production", "--timeout=50s"])
        .await
        .map(drop)
}

/// Somebody wants to see deletions of Pods, and K8sAllowedRepos would take them for its own.
async fn a_sleeper_is_not_woken(world: &World<'_>) -> Result<()> {
    let kinds = |kinds: &[&str]| json!({"spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": kinds}]}}});
    let guard = "d8customnodedeleteguard/require-node-delete-label";
    world.patch(guard, "merge", &kinds(&["Node", "Pod"])).await?;
    world.operator_says(&["WokenByMistake", "K8sAllowedRepos/prod-repo"]).await?;
    let all = ["CONNECT pods/attach", "CONNECT pods/exec", "DELETE nodes"];
    world.routes_become(&all).await?;
    world.kubectl(&["delete", "pod/web-0", "-n", "shop", "--timeout=30s"]).await?;
    world.kubectl(&["delete", "k8sallowedrepos/prod-repo"]).await?;
    world.routes_become(&["CONNECT pods/attach", "CONNECT pods/exec", "DELETE nodes", "DELETE pods"]).await?;
    for constraint in [guard, "d8customdenyexec/deny-exec-in-namespaces"] {
        world.kubectl(&["delete", constraint]).await?;
    }
    world.gone(OURS).await
}

/// The names in the test are those of the compiler.
#[test]
fn names_are_the_compilers() {
    assert!(GUARD.ends_with(EXEC_GUARD) && INVENTORY.ends_with(SYNC_SET));
}

/// What the inventory of the guard costs a Gatekeeper process. `cargo test … --test exec -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a check; GATEWRIGHT_PODS says how many Pods"]
async fn memory_of_the_inventory() -> Result<()> {
    let count: usize = std::env::var("GATEWRIGHT_PODS").map_or(Ok(10_000), |count| count.parse())?;
    let options = Options { nodes: 0, audit_interval: 3600, ..Options::new("bench-inventory") };
    Cluster::run(options, async |cluster| {
        let world = World(cluster);
        world.put(&namespace("many")).await?;
        world.kubectl(&["delete", UPSTREAM]).await?;
        let pods: kube::Api<DynamicObject> =
            kube::Api::namespaced_with(cluster.client().await?, "many", &ApiResource::erase::<Pod>(&()));
        let create = |number| {
            let pods = pods.clone();
            async move {
                let pod = serde_json::from_value(large_pod(number))?;
                anyhow::Ok(pods.create(&PostParams::default(), &pod).await?)
            }
        };
        let bytes = serde_json::to_vec(&create(0).await?)?.len();
        let created = futures::stream::iter((1..count).map(create)).buffer_unordered(32);
        created.try_for_each(|_| std::future::ready(Ok(()))).await?;
        let before = resident(cluster).await?;
        world.put(&json!(gatewright_compiler::sync_set())).await?;
        let after = resident(cluster).await?;
        println!(
            "{count} Pods of {bytes} bytes; MiB resident and at most: {before:?}, with inventory {after:?}"
        );
        Ok(())
    })
    .await
}

/// A Pod as large as usual ones, that nothing touches: gated, so that the scheduler leaves it alone.
fn large_pod(number: usize) -> Value {
    let variables: Vec<_> = (0..12)
        .map(|i| json!({"name": format!("VARIABLE_{i}"), "value": format!("value-{i}-of-{number}")}))
        .collect();
    let container = |name: &str| {
        let probe = json!({"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10});
        json!({
            "name": name, "image": format!("registry.example.com/team/{name}:1.2.{number}"), "env": variables,
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "livenessProbe": probe, "readinessProbe": probe,
        })
    };
    let mut pod = pod("many", &format!("web-{number}"), &json!({"app": "web", "number": number.to_string()}));
    // In place of a status, which running Pods have.
    pod["metadata"]["annotations"] = json!({"status": format!("{number:0>1500}")});
    pod["spec"]["containers"] = json!([container("app"), container("sidecar")]);
    pod["spec"]["schedulingGates"] = json!([{"name": "example.com/never"}]);
    pod
}

/// The resident memory of Gatekeeper in MiB now, and at most so far. Go gives memory back over some minutes.
async fn resident(cluster: &Cluster) -> Result<(u64, u64)> {
    tokio::time::sleep(Duration::from_mins(4)).await;
    let running = gatewright_e2e::running(cluster.directory());
    let process = running.iter().find(|process| process.name == "gatekeeper-0");
    let pid = process.context("Gatekeeper does not run")?.pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let of = |field: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
    };
    Ok((of("VmRSS:")?, of("VmHWM:")?))
}
