//! Which image references mean `latest`.

use std::sync::LazyLock;

use regex::Regex;

/// An image reference as the container runtimes read it: name, optional tag, optional digest.
static REFERENCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
    let host = format!(r"(?:{label}(?:\.{label})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?");
    let component = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
    let tag = "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}";
    let digest = "sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}";
    Regex::new(&format!(
        "^(?:{host}/)?{component}(?:/{component})*(?::(?P<tag>{tag}))?(?:@(?P<digest>{digest}))?$"
    ))
    .ok()
});

/// The pull policy of an image that names none: `Always` for the tag `latest` and for a reference with neither tag nor
/// digest, `IfNotPresent` else, also where the reference cannot be read.
pub(super) fn pull_policy(image: &str) -> &'static str {
    if means_latest(image) { "Always" } else { "IfNotPresent" }
}

fn means_latest(image: &str) -> bool {
    let Some(found) = REFERENCE.as_ref().and_then(|reference| reference.captures(image)) else {
        return false;
    };
    match found.name("tag") {
        Some(tag) => tag.as_str() == "latest",
        None => found.name("digest").is_none() && !is_identifier(image),
    }
}

/// 64 hexadecimal digits are an image's identifier, not its name.
fn is_identifier(image: &str) -> bool {
    image.len() == 64 && image.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("nginx", "Always")]
    #[case("nginx:latest", "Always")]
    #[case("registry:5000/team/app", "Always")]
    #[case("localhost/app:latest", "Always")]
    #[case("nginx:1.27", "IfNotPresent")]
    #[case("registry:5000/team/app:v1", "IfNotPresent")]
    #[case("", "IfNotPresent")]
    #[case("Not An Image", "IfNotPresent")]
    #[case("Upper", "IfNotPresent")]
    #[case("Upper/app", "Always")]
    fn policy(#[case] image: &str, #[case] expected: &str) {
        assert_eq!(pull_policy(image), expected);
    }

    #[test]
    fn digests_and_identifiers() {
        let digest = "0".repeat(64);
        assert_eq!(pull_policy(&format!("app@sha256:{digest}")), "IfNotPresent");
        assert_eq!(pull_policy(&format!("app:latest@sha256:{digest}")), "Always");
        assert_eq!(pull_policy(&digest), "IfNotPresent");
    }
}
