//! Whom registries are asked as, from a command line.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use gatewright_signatures::docker_config::{DockerConfig, Unusable};
use gatewright_verifier::demand::RegistryConfig;

use crate::diagnostics;
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
        Ok(config) => {
            if let Some(note) = programs(&path, &config) {
                diagnostics::note(note);
            }
            Ok(RegistryConfig::of_user(config))
        }
        Err(problem) => bail!("{}: {problem}", path.display()),
    }
}

/// A note where the user's passwords are with programs, which are not run.
fn programs(path: &Path, config: &DockerConfig) -> Option<String> {
    let unusable = config.unusable();
    let kept = |by| unusable.contains(&by);
    let key = match (kept(Unusable::CredsStore), kept(Unusable::CredHelpers)) {
        (true, _) => "credsStore",
        (_, true) => "credHelpers",
        _ => return None,
    };
    Some(format!(
        "{}: {key} names a program that keeps your passwords; gatewright runs no such program, so registries are asked \
         without a user unless auths has one; for a private registry give --registry-config FILE with auth",
        path.display()
    ))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_that_programs_keep_are_noted() {
        for (text, says) in [
            (r#"{"credsStore": "desktop"}"#, Some("credsStore names a program")),
            (r#"{"credHelpers": {"r.io": "ecr-login"}}"#, Some("credHelpers names a program")),
            (r#"{"auths": {"r.io": {"auth": "dTpw"}}, "credsStore": ""}"#, None),
            ("{}", None),
        ] {
            let config = DockerConfig::parse(text.as_bytes()).unwrap();
            let note = programs(Path::new("/home/a/.docker/config.json"), &config);
            assert_eq!(note.is_some(), says.is_some(), "{text}");
            assert!(note.unwrap_or_default().contains(says.unwrap_or_default()), "{text}");
        }
    }
}
