//! What may be meant by a reference that no image can match.

use super::read;

/// References that may be meant; none if that cannot be said.
pub(super) fn meant(text: &str) -> Vec<String> {
    if has_user(text) {
        return vec![];
    }
    let found = match text.strip_suffix('*') {
        Some(begin) if !begin.is_empty() && !begin.contains('/') && !begin.contains('@') => {
            before_slash(begin)
        }
        _ => vec![repaired(text)],
    };
    found.into_iter().filter(|meant| meant != "*" && meant != text && read(meant).is_ok()).collect()
}

/// Whether an `@` stands before something else than a digest: what stands before it may be a user and a password, which no
/// advice repeats.
fn has_user(text: &str) -> bool {
    let digest = |after: &str| {
        let after = after.trim_end_matches('*').to_ascii_lowercase();
        "sha256:".starts_with(&after) || after.starts_with("sha256:")
    };
    text.split_once('@').is_some_and(|(_, after)| !digest(after))
}

/// `nginx*` may be an official image, `r.io*` a registry, `app:50*` either.
fn before_slash(begin: &str) -> Vec<String> {
    let (name, tag) = super::split_tag(begin);
    let registry = format!("{}/*", lower_name(begin).trim_end_matches(['.', ':']));
    let official = format!("docker.io/library/{}*", lower_name(begin));
    let is_port = tag.is_some_and(|tag| tag.bytes().all(|byte| byte.is_ascii_digit()));
    if name.contains('.') || name.eq_ignore_ascii_case("localhost") {
        vec![registry]
    } else if is_port {
        vec![official, registry]
    } else {
        vec![official]
    }
}

/// The text without the usual slips.
fn repaired(text: &str) -> String {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest).trim_start_matches('/');
    let (text, begins) = text.strip_suffix('*').map_or((text, false), |begin| (begin, true));
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) if begins || digest.is_empty() => (name, None),
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    // A digest that is given by its beginning may be any.
    let begins = begins && !text.contains('@');
    let mut name = lower_name(name.trim_end_matches(':'));
    while name.contains("//") {
        name = name.replace("//", "/");
    }
    match digest {
        Some(digest) => format!("{name}@{}", digest.to_ascii_lowercase()),
        None if begins || name.ends_with('/') => format!("{name}*"),
        None => name,
    }
}

/// A name with its tag, the name in lower case.
fn lower_name(name: &str) -> String {
    match super::split_tag(name) {
        (name, Some(tag)) => format!("{}:{tag}", name.to_ascii_lowercase()),
        (name, None) => name.to_ascii_lowercase(),
    }
}
