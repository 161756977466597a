//! What is in the API, as far as it concerns us.

use anyhow::{Context, Result};
use gatewright_api::names::{OWNER_LABEL, RENDERED};
use gatewright_rules::deny_exec_heritage::HERITAGE_LABEL;
use http::Request;
use kube::Client;
use serde_json::Value;

const POLICIES: &str = "/apis/deckhouse.io/v1alpha1";
const CONSTRAINTS: &str = "/apis/constraints.gatekeeper.sh/v1beta1";

/// Of these kinds some objects are ours.
const SHARED: [&str; 3] = [
    "/apis/templates.gatekeeper.sh/v1/constrainttemplates",
    "/apis/syncset.gatekeeper.sh/v1alpha1/syncsets",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
];

/// A look at the API.
pub struct Live {
    pub policies: Vec<Value>,
    /// The state of the system.
    pub status: Value,
    /// Whether there are Pods that the exec guard guards.
    pub platform_pods: bool,
    objects: Vec<Value>,
}

impl Live {
    pub async fn read(client: &Client) -> Result<Self> {
        let mut policies = list(client, &format!("{POLICIES}/securitypolicies")).await?;
        policies.extend(list(client, &format!("{POLICIES}/operationpolicies")).await?);
        let mut objects = vec![];
        for path in SHARED {
            objects.extend(list(client, path).await?);
        }
        for resource in constraint_resources(client).await? {
            objects.extend(list(client, &format!("{CONSTRAINTS}/{resource}")).await?);
        }
        let (key, value) = HERITAGE_LABEL;
        let pods = list(client, &format!("/api/v1/pods?labelSelector={key}%3D{value}&limit=1")).await?;
        let status = list(client, "/apis/gatewright.io/v1alpha1/gatewrightstatuses").await?;
        let status = status.into_iter().next().unwrap_or_default();
        Ok(Self { policies, status, platform_pods: !pods.is_empty(), objects })
    }

    /// What carries our label, but for what `render` wrote.
    pub fn ours(&self) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(|object| is_ours(object))
    }

    /// What is somebody else's.
    pub fn foreign(&self) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(|object| !is_ours(object))
    }
}

fn is_ours(object: &Value) -> bool {
    let owner = &object["metadata"]["labels"][OWNER_LABEL];
    owner.is_string() && owner != RENDERED
}

/// The kind and name of an object.
pub fn key(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// An object without what changes by itself.
pub fn without_noise(object: &Value) -> Value {
    let mut object = object.clone();
    object["status"] = Value::Null;
    for field in ["resourceVersion", "managedFields"] {
        object["metadata"][field] = Value::Null;
    }
    object
}

/// All objects below a path; none where it is not served.
async fn list(client: &Client, path: &str) -> Result<Vec<Value>> {
    let Some(mut found) = get(client, path).await? else { return Ok(vec![]) };
    let kind = found["kind"].as_str().unwrap_or_default().trim_end_matches("List").to_owned();
    let version = found["apiVersion"].take();
    let Value::Array(mut items) = found["items"].take() else { return Ok(vec![]) };
    for item in &mut items {
        item["apiVersion"] = version.clone();
        item["kind"] = kind.clone().into();
    }
    Ok(items)
}

async fn constraint_resources(client: &Client) -> Result<Vec<String>> {
    let Some(found) = get(client, CONSTRAINTS).await? else { return Ok(vec![]) };
    let resources = found["resources"].as_array().context("no resources")?;
    let names = resources.iter().filter_map(|resource| resource["name"].as_str());
    Ok(names.filter(|name| !name.contains('/')).map(str::to_owned).collect())
}

async fn get(client: &Client, path: &str) -> Result<Option<Value>> {
    match client.request::<Value>(Request::get(path).body(vec![])?).await {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {path}")),
    }
}
