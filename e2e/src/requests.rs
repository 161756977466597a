//! Requests to the API server, many at once.

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use serde_json::Value;

/// How many requests are under way at once: as many as the operator has reconciliations.
pub const AT_ONCE: usize = 16;

/// The path of the SecurityPolicies.
pub const POLICIES: &str = "/apis/deckhouse.io/v1alpha1/securitypolicies";
/// The path of their constraints.
pub const CONSTRAINTS: &str = "/apis/constraints.gatekeeper.sh/v1beta1/d8securitypolicy";

/// The form of a change.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// A new object.
    Create,
    /// A JSON merge patch.
    Merge,
    /// Server-side apply; the path names the field manager.
    Apply,
}

impl Form {
    fn of(self) -> (Method, &'static str) {
        match self {
            Self::Create => (Method::POST, "application/json"),
            Self::Merge => (Method::PATCH, "application/merge-patch+json"),
            Self::Apply => (Method::PATCH, "application/apply-patch+yaml"),
        }
    }
}

/// Sends a change. What the API server answers is not looked at.
///
/// # Errors
/// It refuses the change, or does not answer.
pub async fn send(client: &Client, form: Form, path: &str, body: &Value) -> kube::Result<()> {
    let (method, kind) = form.of();
    let body = serde_json::to_vec(body).map_err(kube::Error::SerdeError)?;
    let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, kind).body(body);
    client.request_text(request.map_err(kube::Error::HttpError)?).await.map(drop)
}

/// What the API server answers to a change, be it yes or no.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status of HTTP.
    pub code: u16,
    /// The object as it is stored, or a `Status` that says why it is not.
    pub body: Value,
    /// The warnings, as they stand in the headers.
    pub warnings: Vec<String>,
}

/// Makes an object, or tries whether it could be made.
///
/// # Errors
/// The API server does not answer, or the object says no kind.
pub async fn create(client: &Client, object: &Value, dry_run: bool) -> Result<Answer> {
    let body = serde_json::to_vec(object)?;
    let uri = format!("{}{}", collection(object)?, if dry_run { "?dryRun=All" } else { "" });
    let request = Request::post(uri).header(header::CONTENT_TYPE, "application/json").body(body.into())?;
    let response = client.send(request).await?;
    let warnings = response.headers().get_all(header::WARNING).iter();
    let warnings = warnings.map(|warning| String::from_utf8_lossy(warning.as_bytes()).into_owned()).collect();
    let code = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(Answer { code, body: serde_json::from_slice(&body)?, warnings })
}

/// Deletes an object, and in time what it owns.
///
/// # Errors
/// The API server refuses it, or does not answer.
pub async fn remove(client: &Client, object: &Value) -> Result<()> {
    let name = object["metadata"]["name"].as_str().context("no name")?;
    let path = format!("{}/{name}?propagationPolicy=Background", collection(object)?);
    let request = Request::delete(&path).body(vec![])?;
    client.request_text(request).await.context(path).map(drop)
}

/// The path of the objects of a kind, in the namespace of this one.
fn collection(object: &Value) -> Result<String> {
    let types: TypeMeta = serde_json::from_value(object.clone())?;
    let kind = ApiResource::from_gvk(&GroupVersionKind::try_from(&types)?);
    let group = if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
    let namespace = object["metadata"]["namespace"].as_str();
    let namespace = namespace.map(|name| format!("/namespaces/{name}")).unwrap_or_default();
    Ok(format!("{group}/{}{namespace}/{}", kind.version, kind.plural))
}

/// Reads.
///
/// # Errors
/// There is nothing to read, or no answer.
pub async fn get(client: &Client, path: &str) -> Result<Value> {
    let request = Request::get(path).body(vec![])?;
    client.request(request).await.with_context(|| path.to_owned())
}

/// Deletes all objects of a kind.
///
/// # Errors
/// The API server refuses it, or does not answer.
pub async fn delete_all(client: &Client, path: &str) -> Result<()> {
    let request = Request::delete(path).body(vec![])?;
    client.request_text(request).await.with_context(|| path.to_owned()).map(drop)
}

/// How many objects there are of a kind. The API server counts them.
///
/// # Errors
/// As of [`get`].
pub async fn count(client: &Client, path: &str) -> Result<usize> {
    let list = get(client, &format!("{path}?limit=1")).await?;
    let rest = list["metadata"]["remainingItemCount"].as_u64().unwrap_or_default();
    Ok(list["items"].as_array().map_or(0, Vec::len) + usize::try_from(rest)?)
}

/// Does all of this, some at once, on all processors.
///
/// # Errors
/// The first of those of the tasks.
pub async fn all<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = Result<T>> + Send + 'static>,
) -> Result<Vec<T>> {
    let spawned = stream::iter(tasks).map(|task| async { tokio::spawn(task).await? });
    spawned.buffered(AT_ONCE).try_collect().await
}
