//! The exec guard and the routing on the real control plane: real `exec`, `attach` and deletions.

mod guard;
mod memory;
mod routing;

use anyhow::{Context, Result, ensure};
use gatewright_compiler::{EXEC_GUARD, SYNC_SET};
use gatewright_e2e::manifests::{everybody_may, namespace, pod};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, SOON, Scenario, until};
use serde_json::{Value, json};

pub(crate) const GUARD: &str = "d8denyexecheritage/deny-exec-heritage-pods";
pub(crate) const INVENTORY: &str = "syncset/gatewright-pods";
pub(crate) const OURS: &str = "validatingwebhookconfiguration/gatewright-validating-webhook-configuration";
pub const UPSTREAM: &str = "validatingwebhookconfiguration/gatekeeper-validating-webhook-configuration";

pub(crate) const SYSTEM: &str = "gatewrightstatus/cluster";

/// The Pod of the platform, and one of somebody else.
pub(crate) const GUARDED: &str = "d8-system/deckhouse-0";
pub(crate) const PLAIN: &str = "shop/web-0";

pub(crate) const REFUSED: &str =
    "[deny-exec-heritage-pods] exec into Pod d8-system/deckhouse-0 is refused: it belongs";
const ATTACH_REFUSED: &str =
    "[deny-exec-heritage-pods] attach to Pod d8-system/deckhouse-0 is refused: it belongs";
const UNKNOWN: &str = "Gatekeeper has not seen this Pod yet";

/// What is said of somebody who is attached.
pub(crate) const ATTACHED: &str = "attached";

/// The user of the cluster's own kubeconfig, of the group system:masters; everybody else is impersonated.
pub(crate) const ADMINISTRATOR: &str = "admin";

