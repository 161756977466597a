//! The exec guard and the routing on the real control plane: real `exec`, `attach` and deletions.

mod guard;
mod memory;
mod routing;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_compiler::{EXEC_GUARD, SYNC_SET};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, until};
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

/// The names in the test are those of the compiler.
#[test]
fn names_are_the_compilers() {
    assert!(GUARD.ends_with(EXEC_GUARD) && INVENTORY.ends_with(SYNC_SET));
}
