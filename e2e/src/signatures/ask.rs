//! Requests to the API server whose answers are looked at: the code, the message, the warnings, and how long it took.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http::{HeaderValue, Method, Request, header};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::Value;

/// What the API server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// The message of a refusal; empty if there is none.
    pub message: String,
    /// The warnings, one a line.
    pub warnings: String,
    /// How long it took.
    pub took: Duration,
}

impl Answer {
    /// Whether the object was taken.
    #[must_use]
    pub fn is_yes(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// That it was taken, without a warning.
    ///
    /// # Errors
    /// It was not.
    pub fn passes(&self) -> Result<()> {
        ensure!(self.is_yes() && self.warnings.is_empty(), "{self:?}");
        Ok(())
    }

    /// That Gatekeeper refused it, saying this.
    ///
    /// # Errors
    /// It was taken, or something else was said.
    pub fn refuses(&self, says: &str) -> Result<()> {
        ensure!(self.code == 403 && self.message.contains(says), "not {says:?}: {self:?}");
        Ok(())
    }
}

/// Who asks.
#[derive(Clone)]
pub struct Asker(pub Client);

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asker")
    }
}

impl Asker {
    /// Creates a Pod or a Deployment in a dry run.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn tries(&self, object: &Value) -> Result<Answer> {
        let path = format!("{}?dryRun=All", collection(object)?);
        self.send(Method::POST, &path, "application/json", object).await
    }

    /// Creates a Pod or a Deployment.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn creates(&self, object: &Value) -> Result<Answer> {
        self.send(Method::POST, &collection(object)?, "application/json", object).await
    }

    /// Changes a Pod, or a subresource of one, by a strategic merge patch.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn patches(&self, namespace: &str, pod: &str, change: &Value) -> Result<Answer> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
        self.send(Method::PATCH, &path, "application/strategic-merge-patch+json", change).await
    }

    async fn send(&self, method: Method, path: &str, kind: &str, body: &Value) -> Result<Answer> {
        let body = Body::from(serde_json::to_vec(body)?);
        let request =
            Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, kind).body(body)?;
        let begun = Instant::now();
        let answer = self.0.send(request).await?;
        let took = begun.elapsed();
        let (code, warnings) = (answer.status().as_u16(), answer.headers().get_all(header::WARNING));
        // Not only ASCII, as a name of an image that is shortened.
        let text = |warning: &HeaderValue| String::from_utf8_lossy(warning.as_bytes()).into_owned();
        let warnings: Vec<_> = warnings.iter().map(text).collect();
        let warnings = warnings.join("\n").replace("\\\"", "\"");
        let body: Value = serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?;
        let message = body["message"].as_str().unwrap_or_default().to_owned();
        Ok(Answer { code, message, warnings, took })
    }
}

fn collection(object: &Value) -> Result<String> {
    let namespace = object["metadata"]["namespace"].as_str().context("no namespace")?;
    let (api, plural) =
        if object["kind"] == "Deployment" { ("apis/apps", "deployments") } else { ("api", "pods") };
    Ok(format!("/{api}/v1/namespaces/{namespace}/{plural}"))
}