/// Who may enter the platform's Pods, and who not.
type Users<'a> = &'a [(&'a str, bool)];

fn impersonation(user: &str) -> Vec<String> {
    if user == ADMINISTRATOR { vec![] } else { vec![format!("--as={user}")] }
}

/// Puts a constraint as soon as Gatekeeper has made its kind and knows it.
pub(crate) async fn put_constraint(cluster: &Cluster, manifest: &Value) -> Result<()> {
    until("the constraint is taken", SOON, async || cluster.put(manifest).await.map(|()| true)).await
}

/// What `kubectl exec` says to somebody who runs `echo inside` in a Pod.
pub(crate) async fn exec(cluster: &Cluster, user: &str, pod: &str) -> Result<String> {
    let (namespace, name) = pod.split_once('/').context("no namespace")?;
    let user = impersonation(user);
    let user: Vec<_> = user.iter().map(String::as_str).collect();
    let arguments = [&["exec", "-n", namespace, name], &user[..], &["--", "echo", "inside"]].concat();
    cluster.answer(&arguments).await
}

/// What `kubectl attach` says to somebody, who is let go once attached.
pub(crate) async fn attach(cluster: &Cluster, user: &str, pod: &str) -> Result<String> {
    let (namespace, name) = pod.split_once('/').context("no namespace")?;
    let impersonated = impersonation(user);
    let impersonated: Vec<_> = impersonated.iter().map(String::as_str).collect();
    let arguments = [&["attach", "-n", namespace, name], &impersonated[..]].concat();
    let before = attached(cluster, user, name)?;
    let succeeds = until("somebody is attached", SOON, async || Ok(attached(cluster, user, name)? > before));
    tokio::select! {
        said = cluster.answer(&arguments) => said,
        succeeded = succeeds => succeeded.map(|()| ATTACHED.to_owned()),
    }
}

/// How often the API server has attached somebody to a Pod.
fn attached(cluster: &Cluster, user: &str, pod: &str) -> Result<usize> {
    let answers = cluster.audited(|event| {
        let who = if user == ADMINISTRATOR { &event["user"] } else { &event["impersonatedUser"] };
        let object = &event["objectRef"];
        who["username"] == user
            && (&object["subresource"], &object["name"]) == (&json!("attach"), &json!(pod))
            && event["stage"] == "ResponseStarted"
            && event["responseStatus"]["code"] == 101
    })?;
    Ok(answers.len())
}

/// Everybody is let into everybody's Pods, but only some into the platform's, by exec as by attach.
async fn enter(cluster: &Cluster, users: Users<'_>) -> Result<()> {
    for (user, may) in users {
        for (pod, allowed) in [(GUARDED, *may), (PLAIN, true)] {
            let (entered, is_attached) =
                if allowed { ("inside", ATTACHED) } else { (REFUSED, ATTACH_REFUSED) };
            let said = exec(cluster, user, pod).await?;
            ensure!(said.contains(entered), "exec of {user} into {pod}: {said}");
            let said = attach(cluster, user, pod).await?;
            ensure!(said.contains(is_attached), "attach of {user} to {pod}: {said}");
        }
    }
    Ok(())
}

/// Waits until `kubectl exec` says this.
pub(crate) async fn exec_says(cluster: &Cluster, user: &str, pod: &str, says: &str) -> Result<()> {
    until(&format!("exec of {user} into {pod} says {says:?}"), SOON, async || {
        let said = exec(cluster, user, pod).await?;
        ensure!(said.contains(says), "{said}");
        Ok(true)
    })
    .await
}

/// The requests that our webhook configuration sends, as `CONNECT pods/exec`.
async fn routes(cluster: &Cluster) -> Result<Vec<String>> {
    if !cluster.exists(OURS).await? {
        return Ok(vec![]);
    }
    let entry = cluster.get(&[OURS]).await?["webhooks"][0].take();
    let mut all = vec![];
    for rule in entry["rules"].as_array().into_iter().flatten() {
        let operation = rule["operations"][0].as_str().unwrap_or_default();
        let resources = rule["resources"].as_array().into_iter().flatten().filter_map(Value::as_str);
        all.extend(resources.map(|resource| format!("{operation} {resource}")));
    }
    Ok(all)
}

pub(crate) async fn routes_become(cluster: &Cluster, expected: &[&str]) -> Result<()> {
    until(&format!("routed is {expected:?}"), SOON, async || {
        let found = routes(cluster).await?;
        ensure!(found == expected, "{found:?}; {}", cluster.log(OPERATOR).display());
        Ok(true)
    })
    .await
}

async fn operator_says(cluster: &Cluster, words: &[&str]) -> Result<()> {
    until(&format!("the operator says {words:?}"), SOON, async || {
        let log = std::fs::read_to_string(cluster.log(OPERATOR))?;
        Ok(log.lines().any(|line| words.iter().all(|word| line.contains(word))))
    })
    .await
}

/// Waits until events about the system, each about another turn, tell this, and no more of them do.
async fn said(cluster: &Cluster, reason: &str, says: &str, times: usize) -> Result<()> {
    until(&format!("{times} events tell {reason}, {says:?}"), SOON, async || {
        let events = cluster.events("default", "cluster", reason).await?;
        ensure!(events.len() == times && events.iter().all(|event| event.contains(says)), "{events:?}");
        Ok(true)
    })
    .await
}

/// A cluster with these Pods, each in its namespace, in which everybody may do everything.
pub(crate) fn with_pods(name: &str, pods: &[(&str, &str)]) -> Scenario {
    let pods = pods.iter().flat_map(|(space, name)| [namespace(space), pod(space, name)]);
    Scenario::new(name).objects(pods.chain([everybody_may()]))
}

pub(crate) async fn pods_run(cluster: &Cluster) -> Result<()> {
    cluster
        .kubectl_ok(&["wait", "--for=condition=Ready", "pods", "--all", "-A", "--timeout=100s"])
        .await
        .map(drop)
}

/// The names in the test are those of the compiler.
#[test]
fn names_are_the_compilers() {
    assert!(GUARD.ends_with(EXEC_GUARD) && INVENTORY.ends_with(SYNC_SET));
}
