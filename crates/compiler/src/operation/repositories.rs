//! Entries of `allowedRepos` that no image could ever match.
//!
//! The grammar is that of container runtimes (`github.com/distribution/reference`) with the lower case that registries
//! demand: `[host[:port]/]path[:tag][@digest]`.

use std::sync::LazyLock;

use gatewright_api::text::RepositoryPattern;
use gatewright_api::{Field, List};
use regex::Regex;

use crate::problem::Problem;

/// The longest name of an image, with its host.
const LONGEST_NAME: usize = 255;

/// More repairs than a wrong entry can need.
const MOST_REPAIRS: usize = 8;

/// The algorithms of digests, with their number of hexadecimal digits.
const DIGESTS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// The problems of the entries that can match no image reference.
pub(super) fn never_matching(entries: &Field<List<RepositoryPattern, 1024>>) -> Vec<Problem> {
    let entries = entries.value().into_iter().flat_map(|entries| entries.iter()).enumerate();
    let problem = |(i, entry): (usize, &RepositoryPattern)| {
        let field = format!("spec.policies.allowedRepos[{i}]");
        Some(Problem::new(field, message(entry.as_str())?))
    };
    entries.filter_map(problem).collect()
}

fn message(entry: &str) -> Option<String> {
    let Fault { what, instead } = fault(entry)?;
    let meant = instead.and_then(repaired).or_else(|| as_prefix(entry));
    Some(match meant {
        Some(meant) => format!("{what}: write {meant}"),
        None => format!("{what}, so no image can match {entry}"),
    })
}

/// What is wrong with an entry, and the entry without this fault if that can be said.
struct Fault {
    what: &'static str,
    instead: Option<String>,
}

/// The entry without all of its faults, if that can be said.
fn repaired(mut entry: String) -> Option<String> {
    for _ in 0..MOST_REPAIRS {
        match fault(&entry) {
            // Nobody who wrote more meant everything.
            None => return (entry != "*").then_some(entry),
            Some(fault) => entry = fault.instead?,
        }
    }
    None
}

/// The entry as the beginning of what may be meant: `quay.io/team-*`.
fn as_prefix(entry: &str) -> Option<String> {
    let prefix = format!("{entry}*");
    let is_id = entry.starts_with("sha256:");
    (!is_id && !entry.ends_with(['*', '/']) && fault(&prefix).is_none()).then_some(prefix)
}

/// Why no image reference can match an entry. An entry that ends in `*` or `/` is the beginning of references: it is
/// right if one of its completions is.
fn fault(entry: &str) -> Option<Fault> {
    if let Some((what, instead)) = slip(entry) {
        return Some(Fault { what, instead: Some(instead) });
    }
    let mut whats = completions(entry).into_iter().map(|reference| malformed(&reference));
    let what = whats.next()??;
    whats.all(|other| other.is_some()).then_some(Fault { what, instead: None })
}

/// A fault that can be put right, and how.
fn slip(entry: &str) -> Option<(&'static str, String)> {
    let (name, _) = split_tag(entry.split('@').next().unwrap_or_default());
    if let Some((_, rest)) = entry.split_once("://") {
        Some(("an image reference has no scheme", rest.to_owned()))
    } else if let Some(rest) = entry.strip_prefix('/') {
        Some(("an image reference does not begin with a slash", rest.to_owned()))
    } else if name.contains("//") {
        Some(("an image reference has no two slashes in a row", entry.replacen("//", "/", 1)))
    } else if let Some(rest) = entry.strip_suffix(':') {
        Some(("a port or tag must follow the colon", rest.to_owned()))
    } else if let Some(rest) = entry.strip_suffix('@') {
        Some(("a digest must follow the @", rest.to_owned()))
    } else if name.chars().any(|c| c.is_ascii_uppercase()) {
        let lower = name.to_ascii_lowercase() + &entry[name.len()..];
        Some(("host and path of an image have no capital letters", lower))
    } else {
        None
    }
}

