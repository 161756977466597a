//! What scenarios ask of objects, by kubectl as a person would.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Cluster, until};
use crate::{AT_ONCE, SOON};

impl Cluster {
    /// What kubectl prints when it succeeds.
    ///
    /// # Errors
    /// It fails; the error shows what it says.
    pub async fn kubectl_ok(&self, arguments: &[&str]) -> Result<String> {
        self.kubectl(arguments, None).await?.success()
    }

    /// Makes an object as the manifest says, or changes it to that.
    ///
    /// # Errors
    /// The API server refuses it.
    pub async fn put(&self, manifest: &Value) -> Result<()> {
        // Not `kubectl apply` on this side, which drops every null before the API server sees it.
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.kubectl(&arguments, Some(&manifest.to_string())).await?.success().map(drop)
    }

    /// Makes or changes all of these in one request after the other.
    ///
    /// # Errors
    /// The API server refuses one of them.
    pub async fn put_all(&self, manifests: &[Value]) -> Result<()> {
        self.put(&json!({"apiVersion": "v1", "kind": "List", "items": manifests})).await
    }

    /// Changes an object by a patch of this type: `merge` or `json`.
    ///
    /// # Errors
    /// The API server refuses it.
    pub async fn patch(&self, object: &str, r#type: &str, patch: &Value) -> Result<()> {
        let (r#type, patch) = (format!("--type={type}"), patch.to_string());
        self.kubectl_ok(&["patch", object, &r#type, "-p", &patch]).await.map(drop)
    }

    /// An object, or a list of objects.
    ///
    /// # Errors
    /// There is none.
    pub async fn get(&self, what: &[&str]) -> Result<Value> {
        let text = self.kubectl(&[&["get", "-o", "json"], what].concat(), None).await?.success()?;
        Ok(serde_json::from_str(&text)?)
    }

    /// An object; null if it or its kind is not there.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn find(&self, what: &[&str]) -> Result<Value> {
        let output = self.kubectl(&[&["get", "-o", "json"], what].concat(), None).await?;
        let absent = ["NotFound", "doesn't have a resource type"];
        if absent.iter().any(|reason| output.stderr.contains(reason)) {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_str(&output.success()?)?)
    }

    /// Whether an object is there.
    ///
    /// # Errors
    /// As of [`Self::find`].
    pub async fn exists(&self, object: &str) -> Result<bool> {
        Ok(!self.find(&[object]).await?.is_null())
    }

    /// Waits until an object is gone.
    ///
    /// # Errors
    /// It is not in time.
    pub async fn gone(&self, object: &str) -> Result<()> {
        until(&format!("{object} is gone"), SOON, async || Ok(!self.exists(object).await?)).await
    }

    /// Waits until an object is ready as it is now, by `kubectl wait`.
    ///
    /// # Errors
    /// It is not in time.
    pub async fn ready(&self, object: &str) -> Result<()> {
        let wait = ["wait", "--for=condition=Ready", object, "--timeout=50s"];
        until(&format!("{object} is ready"), SOON, async || self.kubectl_ok(&wait).await.map(|_| true)).await
    }

    /// Waits until all objects of these kinds are ready.
    ///
    /// # Errors
    /// They are not in time.
    pub async fn all_ready(&self, kinds: &str) -> Result<()> {
        let wait = ["wait", "--for=condition=Ready", kinds, "--all", "--timeout=50s"];
        until(&format!("all {kinds} are ready"), SOON, async || self.kubectl_ok(&wait).await.map(|_| true))
            .await
    }

    /// Waits until a change of an object by hand is undone.
    ///
    /// # Errors
    /// Its spec is not this in time.
    pub async fn restored(&self, what: &str, object: &str, spec: &Value) -> Result<()> {
        until(&format!("{object} is as before ({what})"), AT_ONCE, async || {
            let found = self.find(&[object]).await?["spec"].take();
            ensure!(&found == spec, "{found}");
            Ok(true)
        })
        .await
    }

    /// What the API server says to a new object, be it yes or no.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn create(&self, manifest: &Value) -> Result<String> {
        let output = self.kubectl(&["create", "-f", "-"], Some(&manifest.to_string())).await?;
        Ok(output.stdout + &output.stderr)
    }

    /// What it would say, and nothing is made.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn try_create(&self, manifest: &Value) -> Result<String> {
        let create = ["create", "--dry-run=server", "-f", "-"];
        let output = self.kubectl(&create, Some(&manifest.to_string())).await?;
        Ok(output.stdout + &output.stderr)
    }

