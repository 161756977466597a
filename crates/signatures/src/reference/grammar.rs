//! The parts of a name.

/// The host of names without one.
pub(crate) const DOCKER_HUB: &str = "docker.io";

/// Other hosts of Docker Hub.
const DOCKER_HUB_TOO: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];

/// The port of https, which normal forms leave out.
const HTTPS: &str = "443";

/// The longest tag, in characters.
const LONGEST_TAG: usize = 128;

/// The normal form of a registry's host: in lower case, without the port 443, `docker.io` for its other names. A host that
/// would not be recognised as one without its port keeps it: `registry:443`.
///
/// `None`: no host.
#[must_use]
pub fn normal_host(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (name, port) = split_port(&lower);
    if !is_host_name(name, port.is_some()) || !port.is_none_or(is_port) {
        return None;
    }
    let port = port.filter(|port| *port != HTTPS);
    match port {
        Some(port) => Some(format!("{name}:{port}")),
        None if DOCKER_HUB_TOO.contains(&name) => Some(DOCKER_HUB.to_owned()),
        None if looks_like_host(name) => Some(name.to_owned()),
        None => is_host_name(name, true).then(|| format!("{name}:{HTTPS}")),
    }
}

/// A host and its port. The colons of an IPv6 address are in brackets.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

/// A port has one spelling: runtimes dial `0443` as 443, and a reference must cover both or neither.
fn is_port(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    digits && text.parse::<u16>().is_ok()
}

/// Without a port a host may also be what the grammar takes for a part of a path: `my_registry.example.com`.
fn is_host_name(name: &str, has_port: bool) -> bool {
    is_ipv6(name) || name.split('.').all(is_label) || (!has_port && is_part(name))
}

fn is_ipv6(name: &str) -> bool {
    let inside = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.is_some_and(|inside| {
        !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
    })
}

fn is_label(label: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric();
    label.starts_with(is_word) && label.ends_with(is_word) && label.chars().all(|c| is_word(c) || c == '-')
}

/// What Docker takes for a host where a slash follows it.
pub(super) fn looks_like_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.chars().any(|c| c.is_ascii_uppercase())
}

/// The host, if the name has one, and the path.
pub(super) fn split_host(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((host, path)) if looks_like_host(host) => (Some(host), path),
        _ => (None, name),
    }
}

/// A name and what follows its last colon. A colon before the last slash belongs to a port.
pub(super) fn split_tag(reference: &str) -> (&str, Option<&str>) {
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (reference, None),
    }
}

pub(super) fn is_path(path: &str) -> bool {
    path.split('/').all(is_part)
}

/// Whether some path begins so.
pub(super) fn is_path_beginning(begin: &str) -> bool {
    is_path(begin) || is_path(&format!("{begin}a"))
}

/// Lower-case words with `.`, `_`, `__` or dashes between them.
fn is_part(part: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let joins =
        |between: &str| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-');
    part.starts_with(is_word) && part.ends_with(is_word) && part.split(is_word).all(joins)
}

pub(super) fn is_tag(tag: &str) -> bool {
    !tag.is_empty() && is_tag_beginning(tag)
}

/// Whether some tag begins so.
pub(super) fn is_tag_beginning(begin: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    begin.len() <= LONGEST_TAG
        && begin.bytes().next().is_none_or(is_word)
        && begin.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

/// A digest of any algorithm, such as `sha512:` and hexadecimal digits.
pub(super) fn is_any_digest(text: &str) -> bool {
    let Some((algorithm, digits)) = text.split_once(':') else { return false };
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(is_word)
        && digits.len() >= 32
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}
