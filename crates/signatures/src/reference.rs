//! Names of images, and which of them an entry's reference covers.
//!
//! The grammar is Docker's (`github.com/distribution/reference`); names are compared in their normal form. Runtimes ignore
//! a tag beside a digest, so a tag never decides about an image that names a digest.

mod grammar;
mod image;
mod repair;

use std::fmt;
use std::str::FromStr;

pub use grammar::normal_host;
pub use image::{Image, InvalidName, Repository, Version};

use crate::bounds::REFERENCE_CHARACTERS;
use crate::digest::Digest;
use grammar::{DOCKER_HUB, is_path_beginning, is_tag_beginning, split_host, split_tag};

/// Which images an entry covers. Its text is the normal form, which reads back as the same reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// `*`: every image.
    Everything,
    /// `host/repo`: every tag and digest of a repository.
    Repository(Repository),
    /// `host/repo:tag`: this tag, and every image of the repository that names a digest.
    Tag(Repository, String),
    /// `host/repo:begin*`: tags that begin so, and every image of the repository that names a digest.
    TagPrefix(Repository, String),
    /// `host/repo@sha256:…`: images that name this digest.
    Digest(Repository, Digest),
    /// `host/path*`: what begins so.
    Prefix {
        /// The host, in normal form.
        host: String,
        /// How the path begins; may be empty.
        path: String,
    },
}

/// A reference that covers no image, with what may be meant instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidReference {
    /// What is wrong.
    pub what: String,
    /// What to write instead, if that can be said; each of it is a reference.
    pub meant: Vec<String>,
}

impl fmt::Display for InvalidReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.meant.is_empty() {
            write!(f, "{}, so no image can match it", self.what)
        } else {
            write!(f, "{}: write {}", self.what, self.meant.join(" or "))
        }
    }
}

impl std::error::Error for InvalidReference {}

impl Reference {
    /// Reads a reference.
    ///
    /// # Errors
    /// No image can match it; the error says what may be meant.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        read(text).map_err(|what| InvalidReference { meant: repair::meant(text), what })
    }

    /// Whether an entry with this reference covers an image.
    #[must_use]
    pub fn covers(&self, image: &Image) -> bool {
        let names_digest = !matches!(image.version, Version::Tag(_));
        match (self, &image.version) {
            (Self::Everything, _) => true,
            (Self::Repository(repository), _) => *repository == image.repository,
            (Self::Tag(repository, tag), version) => {
                *repository == image.repository
                    && (names_digest || matches!(version, Version::Tag(named) if named == tag))
            }
            (Self::TagPrefix(repository, begin), version) => {
                *repository == image.repository
                    && (names_digest || matches!(version, Version::Tag(named) if named.starts_with(begin)))
            }
            (Self::Digest(repository, digest), version) => {
                *repository == image.repository && *version == Version::Digest(*digest)
            }
            (Self::Prefix { host, path }, _) => {
                *host == image.repository.host
                    && readings(host, path).any(|path| image.repository.path.starts_with(&path))
            }
        }
    }

    /// The registry host that the reference spells out; none for `*`.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Everything => None,
            Self::Prefix { host, .. } => Some(host),
            Self::Repository(repository)
            | Self::Tag(repository, _)
            | Self::TagPrefix(repository, _)
            | Self::Digest(repository, _) => Some(&repository.host),
        }
    }

    /// The repository that the reference names, if it names one; else the beginnings of names that it covers.
    pub(crate) fn compared(&self) -> Compared {
        match self {
            Self::Everything => Compared::Prefixes(vec![String::new()]),
            Self::Prefix { host, path } => {
                Compared::Prefixes(readings(host, path).map(|path| format!("{host}/{path}")).collect())
            }
            Self::Repository(repository)
            | Self::Tag(repository, _)
            | Self::TagPrefix(repository, _)
            | Self::Digest(repository, _) => Compared::Repository(repository.to_string()),
        }
    }
}

/// What the template compares of a reference: names without tag and digest.
pub(crate) enum Compared {
    Repository(String),
    Prefixes(Vec<String>),
}

/// On Docker Hub `x*` may begin a namespace or the name of an official image.
fn readings(host: &str, path: &str) -> impl Iterator<Item = String> {
    let official = (host == DOCKER_HUB && !path.contains('/')).then(|| format!("library/{path}"));
    std::iter::once(path.to_owned()).chain(official)
}

/// Reads a reference; the error says what is wrong.
fn read(text: &str) -> Result<Reference, String> {
    if text.chars().count() > REFERENCE_CHARACTERS {
        return Err(format!("a reference has at most {REFERENCE_CHARACTERS} characters"));
    }
    match text.strip_suffix('*') {
        Some("") => Ok(Reference::Everything),
        Some(begin) if begin.contains('*') => Err("a * stands only at the end".to_owned()),
        Some(begin) => read_beginning(begin),
        None if text.contains('*') => Err("a * stands only at the end".to_owned()),
        None => read_exact(text),
    }
}

fn read_exact(text: &str) -> Result<Reference, String> {
    capital_host(text)?;
    let image = Image::parse(text).map_err(|invalid| invalid.to_string())?;
    let has_tag = split_tag(text).1.is_some();
    match image.version {
        Version::Digest(digest) => Ok(Reference::Digest(image.repository, digest)),
        Version::OtherDigest(_) => {
            Err("a digest is sha256: with 64 lower-case hexadecimal digits".to_owned())
        }
        Version::Tag(tag) if has_tag => Ok(Reference::Tag(image.repository, tag)),
        Version::Tag(_) => Ok(Reference::Repository(image.repository)),
    }
}

fn read_beginning(begin: &str) -> Result<Reference, String> {
    if begin.contains('@') {
        return Err("a digest is given whole, not by its beginning".to_owned());
    }
    if !begin.contains('/') {
        return Err(
            "a * before the first slash does not say whether it continues a host or a name".to_owned()
        );
    }
    capital_host(begin)?;
    if let (name, Some(tag)) = split_tag(begin) {
        let repository = Repository::parse(name).map_err(|invalid| invalid.to_string())?;
        return if is_tag_beginning(tag) {
            Ok(Reference::TagPrefix(repository, tag.to_owned()))
        } else {
            Err(InvalidName::Tag.to_string())
        };
    }
    let (host, path) = split_host(begin);
    let host = match host {
        Some(host) => normal_host(host).ok_or_else(|| InvalidName::Host.to_string())?,
        None => DOCKER_HUB.to_owned(),
    };
    if is_path_beginning(path) {
        Ok(Reference::Prefix { host, path: path.to_owned() })
    } else {
        Err(InvalidName::Path.to_string())
    }
}

/// `Team/app` is a host `Team` for Docker, which nobody means.
fn capital_host(text: &str) -> Result<(), String> {
    let first = text.split('/').next().unwrap_or_default();
    let is_plain = !first.contains(['.', ':']) && !first.eq_ignore_ascii_case("localhost");
    if is_plain && text.contains('/') && first.chars().any(char::is_uppercase) {
        Err("namespaces have no capital letters".to_owned())
    } else {
        Ok(())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("*"),
            Self::Repository(repository) => write!(f, "{repository}"),
            Self::Tag(repository, tag) => write!(f, "{repository}:{tag}"),
            Self::TagPrefix(repository, tag) => write!(f, "{repository}:{tag}*"),
            Self::Digest(repository, digest) => write!(f, "{repository}@{digest}"),
            Self::Prefix { host, path } => write!(f, "{host}/{path}*"),
        }
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
