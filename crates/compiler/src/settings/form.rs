//! What may be written as the value of a key: in words for people, and as a JSON schema for the chart.

use std::fmt;

use gatewright_api::text::HelpUrl;
use serde_json::{Value, json};

use super::file::is_below;
use super::keys::KEYS;

/// What may be written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// One of these words. The reader takes them in any case; the schema as they are written here.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer(i64, i64),
    /// A name of an object.
    Name,
    /// Names of namespaces, or patterns of them, none of which is every namespace.
    Patterns,
    /// Ranges of ports.
    Ranges,
    /// A version of the Pod Security Standards.
    Version,
    /// Where the verifier answers.
    Url,
    /// Where people can ask for help.
    HelpUrl,
    /// Networks: an address and a length.
    Networks,
    /// What differs for single registries.
    Registries,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOf(words) => write!(f, "`{}`", words.join("`, `")),
            Self::Boolean => f.write_str("`true`, `false`"),
            Self::Integer(min, max) => write!(f, "a number from {min} to {max}"),
            Self::Name => f.write_str("a name"),
            Self::Patterns => f.write_str("a list of names, with `*` at either end"),
            Self::Ranges => f.write_str("a list of `{min, max}`, ports from 1 to 65535"),
            Self::Version => f.write_str("`latest`, `v1.N`"),
            Self::Url => f.write_str("`https://HOST[:PORT]`"),
            Self::HelpUrl => f.write_str("`https://…`, at most 256 characters"),
            Self::Networks => f.write_str("a list of networks such as `10.0.0.0/8`"),
            Self::Registries => f.write_str("a list of `{host, mirrors, tokenHosts, insecure, ca}`"),
        }
    }
}

impl Form {
    fn schema(self) -> Value {
        let text = |pattern: &str| json!({"type": "string", "maxLength": 253, "pattern": pattern});
        match self {
            Self::OneOf(words) => json!({"enum": words}),
            Self::Boolean => json!({"type": "boolean"}),
            Self::Integer(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
            Self::Name => text("^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"),
            Self::Patterns => json!({"type": "array", "items": text(r"^\*?[-a-z0-9]+\*?$")}),
            Self::Ranges => json!({"type": "array", "items": range()}),
            Self::Version => text(r"^(latest|v1\.(0|[1-9][0-9]{0,8}))$"),
            Self::Url => text(r"^https://[^/@?#]+/?$"),
            Self::HelpUrl => json!({"type": "string", "maxLength": 256, "pattern": HelpUrl::PATTERN}),
            Self::Networks => json!({"type": "array", "items": text(r"^[0-9a-fA-F:.]+/[0-9]{1,3}$")}),
            Self::Registries => json!({"type": "array", "items": registry()}),
        }
    }
}

fn range() -> Value {
    let port = json!({"type": "integer", "minimum": 1, "maximum": 65535});
    json!({
        "type": "object", "additionalProperties": false, "required": ["min", "max"],
        "properties": {"min": port, "max": port},
    })
}

fn registry() -> Value {
    let host = json!({"type": "string", "maxLength": 255, "pattern": r"^[A-Za-z0-9._:\[\]-]+$"});
    let mirror =
        json!({"type": "string", "maxLength": 512, "pattern": r"^[A-Za-z0-9._:\[\]-]+(/[a-z0-9._/-]*)?$"});
    json!({
        "type": "object", "additionalProperties": false, "required": ["host"],
        "properties": {
            "host": host,
            "mirrors": {"type": "array", "items": mirror},
            "tokenHosts": {"type": "array", "items": host},
            "insecure": {"type": "boolean"},
            "ca": {"type": "string", "maxLength": 16384},
        },
    })
}

/// A JSON schema of the settings file: what it accepts, [`super::Settings::from_yaml`] reads, but for ranges of ports that end
/// before they begin.
#[must_use]
pub fn settings_schema() -> Value {
    section("")
}

/// The keys below a section.
fn section(path: &str) -> Value {
    let below = KEYS.iter().filter(|key| path.is_empty() || is_below(key.path, path));
    let mut properties = serde_json::Map::new();
    for key in below {
        let rest = key.path.strip_prefix(path).unwrap_or(key.path).trim_start_matches('.');
        let (name, end) = rest.split_once('.').map_or((rest, true), |(name, _)| (name, false));
        let full = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        properties.entry(name).or_insert_with(|| if end { described(key) } else { section(&full) });
    }
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

fn described(key: &super::keys::Key) -> Value {
    let mut schema = key.allowed.schema();
    schema["description"] = json!(key.meaning);
    schema
}

#[cfg(test)]
mod tests {
    use super::{Form, settings_schema};
    use crate::Settings;
    use crate::settings::keys::KEYS;
    use serde_json::{Value, json};

    /// Values of every form, and what looks like them.
    fn candidates() -> Vec<Value> {
        let words = KEYS.iter().flat_map(|key| match key.allowed {
            Form::OneOf(words) => words,
            _ => &[],
        });
        let range = |min: i64, max: i64| json!([{"min": min, "max": max}]);
        let others = [
            json!(true),
            json!(0),
            json!(1),
            json!(100),
            json!(10_000),
            json!(10_001),
            json!(null),
            json!(""),
            json!("a"),
            json!("a.b-c"),
            json!("-a"),
            json!("A"),
            json!([]),
            json!(["a", "b-*", "*c"]),
            json!(["*"]),
            json!(["A"]),
            json!(["a*b"]),
            json!([1]),
            range(1, 2),
            range(0, 2),
            range(1, 65_536),
            json!([{"min": 1}]),
            json!([{"min": 1, "max": 2, "step": 1}]),
            json!("latest"),
            json!("v1.30"),
            json!("v1.0"),
            json!("v1.01"),
            json!("1.30"),
            json!("v1."),
            json!({}),
            json!("nothing of it"),
        ];
        words.map(|word| json!(word)).chain(others).collect()
    }

    /// A section with nothing in it is no value of a key.
    fn file(path: &str, value: &Value) -> Value {
        path.rsplit('.').fold(value.clone(), |below, name| json!({name: below}))
    }

    #[test]
    fn the_schema_accepts_what_the_reader_reads() {
        let schema = jsonschema::validator_for(&settings_schema()).unwrap();
        let mut accepted = 0;
        for (key, value) in
            KEYS.iter().flat_map(|key| candidates().into_iter().map(move |value| (key, value)))
        {
            let file = file(key.path, &value);
            let read = Settings::from_yaml(&file.to_string(), "gatewright-system").is_ok();
            // The reader takes words in any case, so it may take one of another key that differs in case alone.
            let other_case = matches!(key.allowed, Form::OneOf(words) if value.as_str().is_some_and(|text| !words.contains(&text)));
            assert!(schema.is_valid(&file) == read || read && other_case, "{file}: read {read}");
            accepted += usize::from(read);
        }
        assert!(accepted > 2 * KEYS.len(), "{accepted}");
        assert!(!schema.is_valid(&json!({"presets": "None"})), "an unknown key");
        assert!(!schema.is_valid(&json!({"execGuard": {"modes": "Auto"}})), "an unknown key in a section");
        assert!(schema.is_valid(&json!({})));
    }
}
