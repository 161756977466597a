//! Texts with a syntax: checked once, where they enter, so that inside they are valid.
//!
//! Each type states its pattern once; the CRD (as a CEL rule with a sentence) and the parser use the same.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use gatewright_re2::Pattern;
use gatewright_typed::{may_have_password, quoted};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A text that does not have the syntax of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found}: {expected}")]
pub struct SyntaxError {
    /// What was found, in quotes; of long texts, which may be secret, the length alone, and of one with a password nothing.
    pub found: String,
    /// What is allowed.
    pub expected: String,
}

/// Defines a text type: its greatest length in characters, the pattern that it matches (the common subset
/// of RE2 and Rust's syntax), the sentence that people read when it does not, and an example of what they may write.
macro_rules! text {
    ($(#[$meta:meta])* $name:ident, $max:literal, $pattern:literal, $sentence:literal, $example:literal) => {
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

            /// A text that may be written.
            pub const EXAMPLE: &str = $example;

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
                let syntax = Syntax { pattern: PATTERN.as_ref(), max: $max, sentence: $sentence, example: $example };
                if syntax.has(&text) { Ok(Self(text)) } else { Err(syntax.error(&text)) }
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
                pattern_schema($pattern, $max, &with_example($sentence, $example))
            }

            fn inline_schema() -> bool {
                true
            }
        }
    };
}

/// What a text type demands, and how it says so.
struct Syntax<'a> {
    pattern: Option<&'a Pattern>,
    max: usize,
    sentence: &'a str,
    example: &'a str,
}

impl Syntax<'_> {
    fn has(&self, text: &str) -> bool {
        self.fits(text) && text.chars().count() <= self.max
    }

    fn fits(&self, text: &str) -> bool {
        self.pattern.is_some_and(|pattern| pattern.is_match(text))
    }

    /// What was found, what is allowed, and what to write instead.
    fn error(&self, text: &str) -> SyntaxError {
        let count = text.chars().count();
        let found = shown(text, self.max);
        let found = if count > self.max {
            format!("{found} has {count} characters")
        } else {
            self.wrong_character(text).map_or(found.clone(), |wrong| format!("{found} has {wrong}"))
        };
        let advice = match self.meant(text) {
            Some(meant) => format!("; write {meant}"),
            None if self.example.is_empty() => String::new(),
            None => format!("; for example {}", self.example),
        };
        SyntaxError { found, expected: format!("{}, at most {} characters{advice}", self.sentence, self.max) }
    }

    /// The first character that may stand nowhere.
    fn wrong_character(&self, text: &str) -> Option<String> {
        // A type of parts, or of a beginning, says nothing about single characters.
        if self.max > LONGEST_FOR_CEL || !self.fits("aaa") {
            return None;
        }
        let wrong = |c: &char| !self.fits(&c.to_string()) && !self.fits(&format!("a{c}a"));
        Some(match text.chars().find(wrong)? {
            c if c.is_whitespace() => "white space".to_owned(),
            c => format!("the character {c:?}"),
        })
    }

    /// The text without the slips that people make, if that is one of the type.
    fn meant(&self, text: &str) -> Option<String> {
        let trimmed = text.trim().to_owned();
        let lower = trimmed.to_lowercase();
        // Of a path the slash is all that can be missing; in front of a kind it would mean another group.
        let begun = if self.sentence.contains("path") { format!("/{trimmed}") } else { String::new() };
        if self.max > LONGEST_FOR_CEL || may_have_password(text) {
            return None;
        }
        let fits = |meant: &String| meant != text && self.has(meant);
        [trimmed, lower, begun].into_iter().find(fits).filter(|meant| !meant.is_empty() && meant != "/")
    }
}

/// A sentence that ends with an example, unless there is one in it.
fn with_example(sentence: &str, example: &str) -> String {
    if example.is_empty() || sentence.contains("for example") {
        return sentence.to_owned();
    }
    format!("{sentence}, for example {example}")
}

/// How much of a text a message repeats, in characters.
const LONGEST_SHOWN: usize = 120;

/// A text in quotes, of a long one the beginning. Texts that may be long are keys and credentials: they stay out of
/// messages and logs, and so does a key in the wrong field.
fn shown(text: &str, max: usize) -> String {
    if max > LONGEST_FOR_CEL || text.contains("-----BEGIN") {
        return format!("a text of {} bytes", text.len());
    }
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) if !may_have_password(text) => format!("{:?}…", &text[..end]),
        _ => quoted(text),
    }
}

