//! The Helm chart: what is generated of it, and rendering it with the pinned helm.

mod files;
mod schema;
mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{Cluster, Output, paths, tools};

pub use files::{COMPONENTS, Generated, offline, rendered};
pub use values::{ChartValue, read as values};

/// The name that releases have in the documentation, and the namespace that they are in.
pub const RELEASE: &str = "gatewright";
/// See [`RELEASE`].
pub const NAMESPACE: &str = "gatewright-system";
/// An image that nobody can pull, so that no stranger's ever is.
pub const NO_IMAGE: &str = "image.repository=registry.invalid/gatewright";

/// The folder of the chart.
#[must_use]
pub fn folder() -> PathBuf {
    paths::repository().join("deploy/charts/gatewright")
}

fn command(arguments: &[&str]) -> Command {
    // No file of whoever runs this changes what helm does.
    let home = paths::clusters().join(".helm");
    let mut command = Command::new(tools::path("helm"));
    command.args(arguments).env("HOME", &home).env_remove("KUBECONFIG").current_dir(paths::repository());
    command
}

fn output_of(output: std::io::Result<std::process::Output>) -> Result<Output> {
    let output = output.with_context(|| format!("cannot run {}", tools::path("helm").display()))?;
    Ok(Output {
        status: output.status,
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs helm without a cluster, in the repository.
///
/// # Errors
/// It cannot be started. Whether it failed is in the output.
pub fn helm(arguments: &[&str]) -> Result<Output> {
    output_of(command(arguments).output())
}

impl Cluster {
    /// Runs helm as administrator of this cluster, in the repository.
    ///
    /// # Errors
    /// It cannot be started. Whether it failed is in the output.
    pub async fn helm(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = tokio::process::Command::from(command(arguments));
        command.env("KUBECONFIG", self.kubeconfig()).env("HOME", self.directory()).kill_on_drop(true);
        output_of(command.output().await)
    }
}

/// What `helm template` prints of the chart with these values set, in the usual namespace.
///
/// # Errors
/// The chart does not render so; the error is what helm says.
pub fn template(values: &[&str]) -> Result<String> {
    let chart = folder();
    let chart = chart.to_str().context("the path of the chart is not UTF-8")?;
    let set = values.iter().flat_map(|value| ["--set", value]);
    let arguments: Vec<_> = ["template", RELEASE, chart, "-n", NAMESPACE].into_iter().chain(set).collect();
    helm(&arguments)?.success()
}

/// The objects of a manifest, by `Kind/name`.
///
/// # Errors
/// It is not a sequence of objects.
pub fn objects(manifest: &str) -> Result<BTreeMap<String, Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifest)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let key = |object: &Value| format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]));
    let objects = documents.into_iter().filter(|document| !document.is_null());
    Ok(objects.map(|object| (key(&object), object)).collect())
}

/// The committed manifest, for `kubectl apply`: everything of the chart by its defaults.
///
/// # Errors
/// There is none.
pub fn manifest() -> Result<BTreeMap<String, Value>> {
    let path = paths::repository().join(files::MANIFEST);
    objects(&std::fs::read_to_string(&path).with_context(|| path.display().to_string())?)
}
