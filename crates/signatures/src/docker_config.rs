//! Credentials of registries in a docker config: `auths`, or the old flat map.
//!
//! Nothing of it is ever shown: values are erased from memory when they are dropped, errors name kinds and no content.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::bounds::DOCKER_CONFIG_CHARACTERS;
use crate::reference::{Repository, normal_host};

/// User name and password for a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub username: Zeroizing<String>,
    /// The password, or a token in its place.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// A docker config.
#[derive(Clone, Debug, Default)]
pub struct DockerConfig {
    entries: Vec<Entry>,
    /// `credHelpers`: hosts.
    helped: Vec<String>,
    has_store: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    host: String,
    path: Vec<String>,
    credentials: Result<Credentials, Unusable>,
}

/// Why a docker config cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no base64.
    #[error("it is not base64")]
    Base64,
    /// It is no JSON of this form.
    #[error("it is no docker config: JSON with auths, or a map from registries to auth")]
    Json,
    /// It is larger than the bound.
    #[error("it has more than {DOCKER_CONFIG_CHARACTERS} characters")]
    TooLong,
}

/// Credentials of a kind that cannot be used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unusable {
    /// `credsStore`.
    #[error("credsStore names a program, and none is run: give auth, or username and password")]
    CredsStore,
    /// `credHelpers`.
    #[error("credHelpers names programs, and none is run: give auth, or username and password")]
    CredHelpers,
    /// `identitytoken`.
    #[error("identitytoken is not supported: give auth, or username and password")]
    IdentityToken,
    /// `registrytoken`.
    #[error("registrytoken is not supported: give auth, or username and password")]
    RegistryToken,
    /// `auth` that is not the base64 of user and password.
    #[error("auth is not the base64 of USERNAME:PASSWORD")]
    Auth,
    /// One of `username` and `password` alone.
    #[error("username and password are given together")]
    Incomplete,
    /// A key that names no registry.
    #[error("a key of auths names no registry")]
    Host,
}

#[derive(Deserialize)]
struct File {
    auths: Option<BTreeMap<String, Auth>>,
    #[serde(rename = "credsStore")]
    store: Option<Zeroizing<String>>,
    #[serde(rename = "credHelpers")]
    helpers: Option<BTreeMap<String, Zeroizing<String>>>,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names are docker's")]
struct Auth {
    auth: Option<Zeroizing<String>>,
    username: Option<Zeroizing<String>>,
    password: Option<Zeroizing<String>>,
    identitytoken: Option<Zeroizing<String>>,
    registrytoken: Option<Zeroizing<String>>,
}

impl DockerConfig {
    /// Reads a docker config in base64, as a policy has it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn from_base64(text: &str) -> Result<Self, Unreadable> {
        if text.chars().count() > DOCKER_CONFIG_CHARACTERS {
            return Err(Unreadable::TooLong);
        }
        let json = Zeroizing::new(BASE64_STANDARD.decode(text.trim_ascii()).map_err(|_| Unreadable::Base64)?);
        Self::parse(&json)
    }

