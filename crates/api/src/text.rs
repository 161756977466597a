//! Texts with a syntax: checked once, where they enter, so that inside they are valid.
//!
//! Each type states its pattern once; the CRD (as a CEL rule with a sentence) and the parser use the same.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use gatewright_re2::Pattern;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A text that does not have the syntax of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found}: {expected}")]
pub struct SyntaxError {
    /// What was found, in quotes; of long texts, which may be secret, the length alone.
    pub found: String,
    /// What is allowed.
    pub expected: String,
}

/// Defines a text type: its greatest length in characters, the pattern that it matches (the common subset
/// of RE2 and Rust's syntax), and the sentence that people read when it does not.
macro_rules! text {
    ($(#[$meta:meta])* $name:ident, $max:literal, $pattern:literal, $sentence:literal) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), shown(&self.0, $max))
            }
        }

        impl $name {
            /// The pattern that every value matches.
            pub const PATTERN: &str = $pattern;

            /// The text as written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = SyntaxError;

            fn try_from(text: String) -> Result<Self, SyntaxError> {
                static PATTERN: LazyLock<Option<Pattern>> = LazyLock::new(|| Pattern::new($pattern).ok());
                let fits = PATTERN.as_ref().is_some_and(|pattern| pattern.is_match(&text));
                if fits && text.chars().count() <= $max {
                    return Ok(Self(text));
                }
                Err(SyntaxError { found: shown(&text, $max), expected: concat!($sentence, ", at most ", $max, " characters").into() })
            }
        }

        impl TryFrom<&str> for $name {
            type Error = SyntaxError;

            fn try_from(text: &str) -> Result<Self, SyntaxError> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                pattern_schema($pattern, $max, $sentence)
            }

            fn inline_schema() -> bool {
                true
            }
        }
    };
}

/// A text in quotes. Texts that may be long are keys and credentials: they stay out of messages and logs.
fn shown(text: &str, max: usize) -> String {
    if max > LONGEST_FOR_CEL { format!("a text of {} bytes", text.len()) } else { format!("{text:?}") }
}

/// The greatest length of a text that a CEL rule may look at. A rule's price counts against the CRD's budget
/// by the length of the text; the keyword `pattern` is free but says no sentence.
const LONGEST_FOR_CEL: usize = 1024;

fn pattern_schema(pattern: &str, max: usize, sentence: &str) -> Schema {
    let mut schema = json_schema!({"type": "string", "maxLength": max});
    if max > LONGEST_FOR_CEL {
        schema.insert("pattern".into(), pattern.into());
    } else if pattern != ANYTHING {
        let rule = format!("self.matches(r'{pattern}')");
        let validations = serde_json::json!([{"rule": rule, "message": sentence}]);
        schema.insert("x-kubernetes-validations".into(), validations);
    }
    schema
}

/// The pattern of a text without a syntax of its own.
const ANYTHING: &str = r"^[\s\S]*$";

text!(
    /// A namespace's name, or a glob with `*` at either end. Gatekeeper knows no other globs.
    NamespacePattern, 253, r"^(\*?[-a-z0-9]+\*?|\*\*?)$",
    "a namespace name or pattern has lower-case letters, digits and dashes, and * only at its start or end"
);
text!(
    /// The key of a label or annotation: an optional DNS prefix, a slash, and a name.
    LabelKey, 317, r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    "a label key is a name of at most 63 letters, digits, dashes, dots and underscores, with an optional DNS prefix and a slash before it"
);
text!(
    /// The value of a label; may be empty.
    LabelValue, 63, r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
    "a label value has letters, digits, dashes, dots and underscores, and starts and ends with a letter or digit"
);
text!(
    /// An entry of `allowedRepos`: a registry (`registry.example.com:5000`), a repository or a part of its path
    /// (`registry.example.com/team`), an image with tag or digest, or a prefix that ends in `/` or `*`.
    RepositoryPattern, 512, r"^([-A-Za-z0-9._:/@]+\*?|\*)$",
    "a repository has letters, digits and the characters . _ - : / @, and * only at its end"
);
text!(
    /// An image reference, or its beginning followed by `*`.
    ImageReference, 512, r"^([-a-z0-9.:@/]+\*?|\*)$",
    "an image reference has lower-case letters, digits and the characters . - : @ /, and * only at its end"
);
text!(
    /// An image tag.
    ImageTag, 512, r"^[A-Za-z0-9_][-A-Za-z0-9_.]*$",
    "an image tag has letters, digits, underscores, dots and dashes, and does not start with a dot or a dash"
);
text!(
    /// A path on the host, compared by whole segments.
    PathPrefix, 1024, r"^/",
    "a host path is absolute: it starts with /"
);
text!(
    /// A sysctl's name, or its beginning followed by `*`. `/` and `.` separate alike.
    SysctlPattern, 253, r"^([-a-z0-9_./]+\*?|\*)$",
    "a sysctl has lower-case letters, digits and the characters - _ . /, and * only at its end"
);
text!(
    /// A cluster role's name; an entry may end in `*`.
    ClusterRolePattern, 253, r"^[^*]*\*?$",
    "a cluster role is a name, with * only at its end"
);
text!(
    /// A kind as `group/Kind`; `/Kind` for the core group.
    WatchKind, 317, r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?/[A-Za-z][A-Za-z0-9]*$",
    "a watched kind is group/Kind, for example apps/Deployment, and /Kind for the core group"
);
text!(
    /// Any text of at most 253 characters: a name that Kubernetes does not restrict further here.
    Name, 253, r"^[\s\S]*$",
    "a name"
);
text!(
    /// PEM blocks.
    Pem, 16384, r"^\s*-----BEGIN ",
    "PEM text starts with -----BEGIN"
);
text!(
    /// Base64 text, as in a Secret.
    Base64, 65536, r"^[A-Za-z0-9+/=\s]*$",
    "base64 text has letters, digits and the characters + / ="
);

