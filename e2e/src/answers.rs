//! What the API server's audit log says of requests that were answered.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use crate::operator::OPERATOR_USER;

/// A request that was answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// `create`, `patch` and so on.
    pub verb: String,
    stage: String,
    user: User,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Code,
    request_received_timestamp: String,
    stage_timestamp: String,
}

#[derive(Clone, Debug, Deserialize)]
struct User {
    username: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    subresource: String,
    name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Code {
    code: u16,
}

impl Answer {
    /// Whether the operator had asked.
    #[must_use]
    pub fn is_operators(&self) -> bool {
        self.user.username == OPERATOR_USER
    }

    /// Whether it changed something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !["get", "list", "watch"].contains(&self.verb.as_str())
    }

    /// Whether it was done as asked.
    #[must_use]
    pub fn is_done(&self) -> bool {
        (200..300).contains(&self.response_status.code)
    }

    /// The resource, with its subresource.
    #[must_use]
    pub fn resource(&self) -> String {
        let Object { resource, subresource, .. } = &self.object_ref;
        if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") }
    }

    /// The name of the object. A creation has it in its body only, which is not in the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.object_ref.name
    }

    /// When it came, in seconds since 1970.
    ///
    /// # Errors
    /// The log has no such time.
    pub fn came(&self) -> Result<f64> {
        seconds(&self.request_received_timestamp)
    }

    /// When it was answered, in seconds since 1970.
    ///
    /// # Errors
    /// The log has no such time.
    pub fn answered(&self) -> Result<f64> {
        seconds(&self.stage_timestamp)
    }
}

fn seconds(time: &str) -> Result<f64> {
    let time: Timestamp = time.parse().with_context(|| time.to_owned())?;
    Ok(time.as_duration().as_secs_f64())
}

/// Now, in seconds since 1970.
#[must_use]
pub fn now() -> f64 {
    Timestamp::now().as_duration().as_secs_f64()
}

/// The log.
#[derive(Debug)]
pub struct Answers(PathBuf);

/// A place in the log.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

impl Answers {
    /// The log at this path.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The end of the log as it is now.
    ///
    /// # Errors
    /// There is no log.
    pub fn mark(&self) -> Result<Mark> {
        Ok(Mark(std::fs::metadata(&self.0)?.len()))
    }

    /// What has been answered since the start.
    ///
    /// # Errors
    /// As of [`Self::since`].
    pub fn all(&self) -> Result<Vec<Answer>> {
        self.since(Mark(0))
    }

    /// What has been answered since. Watches count when they end.
    ///
    /// # Errors
    /// There is no log, or it is not one of audit.k8s.io/v1.
    pub fn since(&self, mark: Mark) -> Result<Vec<Answer>> {
        let mut file = File::open(&self.0)?;
        file.seek(SeekFrom::Start(mark.0))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        let answers: Vec<Answer> = complete.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        Ok(answers.into_iter().filter(|answer| answer.stage == "ResponseComplete").collect())
    }
}

/// How often the operator has written, by resource.
#[must_use]
pub fn writes(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut writes = BTreeMap::new();
    for answer in answers.iter().filter(|answer| answer.is_operators() && answer.is_write()) {
        *writes.entry(answer.resource()).or_default() += 1;
    }
    writes
}
