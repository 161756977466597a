//! Whom registries are asked as, from a command line.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use gatewright_signatures::docker_config::DockerConfig;
use gatewright_verifier::demand::RegistryConfig;

use crate::input::{self, Limit};

/// The credentials in this file, or else those that Docker keeps for its user.
///
/// # Errors
/// The file cannot be read, or is no docker config. Nothing of what it holds is said.
pub fn registry_config(path: Option<&Path>, limit: &Limit) -> anyhow::Result<RegistryConfig> {
    if let Some(path) = path {
        let config = DockerConfig::parse(read(path, limit)?.as_bytes());
        let config = config.map_err(|problem| anyhow!("{}: {problem}", path.display()))?;
        let file = RegistryConfig::default();
        file.set(Some(Ok(config)));
        return Ok(file);
    }
    let Some(path) = users_config().filter(|path| path.exists()) else {
        return Ok(RegistryConfig::default());
    };
    match DockerConfig::parse(read(&path, limit)?.as_bytes()) {
        Ok(config) => Ok(RegistryConfig::of_user(config)),
        Err(problem) => bail!("{}: {problem}", path.display()),
    }
}

fn read(path: &Path, limit: &Limit) -> anyhow::Result<String> {
    input::text(path, limit).map_err(|problem| anyhow!("{}: {problem}", path.display()))
}

/// Where Docker keeps its user's configuration.
fn users_config() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
    folder.or_else(home).map(|folder| folder.join("config.json"))
}