    /// Waits until the API server's answer to a new object contains `says`; nothing is made.
    ///
    /// # Errors
    /// It does not in time.
    pub async fn answers(&self, manifest: &Value, says: &str) -> Result<()> {
        until(&format!("the API server says {says:?}"), SOON, async || {
            let said = self.try_create(manifest).await?;
            ensure!(said.contains(says), "{said}");
            Ok(true)
        })
        .await
    }

    /// What a replica shows of a metric's series.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn metric(&self, replica: &str, series: &str) -> Result<Option<String>> {
        let (code, text) = self.ask_replica(replica, "/metrics").await?;
        ensure!(code == 200, "{code} {text}");
        let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(found.map(|value| value.trim_end_matches(".0").to_owned()))
    }

    /// Waits until a replica shows this value of a metric's series.
    ///
    /// # Errors
    /// It does not in time.
    pub async fn measures(&self, replica: &str, series: &str, expected: &str) -> Result<()> {
        until(&format!("{replica} shows {series} {expected}"), SOON, async || {
            let found = self.metric(replica, series).await?;
            ensure!(found.as_deref() == Some(expected), "{found:?}");
            Ok(true)
        })
        .await
    }

    /// What kubectl and the API server say, be it yes or no.
    ///
    /// # Errors
    /// It does not run.
    pub async fn answer(&self, arguments: &[&str]) -> Result<String> {
        let output = self.kubectl(arguments, None).await?;
        Ok(output.stdout + &output.stderr)
    }

    /// Waits until a condition of an object has this status and reason, and its message says this.
    ///
    /// # Errors
    /// It does not in time.
    pub async fn condition(&self, object: &str, expected: Condition<'_>) -> Result<()> {
        let Condition { r#type, status, reason, says } = expected;
        until(&format!("{object} is {type}={status}, {reason}, {says:?}"), SOON, async || {
            let found = self.get(&[object]).await?;
            let conditions = found["status"]["conditions"].as_array().context("no conditions yet")?;
            let condition =
                conditions.iter().find(|condition| condition["type"] == r#type).context("absent")?;
            let message = condition["message"].as_str().unwrap_or_default();
            let holds = condition["status"] == status && condition["reason"] == reason;
            ensure!(holds && message.contains(says), "{condition}");
            Ok(true)
        })
        .await
    }

    /// Waits until a field of an object, given by its JSON pointer, has this value.
    ///
    /// # Errors
    /// It does not in time.
    pub async fn shows(&self, object: &str, pointer: &str, expected: &Value) -> Result<()> {
        until(&format!("{object} has {pointer} {expected}"), SOON, async || {
            let found = self.get(&[object]).await?;
            let value = found.pointer(pointer).unwrap_or(&Value::Null);
            ensure!(value == expected, "{value}");
            Ok(true)
        })
        .await
    }

    /// The messages of all events with this reason about an object.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn events(&self, namespace: &str, object: &str, reason: &str) -> Result<Vec<String>> {
        let about = format!("--field-selector=involvedObject.name={object},reason={reason}");
        let found = self.get(&["events", "-n", namespace, &about]).await?;
        let events = found["items"].as_array().into_iter().flatten();
        Ok(events.map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// The API server's answers so far to requests of which this holds.
    ///
    /// # Errors
    /// The audit log cannot be read.
    pub fn audited(&self, is: impl Fn(&Value) -> bool) -> Result<Vec<Value>> {
        let log = std::fs::read_to_string(self.audit_log())?;
        Ok(log.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(is).collect())
    }
}

/// What a condition should be.
#[derive(Clone, Copy, Debug)]
pub struct Condition<'a> {
    /// Its type.
    pub r#type: &'a str,
    /// `True` or `False`.
    pub status: &'a str,
    /// Its reason.
    pub reason: &'a str,
    /// What stands in its message.
    pub says: &'a str,
}

impl<'a> Condition<'a> {
    /// One that holds.
    #[must_use]
    pub const fn yes(r#type: &'a str, reason: &'a str, says: &'a str) -> Self {
        Self { r#type, status: "True", reason, says }
    }

    /// One that does not hold.
    #[must_use]
    pub const fn no(r#type: &'a str, reason: &'a str, says: &'a str) -> Self {
        Self { r#type, status: "False", reason, says }
    }
}