/// A regular expression of RE2's dialect, unanchored: what Gatekeeper's engine and the API server's take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Regex(String);

impl Regex {
    /// The greatest length, in characters.
    pub const MAX: usize = 1024;

    /// The expression as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Regex {
    type Error = SyntaxError;

    fn try_from(text: String) -> Result<Self, SyntaxError> {
        let refused = Pattern::new(&text).err();
        if text.chars().count() <= Self::MAX && refused.is_none() {
            return Ok(Self(text));
        }
        let why = refused.map(|refused| format!(": {}", refused.reason)).unwrap_or_default();
        let expected =
            format!("a regular expression of RE2's dialect, at most {} characters{why}", Self::MAX);
        Err(SyntaxError { found: shown(&text, Self::MAX), expected })
    }
}

impl From<Regex> for String {
    fn from(regex: Regex) -> Self {
        regex.0
    }
}

impl JsonSchema for Regex {
    fn schema_name() -> Cow<'static, str> {
        "Regex".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": Self::MAX,
            "x-kubernetes-validations": [{
                "rule": r#""".matches(self) || !"".matches(self)"#,
                "message": "not a regular expression of RE2's dialect",
            }],
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Base64, ImageTag, LabelKey, LabelValue, NamespacePattern, PathPrefix, Regex, RepositoryPattern,
        WatchKind,
    };

    fn accepted<T: TryFrom<String>>(texts: &[&str]) -> Vec<String> {
        texts
            .iter()
            .filter(|text| T::try_from((**text).to_owned()).is_ok())
            .map(|text| (*text).to_owned())
            .collect()
    }

    #[test]
    fn each_syntax_accepts_what_it_says() {
        assert_eq!(
            accepted::<NamespacePattern>(&["a", "a-*", "*-b", "*", "*x*", "", "a*b", "A", "a.b", "**"]),
            ["a", "a-*", "*-b", "*", "*x*", "**"]
        );
        assert_eq!(accepted::<LabelKey>(&["a", "x.io/a_b.c", "/a", "a/", "a b", "X/a"]), ["a", "x.io/a_b.c"]);
        assert_eq!(accepted::<LabelValue>(&["", "a", "-a", "a_b"]), ["", "a", "a_b"]);
        assert_eq!(accepted::<RepositoryPattern>(&["r.io:5000/a*", "a*b", "a b", ""]), ["r.io:5000/a*"]);
        assert_eq!(accepted::<ImageTag>(&["latest", ".x", "1.0-a", ""]), ["latest", "1.0-a"]);
        assert_eq!(accepted::<PathPrefix>(&["/", "/a", "a"]), ["/", "/a"]);
        assert_eq!(
            accepted::<WatchKind>(&["/Pod", "apps/Deployment", "networking.k8s.io/Ingress", "Pod", "apps/"]),
            ["/Pod", "apps/Deployment", "networking.k8s.io/Ingress"]
        );
        assert_eq!(
            accepted::<Regex>(&[
                "^a+$", "(", "[z-a]", "(?=a)", r"\d&&", r"\z", r"\Z", "a**", "x{1001}", r"\Qa\E"
            ]),
            ["^a+$", r"\d&&", r"\z", r"\Qa\E"]
        );
    }

    #[test]
    fn credentials_are_never_shown() {
        let error = Base64::try_from("not-base64: hunter2").unwrap_err();
        assert!(error.to_string().starts_with("a text of 19 bytes: base64 text has"), "{error}");
        assert_eq!(format!("{:?}", Base64::try_from("aHVudGVyMg==").unwrap()), "Base64(a text of 12 bytes)");
    }

    #[test]
    fn too_long_is_refused_with_the_bound() {
        let error = NamespacePattern::try_from("a".repeat(254)).unwrap_err();
        assert!(error.to_string().ends_with("at most 253 characters"), "{error}");
    }
}