    /// Reads a docker config, as a file has it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn parse(json: &[u8]) -> Result<Self, Unreadable> {
        // What serde says may hold parts of the text.
        let file: File = serde_json::from_slice(json).map_err(|_| Unreadable::Json)?;
        let is_old = file.auths.is_none() && file.store.is_none() && file.helpers.is_none();
        let auths = match file.auths {
            None if is_old => serde_json::from_slice(json).map_err(|_| Unreadable::Json)?,
            auths => auths.unwrap_or_default(),
        };
        Ok(Self {
            entries: auths.into_iter().filter_map(|(key, auth)| Entry::new(&key, auth)).collect(),
            helped: file.helpers.unwrap_or_default().keys().filter_map(|key| host_of(key)).collect(),
            has_store: file.store.is_some_and(|store| !store.is_empty()),
        })
    }

    /// The credentials for a repository: those whose path is the longest that it is in.
    ///
    /// # Errors
    /// They are of a kind that cannot be used.
    pub fn lookup(&self, repository: &Repository) -> Result<Option<&Credentials>, Unusable> {
        let path: Vec<_> = repository.path.split('/').collect();
        let entries = self.entries.iter().filter(|entry| entry.host == repository.host);
        let found = entries
            .filter(|entry| {
                entry.path.len() <= path.len() && entry.path.iter().zip(&path).all(|(a, b)| a == b)
            })
            .max_by_key(|entry| entry.path.len());
        match found {
            Some(entry) => entry.credentials.as_ref().map(Some).map_err(|unusable| *unusable),
            None if self.helped.contains(&repository.host) => Err(Unusable::CredHelpers),
            None if self.has_store => Err(Unusable::CredsStore),
            None => Ok(None),
        }
    }

    /// What of it cannot be used, each kind once, for a note.
    #[must_use]
    pub fn unusable(&self) -> Vec<Unusable> {
        let entries = self.entries.iter().filter_map(|entry| entry.credentials.as_ref().err().copied());
        let helpers = (!self.helped.is_empty()).then_some(Unusable::CredHelpers);
        let store = self.has_store.then_some(Unusable::CredsStore);
        let mut kinds: Vec<_> = entries.chain(helpers).chain(store).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

impl Entry {
    /// `None` where an entry is empty, as beside `credsStore`.
    fn new(key: &str, auth: Auth) -> Option<Self> {
        let credentials = auth.credentials().transpose()?;
        let (host, path) = split_key(key);
        Some(match normal_host(host) {
            Some(host) => {
                let segments = path.split('/').filter(|segment| !segment.is_empty());
                Self { host, path: segments.map(str::to_owned).collect(), credentials }
            }
            None => Self { host: String::new(), path: vec![], credentials: Err(Unusable::Host) },
        })
    }
}

/// Host and path of a key, without scheme and the version of the API.
fn split_key(key: &str) -> (&str, &str) {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    let trimmed = path.trim_end_matches('/');
    let path = if ["v1", "v2"].contains(&trimmed) { "" } else { trimmed };
    (host, path)
}

fn host_of(key: &str) -> Option<String> {
    normal_host(split_key(key).0)
}

/// A value that is there and not empty.
fn given(value: Option<Zeroizing<String>>) -> Option<Zeroizing<String>> {
    value.filter(|value| !value.is_empty())
}

impl Auth {
    fn credentials(self) -> Result<Option<Credentials>, Unusable> {
        if given(self.registrytoken).is_some() {
            return Err(Unusable::RegistryToken);
        }
        if given(self.identitytoken).is_some() {
            return Err(Unusable::IdentityToken);
        }
        if let Some(auth) = given(self.auth) {
            return decode_auth(&auth).map(Some).ok_or(Unusable::Auth);
        }
        match (given(self.username), given(self.password)) {
            (Some(username), Some(password)) => Ok(Some(Credentials { username, password })),
            (None, None) => Ok(None),
            _ => Err(Unusable::Incomplete),
        }
    }
}

fn decode_auth(auth: &str) -> Option<Credentials> {
    let decoded = Zeroizing::new(BASE64_STANDARD.decode(auth.trim_ascii()).ok()?);
    let (username, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    // docker itself ends some passwords with NULs.
    let password = password.trim_end_matches('\0');
    (!username.is_empty()).then(|| Credentials {
        username: Zeroizing::new(username.to_owned()),
        password: Zeroizing::new(password.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "hunter2-canary";

    fn config(json: &str) -> DockerConfig {
        DockerConfig::parse(json.as_bytes()).unwrap()
    }

    fn auth(text: &str) -> String {
        BASE64_STANDARD.encode(text)
    }

    /// The user that is found for a repository, or why there is none.
    fn user(config: &DockerConfig, name: &str) -> Result<Option<String>, Unusable> {
        let found = config.lookup(&Repository::parse(name).unwrap())?;
        Ok(found.map(|credentials| format!("{}:{}", *credentials.username, *credentials.password)))
    }

    #[test]
    fn hosts_are_compared_in_normal_form() {
        for key in [
            "docker.io",
            "https://index.docker.io/v1/",
            "index.docker.io",
            "https://registry-1.docker.io/v2/",
        ] {
            let config = config(&format!(r#"{{"auths": {{"{key}": {{"auth": "{}"}}}}}}"#, auth("u:p:q")));
            assert_eq!(user(&config, "nginx"), Ok(Some("u:p:q".into())), "{key}");
            assert_eq!(user(&config, "r.io/nginx"), Ok(None), "{key}");
        }
        for (key, name) in [("R.io:443", "r.io/a"), ("https://r.io/v2", "r.io/a"), ("reg", "reg:443/a")] {
            let config = config(&format!(r#"{{"auths": {{"{key}": {{"auth": "{}"}}}}}}"#, auth("u:p")));
            assert_eq!(user(&config, name), Ok(Some("u:p".into())), "{key}");
        }
    }

    #[test]
    fn the_longest_path_by_segments_wins() {
        let entry = |key: &str| format!(r#""{key}": {{"username": "{key}", "password": "p"}}"#);
        let keys = ["r.io", "r.io/team", "r.io/team/app", "https://r.io:5000/v2/"].map(entry).join(",");
        let config = config(&format!(r#"{{"auths": {{{keys}}}}}"#));
        for (name, expected) in [
            ("r.io/other", "r.io:p"),
            ("r.io/team2/app", "r.io:p"),
            ("r.io/team/other", "r.io/team:p"),
            ("r.io/team/app", "r.io/team/app:p"),
            ("r.io/team/app/more", "r.io/team/app:p"),
            ("r.io:5000/team", "https://r.io:5000/v2/:p"),
        ] {
            assert_eq!(user(&config, name), Ok(Some(expected.into())), "{name}");
        }
    }

    #[test]
    fn the_old_flat_map_is_read() {
        let config = config(&format!(r#"{{"r.io": {{"auth": "{}", "email": "a@b"}}}}"#, auth("u:p\0\0")));
        assert_eq!(user(&config, "r.io/a"), Ok(Some("u:p".into())));
    }

    #[test]
    fn kinds_that_cannot_be_used_are_named() {
        for (json, expected) in [
            (r#"{"credsStore": "desktop"}"#, Unusable::CredsStore),
            (r#"{"auths": {"r.io": {}}, "credsStore": "desktop"}"#, Unusable::CredsStore),
            (r#"{"credHelpers": {"r.io": "ecr-login"}}"#, Unusable::CredHelpers),
            (r#"{"auths": {"r.io": {"identitytoken": "t"}}}"#, Unusable::IdentityToken),
            (r#"{"auths": {"r.io": {"registrytoken": "t"}}}"#, Unusable::RegistryToken),
            (r#"{"auths": {"r.io": {"auth": "zxc=="}}}"#, Unusable::Auth),
            (r#"{"auths": {"r.io": {"auth": "dXNlcg=="}}}"#, Unusable::Auth),
            (r#"{"auths": {"r.io": {"username": "u"}}}"#, Unusable::Incomplete),
        ] {
            let config = config(json);
            assert_eq!(user(&config, "r.io/a"), Err(expected), "{json}");
            assert_eq!(config.unusable(), [expected], "{json}");
        }
        let config = config(r#"{"auths": {"not a host": {"username": "u", "password": "p"}}}"#);
        assert_eq!(config.unusable(), [Unusable::Host]);
        assert_eq!(user(&config, "r.io/a"), Ok(None));
    }

    #[test]
    fn what_is_usable_wins_over_stores() {
        let config = config(&format!(
            r#"{{"auths": {{"r.io": {{"auth": "{}"}}}}, "credsStore": "desktop", "HttpHeaders": {{"a": "b"}}}}"#,
            auth("u:p")
        ));
        assert_eq!(user(&config, "r.io/a"), Ok(Some("u:p".into())));
        assert_eq!(user(&config, "other.io/a"), Err(Unusable::CredsStore));
    }

    #[test]
    fn what_cannot_be_read_says_no_content() {
        for (text, expected) in [
            ("zxc==".to_owned(), Unreadable::Base64),
            (auth(CANARY), Unreadable::Json),
            (auth(&format!(r#"{{"auths": {{"r.io": "{CANARY}"}}}}"#)), Unreadable::Json),
            (auth(&format!(r#"{{"r.io": {{"auth": ["{CANARY}"]}}}}"#)), Unreadable::Json),
            (auth("[]"), Unreadable::Json),
            ("a".repeat(DOCKER_CONFIG_CHARACTERS + 1), Unreadable::TooLong),
        ] {
            let error = DockerConfig::from_base64(&text).unwrap_err();
            assert_eq!(error, expected);
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn nothing_shows_a_secret() {
        let auth = auth(&format!("{CANARY}:{CANARY}"));
        let json = format!(r#"{{"auths": {{"r.io": {{"auth": "{auth}"}}}}}}"#);
        let config = DockerConfig::from_base64(&BASE64_STANDARD.encode(json)).unwrap();
        let shown = format!("{config:?} {:?}", config.lookup(&Repository::parse("r.io/a").unwrap()));
        assert!(!shown.contains("hunter2") && !shown.contains(&auth), "{shown}");
    }
}
