//! What the outcome of a check is called: one list for messages, metrics, the protocol and the documentation.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounds::TEXT_BYTES;
use crate::text::cut;

/// The class of an outcome, in kebab case in JSON and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Every covering entry is satisfied.
    Verified,
    /// No entry covers the image.
    NotCovered,
    /// Every place answered, and none has a cosign signature.
    Unsigned,
    /// There are signatures, none by a key of the entry.
    UnknownKey,
    /// A good signature for another digest.
    PayloadMismatch,
    /// Signature objects that do not parse.
    Malformed,
    /// The registry has no such image.
    NotFound,
    /// The registry denies access, or credentials cannot be used.
    Unauthorized,
    /// The registry does not answer, or must not be asked.
    Unreachable,
    /// The registry asks to slow down.
    RateLimited,
    /// A bound is exceeded.
    Limit,
    /// The entry has `requireDigest` and the image is named by tag.
    DigestRequired,
    /// The name of the image does not parse.
    InvalidName,
    /// The check is unfinished, or waits for its turn.
    InProgress,
    /// The revision of the constraint is not known here.
    UnknownPolicy,
    /// No readable answer of the verifier. Only the template says this.
    Unavailable,
}

/// A row of the table of classes.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The class.
    pub class: Class,
    /// Its name in JSON and metrics.
    pub name: &'static str,
    /// What it means, for the documentation.
    pub means: &'static str,
    /// What the message of a refusal says; nothing for the classes that refuse nothing.
    pub words: &'static str,
    /// What stands before a detail and after it.
    detail: (&'static str, &'static str),
    /// What to do, for the documentation.
    pub remedy: &'static str,
}

const BRACKETS: (&str, &str) = (" (", ")");

/// All classes, in the order of the documentation.
pub const TABLE: [Row; 16] = [
    Row {
        class: Class::Verified,
        name: "verified",
        means: "Every entry that covers the image is satisfied.",
        words: "",
        detail: BRACKETS,
        remedy: "Nothing: the image is admitted.",
    },
    Row {
        class: Class::NotCovered,
        name: "not-covered",
        means: "No entry of the policy covers the image.",
        words: "",
        detail: BRACKETS,
        remedy: "Nothing: the image is admitted. To demand a signature, add an entry whose reference covers it.",
    },
    Row {
        class: Class::Unsigned,
        name: "unsigned",
        means: "The registry answered at every place where signatures can be, and there is no cosign signature.",
        words: "it has no cosign signature",
        detail: BRACKETS,
        remedy: "Sign the image's digest with cosign sign --key. An attestation (SBOM, scan) is no signature. If only \
                 the index of several platforms is signed, sign the platforms too: cosign sign --recursive.",
    },
    Row {
        class: Class::UnknownKey,
        name: "unknown-key",
        means: "The image has signatures, but none by a key of the entry.",
        words: "it is signed, but by no key of the policy",
        detail: ("; ", ""),
        remedy: "Sign it with a key of the policy, or add the signer's public key to publicKeys.",
    },
    Row {
        class: Class::PayloadMismatch,
        name: "payload-mismatch",
        means: "A signature by a key of the entry is good, but for another digest.",
        words: "its signature is for another image",
        detail: BRACKETS,
        remedy: "Find out who attached it: a signature of another image does not belong there. Then sign this one.",
    },
    Row {
        class: Class::Malformed,
        name: "malformed",
        means: "There are signature objects, but they do not parse.",
        words: "its signatures cannot be read",
        detail: BRACKETS,
        remedy: "Look at them with cosign tree, delete them in the registry and sign again.",
    },
    Row {
        class: Class::NotFound,
        name: "not-found",
        means: "The registry has no such image.",
        words: "the registry has no such image",
        detail: BRACKETS,
        remedy: "Check name, tag and digest. Some registries say this also when access is denied.",
    },
    Row {
        class: Class::Unauthorized,
        name: "unauthorized",
        means: "The registry answers 401 or 403, its credentials are missing or cannot be used, or its token server is \
                not allowed.",
        words: "the registry denies access",
        detail: BRACKETS,
        remedy: "Check dockerCfg of the entry or the verifier's registry config; list a token server of another host in \
                 signatures.registries[].tokenHosts.",
    },
    Row {
        class: Class::Unreachable,
        name: "unreachable",
        means: "The registry does not connect or answer in time, answers 5xx, its certificate is not trusted, or its \
                address is refused.",
        words: "the registry does not answer",
        detail: BRACKETS,
        remedy: "Check the network, the ca of the entry, signatures.allowedNetworks for registries at special addresses, \
                 and signatures.registries[].insecure for one without TLS.",
    },
    Row {
        class: Class::RateLimited,
        name: "rate-limited",
        means: "The registry answers 429.",
        words: "the registry asks to slow down",
        detail: BRACKETS,
        remedy: "Use credentials with a higher limit, or a mirror.",
    },
    Row {
        class: Class::Limit,
        name: "limit",
        means: "The image, its signatures or the request exceed a bound.",
        words: "it exceeds a limit",
        detail: (": ", ""),
        remedy: "See the table of bounds. Delete superfluous signatures in the registry.",
    },
    Row {
        class: Class::DigestRequired,
        name: "digest-required",
        means: "The entry has requireDigest and the image is named by tag alone.",
        words: "the policy wants it named by digest (name@sha256:…)",
        detail: BRACKETS,
        remedy: "Name the image as name@sha256:….",
    },
    Row {
        class: Class::InvalidName,
        name: "invalid-name",
        means: "The name of the image does not parse, or its digest is not SHA-256.",
        words: "its name cannot be read",
        detail: BRACKETS,
        remedy: "Correct the image's name.",
    },
    Row {
        class: Class::InProgress,
        name: "in-progress",
        means: "The check is unfinished, or waits for its turn. It goes on in the background.",
        words: "it is still being checked, try again in a few seconds",
        detail: BRACKETS,
        remedy: "Try again; controllers do so by themselves.",
    },
    Row {
        class: Class::UnknownPolicy,
        name: "unknown-policy",
        means: "The verifier does not know this revision of the policy yet.",
        words: "the policy has just changed, try again in a few seconds",
        detail: BRACKETS,
        remedy: "Try again. If it persists, look at the condition Enforced of the policy.",
    },
    Row {
        class: Class::Unavailable,
        name: "unavailable",
        means: "Gatekeeper got no readable answer of the verifier.",
        words: "the verifier does not answer",
        detail: BRACKETS,
        remedy: "Look at the verifier's Pods and the condition Verifier of gatewrightstatus/cluster.",
    },
];

