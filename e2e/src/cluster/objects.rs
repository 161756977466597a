//! What scenarios ask of objects, by kubectl as a person would.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Cluster, until};

/// Much more than anything takes, also on a machine under load.
const SOON: Duration = Duration::from_mins(1);

impl Cluster {
    /// Makes an object as the manifest says, or changes it to that.
    ///
    /// # Errors
    /// The API server refuses it.
    pub async fn put(&self, manifest: &Value) -> Result<()> {
        // Not `kubectl apply` on this side, which drops every null before the API server sees it.
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.kubectl(&arguments, Some(&manifest.to_string())).await?.success().map(drop)
    }

    /// An object, or a list of objects.
    ///
    /// # Errors
    /// There is none.
    pub async fn get(&self, what: &[&str]) -> Result<Value> {
        let text = self.kubectl(&[&["get", "-o", "json"], what].concat(), None).await?.success()?;
        Ok(serde_json::from_str(&text)?)
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
