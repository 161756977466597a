//! Values as expressions see them: with the types, and the names of fields, that their schema gives them.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value as Json};

use super::{EMBEDDED, INT_OR_STRING, PRESERVE, flag};
use crate::cel::{Key, Type, Value, time_value};

/// The type of what a schema describes. Of an object with fields it is known only when an expression is evaluated.
pub fn kind(schema: &Json) -> Type {
    if flag(schema, INT_OR_STRING) {
        return Type::Dyn;
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("string"), Some("date" | "date-time" | "datetime")) => Type::Timestamp,
        (Some("string"), Some("duration")) => Type::Duration,
        (Some("string"), Some("byte")) => Type::Bytes,
        (Some("string"), _) => Type::String,
        (Some("integer"), _) => Type::Int,
        (Some("number"), _) => Type::Double,
        (Some("boolean"), _) => Type::Bool,
        (Some("array"), _) => Type::list(kind(&schema["items"])),
        (Some("object"), _) if schema["additionalProperties"].is_object() => {
            Type::map(Type::String, kind(&schema["additionalProperties"]))
        }
        _ => Type::Dyn,
    }
}

/// A value of a schema. Fields that the schema does not know are left out, as the API server prunes them.
pub fn value(schema: &Json, json: &Json) -> Value {
    match json {
        Json::String(text) => string(schema, text),
        Json::Number(number) if schema["type"] == "number" => {
            Value::Double(number.as_f64().unwrap_or_default())
        }
        Json::Array(elements) => elements.iter().map(|element| value(&schema["items"], element)).collect(),
        Json::Object(members) => object(schema, members),
        _ => Value::from_json(json),
    }
}

/// A text of a format that has a type of its own; what is not of the format stays a text.
fn string(schema: &Json, text: &str) -> Value {
    let converted = match kind(schema) {
        kind @ (Type::Timestamp | Type::Duration) => time_value(&kind, text),
        Type::Bytes => BASE64_STANDARD.decode(text).ok().map(|bytes| Value::Bytes(bytes.into())),
        _ => None,
    };
    converted.unwrap_or_else(|| Value::from(text))
}

fn object(schema: &Json, members: &Map<String, Json>) -> Value {
    let additional = &schema["additionalProperties"];
    let keeps = additional.is_object() || flag(schema, PRESERVE) || flag(schema, EMBEDDED);
    let member = |(name, json): (&String, &Json)| match schema["properties"].get(name) {
        Some(schema) => Some((escaped(name)?, value(schema, json))),
        None if flag(schema, EMBEDDED) && is_of_every_object(name) => {
            Some((name.clone(), of_every_object(name, json)))
        }
        None if keeps => Some((name.clone(), value(additional, json))),
        None => None,
    };
    map(members.iter().filter_map(member))
}

fn map(members: impl Iterator<Item = (String, Value)>) -> Value {
    let members: BTreeMap<_, _> =
        members.map(|(name, value)| (Key::String(name.as_str().into()), value)).collect();
    Value::Map(Arc::new(members))
}

/// What the API server knows of every object, whatever its schema says.
pub fn is_of_every_object(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind" | "metadata")
}

/// Of the metadata expressions see the names alone.
fn of_every_object(name: &str, json: &Json) -> Value {
    match json {
        Json::Object(members) if name == "metadata" => {
            let seen = |(name, _): &(&String, &Json)| matches!(name.as_str(), "name" | "generateName");
            map(members.iter().filter(seen).map(|(name, json)| (name.clone(), Value::from_json(json))))
        }
        _ => Value::from_json(json),
    }
}

/// Names that are words of the language.
const WORDS: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// The name by which an expression calls a field; none if it has no way to call it.
fn escaped(name: &str) -> Option<String> {
    if WORDS.contains(&name) {
        return Some(format!("__{name}__"));
    }
    if name.starts_with(|first: char| first.is_ascii_digit()) || name.is_empty() {
        return None;
    }
    let spelled = name.replace("__", "\0");
    let mut escaped = String::with_capacity(name.len());
    for c in spelled.chars() {
        match c {
            '\0' => escaped.push_str("__underscores__"),
            '.' => escaped.push_str("__dot__"),
            '-' => escaped.push_str("__dash__"),
            '/' => escaped.push_str("__slash__"),
            c if c.is_ascii_alphanumeric() || c == '_' => escaped.push(c),
            _ => return None,
        }
    }
    Some(escaped)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{escaped, value};
    use crate::cel::Value;

    #[test]
    fn texts_of_a_format_have_its_type() {
        let schema = json!({"type": "string", "format": "duration"});
        let (hour, text) = (value(&schema, &json!("1h")), value(&schema, &json!("soon")));
        assert!(matches!(hour, Value::Duration(3_600_000_000_000)), "{hour:?}");
        assert!(matches!(text, Value::String(_)), "{text:?}");
    }

    #[test]
    fn names_of_fields_are_escaped() {
        for (name, expected) in [
            ("a_b", Some("a_b")),
            ("a__b", Some("a__underscores__b")),
            ("x-y.z/w", Some("x__dash__y__dot__z__slash__w")),
            ("namespace", Some("__namespace__")),
            ("1a", None),
            ("a b", None),
        ] {
            assert_eq!(escaped(name).as_deref(), expected, "{name}");
        }
    }
}