impl Class {
    /// Its row of the table.
    #[must_use]
    pub fn row(self) -> &'static Row {
        // The table is in the order of the enum, which a test shows.
        TABLE.get(self as usize).unwrap_or(&TABLE[15])
    }

    /// Its name in JSON and metrics, such as `unknown-key`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The class with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.class)
    }

    /// Whether an image with this outcome passes.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(self, Self::Verified | Self::NotCovered)
    }

    /// A failure of this class without a detail.
    #[must_use]
    pub const fn plain(self) -> Failure {
        Failure { class: self, detail: None }
    }

    /// A failure of this class with a detail of ours; never with text of a registry.
    #[must_use]
    pub fn because(self, detail: impl Into<String>) -> Failure {
        Failure { class: self, detail: Some(detail.into()) }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an image does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The class.
    pub class: Class,
    /// What there is to say beside: which limit, which host and setting. Never text of a registry.
    pub detail: Option<String>,
}

impl Failure {
    /// The words of the class and the detail, at most [`TEXT_BYTES`] bytes.
    #[must_use]
    pub fn text(&self) -> String {
        let row = self.class.row();
        let (before, after) = row.detail;
        match &self.detail {
            Some(detail) => {
                let most = TEXT_BYTES - row.words.len() - before.len() - after.len();
                format!("{}{before}{}{after}", row.words, cut(detail, most))
            }
            None => row.words.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_row_and_name() {
        for (position, row) in TABLE.iter().enumerate() {
            assert_eq!(row.class as usize, position, "{}", row.name);
            assert_eq!(row.class.row().name, row.name);
            assert_eq!(serde_json::to_value(row.class).unwrap(), row.name);
            assert_eq!(Class::named(row.name), Some(row.class));
            assert_eq!(row.words.is_empty(), row.class.passes(), "{}", row.name);
            assert!(!row.means.is_empty() && !row.remedy.is_empty(), "{}", row.name);
        }
        assert_eq!(Class::named("passed"), None);
    }

    #[test]
    fn texts_carry_their_details() {
        for (failure, expected) in [
            (Class::Unsigned.plain(), "it has no cosign signature"),
            (
                Class::UnknownKey.because("keyless signatures are not supported"),
                "it is signed, but by no key of the policy; keyless signatures are not supported",
            ),
            (
                Class::Limit.because("more than 100 signatures"),
                "it exceeds a limit: more than 100 signatures",
            ),
            (
                Class::Unreachable.because("r.io: its certificate authority is unknown, see ca"),
                "the registry does not answer (r.io: its certificate authority is unknown, see ca)",
            ),
        ] {
            assert_eq!(failure.text(), expected);
        }
    }

    #[test]
    fn a_text_has_at_most_300_bytes() {
        for row in &TABLE {
            let text = row.class.because("é".repeat(400)).text();
            assert!(text.len() <= TEXT_BYTES && text.len() > TEXT_BYTES - 3, "{}: {}", row.name, text.len());
        }
    }
}
