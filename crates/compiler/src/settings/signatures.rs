//! Where signatures of images are looked for, and who looks.

use std::fmt;
use std::str::FromStr;

use gatewright_signatures::key::read_certificates;
use gatewright_signatures::reference::normal_host;
use gatewright_typed::{WITH_PASSWORD, quoted};
use http::Uri;
use http::uri::Scheme;
use ipnet::IpNet;

use super::keys::{Wrong, boolean, list, text};
use super::yaml::{At, Node};

/// Signatures of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatures {
    /// Whether entries `verifyImageSignatures` are enforced; none where the settings do not say so.
    pub enabled: Option<bool>,
    /// Where the verifier answers; without it, at its Service in the operator's namespace.
    pub url: Option<VerifierUrl>,
    /// Whether the verifier answers Gatekeeper's certificate alone.
    pub client_auth: bool,
    /// Networks whose addresses may be connected to although they are special.
    pub allowed_networks: Vec<IpNet>,
    /// What differs for single registries; each host once.
    pub registries: Vec<RegistryEntry>,
}

impl Default for Signatures {
    fn default() -> Self {
        Self { enabled: None, url: None, client_auth: true, allowed_networks: vec![], registries: vec![] }
    }
}

impl Signatures {
    /// Whether entries `verifyImageSignatures` are enforced in a cluster with these settings: not by default.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled == Some(true)
    }
}

/// What differs for one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryEntry {
    /// Its host in normal form, with a port if that is not 443.
    pub host: String,
    /// `host[/path]`: if there are any, only they are asked, in this order.
    pub mirrors: Vec<String>,
    /// Hosts whose realms may have the credentials of this registry.
    pub token_hosts: Vec<String>,
    /// Whether it is asked by plain HTTP.
    pub insecure: bool,
    /// PEM certificates of authorities that it is trusted by, too.
    pub ca: Option<String>,
}

/// Where the verifier answers: `https://HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierUrl {
    host: String,
    port: Option<u16>,
}

impl VerifierUrl {
    /// The verifier's Service in a namespace.
    #[must_use]
    pub fn of_service(namespace: &str) -> Self {
        Self { host: format!("gatewright-verifier.{namespace}.svc"), port: Some(8443) }
    }

    /// The host, without port and without the brackets of an IPv6 address: the name in the verifier's certificate.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port; without one, that of https.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(443)
    }

    /// The URL of a path there.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{self}{path}")
    }
}

impl fmt::Display for VerifierUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// A text that does not say where a verifier answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a URL such as https://gatewright-verifier.NAMESPACE.svc:8443")]
pub struct NotAVerifier;

impl FromStr for VerifierUrl {
    type Err = NotAVerifier;

    /// Reads `https://HOST[:PORT]`, and nothing more.
    fn from_str(text: &str) -> Result<Self, NotAVerifier> {
        let uri: Uri = text.parse().map_err(|_| NotAVerifier)?;
        let plain =
            uri.scheme() == Some(&Scheme::HTTPS) && matches!(uri.path(), "" | "/") && uri.query().is_none();
        let authority = uri.authority().filter(|authority| plain && !authority.as_str().contains('@'));
        let authority = authority.filter(|authority| !authority.host().is_empty()).ok_or(NotAVerifier)?;
        let port = authority.port_u16();
        // A port that cannot be read must not become that of https.
        if port.is_none() && authority.as_str() != authority.host() {
            return Err(NotAVerifier);
        }
        Ok(Self { host: authority.host().to_owned(), port })
    }
}

/// Where the verifier answers.
pub(super) fn url(node: &Node) -> Result<VerifierUrl, String> {
    let text = text(node)?;
    let wrong =
        |_| format!("{} is not a URL such as https://gatewright-verifier.NAMESPACE.svc:8443", found(text));
    text.parse().map_err(wrong)
}

/// What was found where a host should be. What stands before an @ may be a password, or a token without a user.
fn found(text: &str) -> String {
    if text.contains('@') { WITH_PASSWORD.to_owned() } else { quoted(text) }
}

