//! Names of images in their normal form.

use std::fmt;
use std::str::FromStr;

use super::grammar::{DOCKER_HUB, is_any_digest, is_path, is_tag, normal_host, split_host, split_tag};
use crate::bounds::PATH_CHARACTERS;
use crate::digest::Digest;

/// A repository, in normal form: `docker.io/library/nginx`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    /// The registry's host, with its port unless that is 443.
    pub host: String,
    /// The path on this host.
    pub path: String,
}

/// The name of an image, in normal form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    /// The repository.
    pub repository: Repository,
    /// The tag or digest.
    pub version: Version,
}

/// Which image of a repository. A tag beside a digest is dropped, as runtimes do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// A tag; `latest` where the name has neither.
    Tag(String),
    /// A digest.
    Digest(Digest),
    /// A digest of another algorithm, which cannot be verified: `sha512:…`.
    OtherDigest(String),
}

/// Why a name of an image does not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// The host.
    #[error(
        "a host has letters, digits and dashes between its dots, and its port is a number from 1 to 65535 without zeros before it"
    )]
    Host,
    /// The path.
    #[error("the parts of a path have lower-case letters and digits, and . _ - only between these")]
    Path,
    /// The length of the path.
    #[error("the path of an image has at most {PATH_CHARACTERS} characters")]
    TooLong,
    /// The tag.
    #[error("a tag has at most 128 letters, digits and the characters . _ -, and begins with none of . -")]
    Tag,
    /// The digest.
    #[error("a digest is sha256: with 64 lower-case hexadecimal digits")]
    Digest,
    /// 64 hexadecimal digits, or a digest alone: a runtime looks among the images of its node for it.
    #[error("this is the ID of an image and not its name")]
    Id,
}

impl Repository {
    /// Reads the name of a repository, without tag and digest.
    ///
    /// # Errors
    /// It does not parse.
    pub fn parse(name: &str) -> Result<Self, InvalidName> {
        let (host, path) = split_host(name);
        let host = match host {
            Some(host) => normal_host(host).ok_or(InvalidName::Host)?,
            None => DOCKER_HUB.to_owned(),
        };
        if !is_path(path) {
            return Err(InvalidName::Path);
        }
        let official = host == DOCKER_HUB && !path.contains('/');
        let path = if official { format!("library/{path}") } else { path.to_owned() };
        if path.len() > PATH_CHARACTERS {
            return Err(InvalidName::TooLong);
        }
        Ok(Self { host, path })
    }
}

impl Image {
    /// Reads the name of an image as a container's `image` has it.
    ///
    /// # Errors
    /// It does not parse.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let (name, tag) = split_tag(name);
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(InvalidName::Tag);
        }
        if is_id(text) || is_bare_id(name) {
            return Err(InvalidName::Id);
        }
        let repository = Repository::parse(name)?;
        let version = match digest {
            Some(digest) => read_digest(digest)?,
            None => Version::Tag(tag.unwrap_or("latest").to_owned()),
        };
        Ok(Self { repository, version })
    }

    /// The digest that the image is named by.
    #[must_use]
    pub const fn digest(&self) -> Option<&Digest> {
        match &self.version {
            Version::Digest(digest) => Some(digest),
            Version::Tag(_) | Version::OtherDigest(_) => None,
        }
    }
}

/// `sha256:` and hexadecimal digits, of which runtimes take the first ones, too.
fn is_id(text: &str) -> bool {
    let digits = ["sha256:", "sha384:", "sha512:"].iter().find_map(|algorithm| text.strip_prefix(algorithm));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_bare_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn read_digest(text: &str) -> Result<Version, InvalidName> {
    match text.parse() {
        Ok(digest) => Ok(Version::Digest(digest)),
        Err(_) if is_any_digest(text) && !text.starts_with("sha256:") => {
            Ok(Version::OtherDigest(text.to_owned()))
        }
        Err(_) => Err(InvalidName::Digest),
    }
}

impl FromStr for Image {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::parse(text)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Tag(tag) => write!(f, "{}:{tag}", self.repository),
            Version::Digest(digest) => write!(f, "{}@{digest}", self.repository),
            Version::OtherDigest(digest) => write!(f, "{}@{digest}", self.repository),
        }
    }
}
