//! Faults of the objects that the operator keeps, of their kinds and of Gatekeeper, on the real control plane. After
//! each, everything is as desired by itself, and nothing of others is touched.

mod burst;
mod drift;
mod garbage;
mod kinds;
mod policies;
mod processes;

use anyhow::{Result, ensure};
use gatewright_e2e::manifests::{labelled_pod, namespace, no_privileged, operation_policy, security_policy};
use gatewright_e2e::operator::{OPERATOR, OPERATOR_USER};
use gatewright_e2e::{Cluster, Options, SOON, Scenario, until};
use http::Request;
use serde_json::{Value, json};

/// The state of the system.
const SYSTEM: &str = "gatewrightstatus/cluster";

/// Where constraints stand.
const CONSTRAINTS: &str = "/apis/constraints.gatekeeper.sh/v1beta1";

/// Where policies stand.
const POLICIES: &str = "/apis/deckhouse.io/v1alpha1";

/// A cluster with the operator, and a client to ask it quickly.
struct Scene<'a> {
    cluster: &'a Cluster,
    client: kube::Client,
}

/// A cluster with the operator, one policy of each kind and a Pod to guard, so that there is one object of ours of
/// every kind.
async fn scene(options: Options, run: impl AsyncFnOnce(&Scene<'_>) -> Result<()>) -> Result<()> {
    let platform = labelled_pod("d8-system", "deckhouse-0", &json!({"heritage": "deckhouse"}));
    let objects = [namespace("shop"), namespace("d8-system"), platform];
    let policies = [security_policy("strict", &no_privileged()), sources("common")];
    let scenario = Scenario::on(options).objects(objects.into_iter().chain(policies));
    Scenario::run(scenario, async |cluster| {
        for object in ["secpol/strict", "oppol/common", SYSTEM] {
            cluster.ready(object).await?;
        }
        run(&Scene { cluster, client: cluster.client().await? }).await
    })
    .await
}

/// An OperationPolicy about where images come from.
fn sources(name: &str) -> Value {
    operation_policy(name, &json!({"allowedRepos": ["registry.example.com"]}))
}

impl Scene<'_> {
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

    /// A metric's series; none counts as 0.
    async fn count(&self, series: &str) -> Result<u64> {
        Ok(self.cluster.metric(OPERATOR, series).await?.map_or(Ok(0), |value| value.parse())?)
    }
}