/// References that an entry may match; of the beginning of references some that continue it in each possible way.
fn completions(entry: &str) -> Vec<String> {
    let Some(begun) = entry.strip_suffix('*').or(entry.ends_with('/').then_some(entry)) else {
        return vec![entry.to_owned()];
    };
    if let Some((name, digest)) = begun.split_once('@') {
        let complete = |(algorithm, digits)| {
            let whole = format!("{algorithm}:{}", "0".repeat(digits));
            format!("{name}@{digest}{}", whole.get(digest.len()..).unwrap_or_default())
        };
        return DIGESTS.map(complete).to_vec();
    }
    vec![format!("{begun}a"), begun.to_owned()]
}

/// What is wrong with a reference, or a registry.
fn malformed(reference: &str) -> Option<&'static str> {
    let (name_and_tag, digest) = match reference.split_once('@') {
        Some((before, digest)) => (before, Some(digest)),
        None => (reference, None),
    };
    let (name, tag) = split_tag(name_and_tag);
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), path),
        _ => (None, name),
    };
    if name == "sha256" && digest.is_none() && tag.is_some_and(|tag| IMAGE_ID.is_match(tag)) {
        return Some("sha256: with 64 hexadecimal digits is the ID of an image and not a repository");
    }
    let parts = [
        (host, &HOST, "a host has letters, digits and dashes between its dots, and its port is a number"),
        (Some(path), &PATH, "the parts of a path have letters and digits, and . _ - only between these"),
        (
            tag,
            &TAG,
            "a tag has at most 128 letters, digits and the characters . _ -, and begins with none of . -",
        ),
        (digest, &DIGEST, "a digest is sha256: with 64 hexadecimal digits"),
    ];
    let wrong = |(part, pattern, _): &&(Option<&str>, &LazyLock<Pattern>, _)| {
        part.is_some_and(|part| !pattern.is_match(part))
    };
    let too_long = name.len() > LONGEST_NAME;
    let what = parts.iter().find(wrong).map(|(_, _, what)| *what);
    what.or(too_long.then_some("the name of an image has at most 255 characters"))
}

/// A name and what follows its last colon. A colon before the last slash belongs to a port.
fn split_tag(reference: &str) -> (&str, Option<&str>) {
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (reference, None),
    }
}

/// A pattern that a whole part must match. One that does not compile would match nothing; a test would show it.
struct Pattern(Option<Regex>);

impl Pattern {
    fn new(pattern: &str) -> Self {
        Self(Regex::new(&format!("^(?:{pattern})$")).ok())
    }