/// The greatest length of a text that a CEL rule may look at. A rule's price counts against the CRD's budget
/// by the length of the text; the keyword `pattern` is free but says no sentence.
const LONGEST_FOR_CEL: usize = 1024;

fn pattern_schema(pattern: &str, max: usize, sentence: &str) -> Schema {
    let mut schema = json_schema!({"type": "string", "maxLength": max});
    if pattern == ANYTHING {
        return schema;
    }
    if max > LONGEST_FOR_CEL {
        schema.insert("pattern".into(), pattern.into());
    } else {
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
    "a namespace name or pattern has lower-case letters, digits and dashes, and * only at its start or end",
    "shop-*"
);
text!(
    /// The key of a label or annotation: an optional DNS prefix, a slash, and a name.
    LabelKey, 317, r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    "a label key is a name of at most 63 letters, digits, dashes, dots and underscores, with an optional DNS prefix and a slash before it",
    "example.com/team"
);
text!(
    /// The value of a label; may be empty.
    LabelValue, 63, r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
    "a label value has letters, digits, dashes, dots and underscores, and starts and ends with a letter or digit",
    "web"
);
text!(
    /// An entry of `allowedRepos`: a registry (`registry.example.com:5000`), a repository or a part of its path
    /// (`registry.example.com/team`), an image with tag or digest, or a prefix that ends in `/` or `*`.
    RepositoryPattern, 512, r"^([-A-Za-z0-9._:/@]+\*?|\*)$",
    "a repository has letters, digits and the characters . _ - : / @, no spaces, and * only at its end",
    "registry.example.com/team"
);
text!(
    /// An image reference, or its beginning followed by `*`.
    ImageReference, 512, r"^([A-Za-z0-9._:\[\]/@-]+\*?|\*)$",
    "an image reference has letters, digits and the characters . _ - : @ / [ ], no spaces, and * only at its end",
    "registry.example.com/team/*"
);
text!(
    /// An image tag.
    ImageTag, 512, r"^[A-Za-z0-9_][-A-Za-z0-9_.]*$",
    "an image tag has letters, digits, underscores, dots and dashes, and does not start with a dot or a dash",
    "latest"
);
text!(
    /// A path on the host, compared by whole segments.
    PathPrefix, 1024, r"^/",
    "a host path is absolute: it starts with /",
    "/var/log"
);
text!(
    /// A sysctl's name, or its beginning followed by `*`. `/` and `.` separate alike.
    SysctlPattern, 253, r"^([-a-z0-9_./]+\*?|\*)$",
    "a sysctl has lower-case letters, digits and the characters - _ . /, and * only at its end",
    "net.ipv4.*"
);
text!(
    /// A cluster role's name; an entry may end in `*`.
    ClusterRolePattern, 253, r"^[^*]*\*?$",
    "a cluster role is a name, with * only at its end",
    "edit"
);
text!(
    /// Where people can ask for help. Without a user name: everyone who is refused reads it.
    HelpUrl, 256, r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?([/?#][!-~]*)?$",
    "a help URL starts with https:// and a host, and has no spaces and no user name",
    "https://wiki.example.com/admission"
);
text!(
    /// A kind as `group/Kind`; `/Kind` for the core group.
    WatchKind, 317, r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?/[A-Za-z][A-Za-z0-9]*$",
    "a watched kind is group/Kind, for example apps/Deployment, and /Kind for the core group",
    ""
);
text!(
    /// Any text of at most 253 characters: a name that Kubernetes does not restrict further here.
    Name, 253, r"^[\s\S]*$",
    "a name",
    ""
);
text!(
    /// Public keys in PEM. The compiler reads them, and says of each what is wrong.
    PublicKeyPem, 4096, r"^[\s\S]*$",
    "public keys are PEM text",
    ""
);
text!(
    /// Certificates in PEM. The compiler reads them.
    CertificatePem, 16384, r"^[\s\S]*$",
    "certificates are PEM text",
    ""
);
text!(
    /// Base64 text, as in a Secret.
    Base64, 65536, r"^[A-Za-z0-9+/=\s]*$",
    "base64 text has letters, digits and the characters + / =",
    ""
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
mod tests;