/// A network as address and length, such as 10.0.0.0/8.
pub(super) fn network(node: &Node) -> Result<IpNet, String> {
    let text = text(node)?;
    text.parse().map_err(|_| format!("{node} is not a network such as 10.0.0.0/8 or fd00::/8"))
}

/// The registries: each a mapping, each host once.
pub(super) fn registries(node: &Node) -> Result<Vec<RegistryEntry>, Wrong> {
    let Node::List(items) = node else { return Err(format!("{node} is not a list").into()) };
    let (mut entries, mut problems) = (Vec::<RegistryEntry>::new(), vec![]);
    for At { value, referenced, .. } in items {
        match registry(value) {
            Ok(entry) if entries.iter().any(|other| other.host == entry.host) => {
                problems.push((Some(referenced.line()), format!("{} is there twice", entry.host)));
            }
            Ok(entry) => entries.push(entry),
            Err(Wrong(found)) => {
                problems.extend(
                    found.into_iter().map(|(line, message)| (line.or(Some(referenced.line())), message)),
                );
            }
        }
    }
    if problems.is_empty() { Ok(entries) } else { Err(Wrong(problems)) }
}

const KEYS: &str = "host, mirrors, tokenHosts, insecure, ca";

fn registry(node: &Node) -> Result<RegistryEntry, Wrong> {
    let Node::Map(fields) = node else {
        return Err(format!("{node} is not a registry such as {{host: registry.example.com}}").into());
    };
    let (mut entry, mut problems) = (RegistryEntry::default(), vec![]);
    for (name, At { value, referenced, .. }) in fields {
        let result = match name.value.as_str() {
            "host" => host(value).map(|host| entry.host = host).map_err(Wrong::from),
            "mirrors" => list(value, mirror).map(|mirrors| entry.mirrors = mirrors),
            "tokenHosts" => list(value, host).map(|hosts| entry.token_hosts = hosts),
            "insecure" => boolean(value).map(|insecure| entry.insecure = insecure).map_err(Wrong::from),
            "ca" => ca(value).map(|ca| entry.ca = Some(ca)).map_err(Wrong::from),
            other => Err(format!("{other} is unknown; the keys there are {KEYS}").into()),
        };
        let Err(Wrong(found)) = result else { continue };
        problems.extend(found.into_iter().map(|(line, message)| {
            let message = if KEYS.split(", ").any(|key| key == name.value) {
                format!("{}: {message}", name.value)
            } else {
                message
            };
            (line.or(Some(referenced.line())), message)
        }));
    }
    if entry.host.is_empty() && !fields.iter().any(|(name, _)| name.value == "host") {
        problems.push((None, "host is missing".to_owned()));
    }
    if problems.is_empty() { Ok(entry) } else { Err(Wrong(problems)) }
}

fn host(node: &Node) -> Result<String, String> {
    let written = text(node)?;
    let wrong = || {
        let found = found(written);
        format!("{found} is not a host such as registry.example.com or registry.example.com:5000")
    };
    normal_host(written).ok_or_else(wrong)
}

/// A host, and below it a path.
fn mirror(node: &Node) -> Result<String, String> {
    let written = text(node)?;
    let wrong =
        || format!("{} is not a host with a path such as mirror.example.com/docker-hub", found(written));
    let (host, path) = written.split_once('/').unwrap_or((written, ""));
    let path = path.trim_end_matches('/');
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
    let host =
        normal_host(host).filter(|_| path.chars().all(fits) && !path.starts_with('/')).ok_or_else(wrong)?;
    Ok(if path.is_empty() { host } else { format!("{host}/{path}") })
}

fn ca(node: &Node) -> Result<String, String> {
    let text = text(node).map_err(|_| "this is not a text".to_owned())?;
    read_certificates(text).map_err(|fault| fault.to_string())?;
    Ok(text.to_owned())
}