    fn is_match(&self, text: &str) -> bool {
        self.0.as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

/// A part of a path.
const PART: &str = "[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*";

/// A host without a port may also be what the grammar takes for a part of a path: `my_registry.example.com`.
static HOST: LazyLock<Pattern> = LazyLock::new(|| {
    const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    Pattern::new(&format!("{LABEL}([.]{LABEL})*(:[0-9]+)?|{PART}"))
});
static PATH: LazyLock<Pattern> = LazyLock::new(|| Pattern::new(&format!("{PART}(/{PART})*")));
static TAG: LazyLock<Pattern> = LazyLock::new(|| Pattern::new("[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}"));
static DIGEST: LazyLock<Pattern> = LazyLock::new(|| {
    let digest = |(algorithm, digits)| format!("{algorithm}:[0-9a-f]{{{digits}}}");
    Pattern::new(&DIGESTS.map(digest).join("|"))
});
static IMAGE_ID: LazyLock<Pattern> = LazyLock::new(|| Pattern::new("[0-9a-f]{64}"));

#[cfg(test)]
mod tests {
    use super::{fault, message};
    use proptest::prelude::*;

    #[test]
    fn entries_that_can_match() {
        let digest = format!("r.io/b@sha256:{}", "0a".repeat(32));
        for entry in [
            "*",
            "localhost",
            "localhost:5000",
            "registry.example.com",
            "registry.example.com:5000",
            "registry.example.com/team",
            "r.io:5000/a/b__c/d--e.f",
            "nginx",
            "nginx:1.25",
            "r.io/a:V1.0_x",
            "team/app:1.*",
            "r.io/team/",
            "r.io/team-*",
            "r.io:*",
            "r.io:50*",
            "r.io/*",
            "n*",
            "r.io/a@*",
            "r.io/a@sha2*",
            "r.io/a@sha512:0f*",
            "r.io/c:1@sha256:ab*",
            "sha256:ab*",
            "sha256/app",
            &digest,
            &format!("{digest}*"),
        ] {
            assert_eq!(message(entry), None, "{entry}");
        }
    }

    #[test]
    fn entries_that_can_match_nothing_say_what_to_write() {
        let id = format!("sha256:{}", "0a".repeat(32));
        let long = format!("r.io/{}", "a".repeat(251));
        for (entry, expected) in [
            (
                "https://registry.example.com/shop",
                "an image reference has no scheme: write registry.example.com/shop",
            ),
            ("docker://ghcr.io/Acme/x", "an image reference has no scheme: write ghcr.io/acme/x"),
            ("https://r.io:*", "an image reference has no scheme: write r.io:*"),
            ("ghcr.io/Acme/x", "host and path of an image have no capital letters: write ghcr.io/acme/x"),
            (
                "GHCR.io/acme/x:V1",
                "host and path of an image have no capital letters: write ghcr.io/acme/x:V1",
            ),
            ("Team/*", "host and path of an image have no capital letters: write team/*"),
            ("registry.example.com:", "a port or tag must follow the colon: write registry.example.com"),
            ("r.io/app:", "a port or tag must follow the colon: write r.io/app"),
            ("r.io/app@", "a digest must follow the @: write r.io/app"),
            ("/team/app", "an image reference does not begin with a slash: write team/app"),
            ("/*", "an image reference does not begin with a slash, so no image can match /*"),
            ("r.io//team///app", "an image reference has no two slashes in a row: write r.io/team/app"),
            (
                "quay.io/team-",
                "the parts of a path have letters and digits, and . _ - only between these: write quay.io/team-*",
            ),
            (
                "quay.io/-team",
                "the parts of a path have letters and digits, and . _ - only between these, so no image can match quay.io/-team",
            ),
            (
                "r.io:x/app",
                "a host has letters, digits and dashes between its dots, and its port is a number, so no image can match r.io:x/app",
            ),
            (
                "r..io/app*",
                "a host has letters, digits and dashes between its dots, and its port is a number, so no image can match r..io/app*",
            ),
            (
                "r.io/app:-1",
                "a tag has at most 128 letters, digits and the characters . _ -, and begins with none of . -, so no image can match r.io/app:-1",
            ),
            ("r.io/b@sha256:abc", "a digest is sha256: with 64 hexadecimal digits: write r.io/b@sha256:abc*"),
            (
                "r.io/b@md5:*",
                "a digest is sha256: with 64 hexadecimal digits, so no image can match r.io/b@md5:*",
            ),
            (
                &id,
                &format!(
                    "sha256: with 64 hexadecimal digits is the ID of an image and not a repository, so no image can match {id}"
                ),
            ),
            (
                &long,
                &format!("the name of an image has at most 255 characters, so no image can match {long}"),
            ),
        ] {
            assert_eq!(message(entry).as_deref(), Some(expected), "{entry}");
        }
    }

    fn reference() -> impl Strategy<Value = String> {
        let part = "[a-z0-9]{1,5}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}";
        let host = "([a-z0-9]{1,4}(-[a-z0-9]{1,3})?\\.[a-z]{2,3}|localhost)(:[0-9]{1,5})?/";
        let digest = "(@sha256:[0-9a-f]{64})?";
        let tag = "(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,9})?";
        let whole = format!("({host})?{part}(/{part}){{0,3}}{tag}{digest}");
        proptest::string::string_regex(&whole).unwrap()
    }

    proptest! {
        /// Whatever an image can be called, an entry of that name can match it, and so can each of its beginnings.
        #[test]
        fn no_reference_and_no_beginning_of_one_is_refused(reference in reference(), length in 1_usize..40) {
            prop_assume!(!super::malformed(&reference).is_some_and(|what| what.contains("the ID of an image")));
            prop_assert!(fault(&reference).is_none(), "{reference}: {:?}", message(&reference));
            if let Some(begun) = reference.get(..length) {
                let entry = format!("{begun}*");
                prop_assert!(fault(&entry).is_none(), "{entry}: {:?}", message(&entry));
            }
        }
    }
}
