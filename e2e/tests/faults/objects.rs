//! Faults of the objects that the operator keeps, of their kinds and of Gatekeeper, on the real control plane. After
//! each, everything is as desired by itself, and nothing of others is touched.

mod burst;
mod drift;
mod garbage;
mod kinds;
mod policies;
mod processes;

use std::time::Duration;

use anyhow::{Result, ensure};
use gatewright_e2e::operator::{OPERATOR, OPERATOR_USER};
use gatewright_e2e::{Cluster, Options, until};
use http::Request;
use serde_json::{Value, json};

/// Much more than anything here takes, on a machine under load.
const SOON: Duration = Duration::from_mins(1);

/// The state of everything that is no policy.
const SYSTEM: &str = "gatewrightstatus/cluster";

/// Where constraints stand.
const CONSTRAINTS: &str = "/apis/constraints.gatekeeper.sh/v1beta1";

/// Where policies stand.
const POLICIES: &str = "/apis/deckhouse.io/v1alpha1";

/// A cluster with the operator, and what the scenarios ask of it.
struct World<'a> {
    cluster: &'a Cluster,
    client: kube::Client,
}

/// A cluster with the operator, one policy of each kind and a Pod to guard, so that there is one object of ours of
/// every kind.
async fn scenario(options: Options, run: impl AsyncFnOnce(&World<'_>) -> Result<()>) -> Result<()> {
    Cluster::run(options, async |cluster| {
        cluster.install_policies().await?;
        let world = World { cluster, client: cluster.client().await? };
        for name in ["shop", "d8-system"] {
            cluster.put(&namespace(name)).await?;
        }
        until("the Pod of the platform is there", SOON, async || {
            cluster.put(&platform_pod()).await.map(|()| true)
        })
        .await?;
        cluster.put(&security_policy("strict", &json!({"allowPrivileged": false}))).await?;
        cluster.put(&operation_policy("common")).await?;
        cluster.start_operator().await?;
        for object in ["secpol/strict", "oppol/common", SYSTEM] {
            world.ready(object).await?;
        }
        run(&world).await
    })
    .await
}

impl World<'_> {
    async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.cluster.kubectl(arguments, None).await?.success()
    }

    async fn ready(&self, object: &str) -> Result<()> {
        self.kubectl(&["wait", "--for=condition=Ready", object, "--timeout=55s"]).await.map(drop)
    }

    /// The object at a path; none if there is none.
    async fn at(&self, path: &str) -> Result<Option<Value>> {
        match self.client.request(Request::get(path).body(vec![])?).await {
            Ok(found) => Ok(Some(found)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes the object at a path as somebody by this name would.
    async fn merge(&self, path: &str, manager: &str, change: &Value) -> Result<Value> {
        let request = Request::patch(format!("{path}?fieldManager={manager}"))
            .header("Content-Type", "application/merge-patch+json");
        Ok(self.client.request(request.body(serde_json::to_vec(change)?)?).await?)
    }

    async fn create(&self, path: &str, object: &Value) -> Result<Value> {
        let request = Request::post(path).header("Content-Type", "application/json");
        Ok(self.client.request(request.body(serde_json::to_vec(object)?)?).await?)
    }

    async fn delete(&self, path: &str) -> Result<()> {
        let request = Request::delete(path).body(vec![])?;
        self.client.request::<Value>(request).await?;
        Ok(())
    }

    /// Waits until the object at a path is like this.
    async fn becomes(&self, what: &str, path: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        until(what, SOON, async || {
            let found = self.at(path).await?.unwrap_or_default();
            ensure!(is(&found), "{found}");
            Ok(true)
        })
        .await?;
        Ok(self.at(path).await?.unwrap_or_default())
    }

    /// Waits until a privileged Pod is refused by this policy.
    async fn refuses(&self, policy: &str) -> Result<()> {
        until(&format!("{policy} refuses a privileged Pod"), SOON, async || {
            let create = ["create", "--dry-run=server", "-f", "-"];
            let output = self.cluster.kubectl(&create, Some(&privileged_pod().to_string())).await?;
            let expected = format!("[{policy}] allowPrivileged: container \"app\"");
            ensure!(output.stderr.contains(&expected), "{}", output.stderr);
            Ok(true)
        })
        .await
    }

    /// The operator's requests that write, with their verb, of which this holds.
    fn writes(&self, is: impl Fn(&Value) -> bool) -> Result<Vec<String>> {
        let reads = ["get", "list", "watch"];
        let wrote = |event: &Value| {
            let ours = event["user"]["username"] == OPERATOR_USER;
            ours && !reads.iter().any(|verb| event["verb"] == *verb) && is(event)
        };
        let text = |event: &Value| event["verb"].as_str().unwrap_or_default().to_owned();
        Ok(self.cluster.audited(wrote)?.iter().map(text).collect())
    }

    async fn metric(&self, series: &str) -> Result<u64> {
        let (_, text) = self.cluster.ask_replica(OPERATOR, "/metrics").await?;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(value.map_or("0", |value| value.trim_end_matches(".0")).parse()?)
    }
}

fn policy(kind: &str, name: &str, policies: &Value) -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": kind, "metadata": {"name": name},
        "spec": {"match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": policies},
    })
}

fn security_policy(name: &str, policies: &Value) -> Value {
    policy("SecurityPolicy", name, policies)
}

fn operation_policy(name: &str) -> Value {
    policy("OperationPolicy", name, &json!({"allowedRepos": ["registry.example.com"]}))
}

/// A namespace in which policies alone decide.
fn namespace(name: &str) -> Value {
    let labels = json!({"security.deckhouse.io/pod-policy": "privileged"});
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn platform_pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "deckhouse-0", "namespace": "d8-system", "labels": {"heritage": "deckhouse"}},
        "spec": {"containers": [{"name": "app", "image": "registry.example.com/app:1"}]},
    })
}

fn privileged_pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "privileged", "namespace": "shop"},
        "spec": {"containers": [{
            "name": "app", "image": "registry.example.com/app:1", "securityContext": {"privileged": true},
        }]},
    })
}
