//! Where things are: the repository, the built tools, the data of clusters.

use std::path::PathBuf;

use anyhow::{Result, ensure};
pub use gatewright_tools::paths::{repository, tools};

/// Fixtures and policies of others that tests compare with, where they are present: `$GATEWRIGHT_ORACLE`, else
/// `shared/oracle` beside the repository. It has the folders `pss` and `documented`.
#[must_use]
pub fn oracle() -> Option<PathBuf> {
    let given = std::env::var_os("GATEWRIGHT_ORACLE")
        .map_or_else(|| repository().join("../shared/oracle"), PathBuf::from);
    given.is_dir().then_some(given)
}

/// The objects of a component of kustomize under `deploy/components`.
#[must_use]
pub fn component(name: &str) -> PathBuf {
    repository().join(format!("deploy/components/{name}/{name}.yaml"))
}

/// The directory that holds one data directory for each cluster.
#[must_use]
pub fn clusters() -> PathBuf {
    repository().join("target/clusters")
}

/// The data directory of the cluster `name`.
///
/// # Errors
///
/// The name is empty or has characters other than lower-case letters, digits and dashes.
pub fn cluster(name: &str) -> Result<PathBuf> {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ensure!(
        !name.is_empty() && name.chars().all(valid) && !name.starts_with('-'),
        "`{name}` is no name for a cluster: use lower-case letters, digits and dashes"
    );
    Ok(clusters().join(name))
}
