//! Schemas themselves: what Kubernetes asks of the schema of a custom resource.

use gatewright_re2::Pattern;
use serde_json::{Value, json};

use super::{Fault, INT_OR_STRING, PRESERVE, flag, member, unknown_field, validate};

/// Lets a schema preserve fields that it does not know, at every level: what `legacySchema` means.
pub fn preserve_unknown_fields(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    match fields.get("type").and_then(Value::as_str) {
        None | Some("" | "object") => {
            fields.insert(PRESERVE.to_owned(), true.into());
        }
        Some("array") if fields.get("items").is_none_or(Value::is_null) => {
            fields.insert("items".to_owned(), json!({PRESERVE: true}));
        }
        _ => {}
    }
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(preserve_unknown_fields);
    }
    for name in ["items", "additionalProperties"] {
        if let Some(schema) = fields.get_mut(name) {
            preserve_unknown_fields(schema);
        }
    }
}

/// The first thing in a schema that keeps it from being a structural one.
///
/// # Errors
/// That thing.
pub fn check(schema: &Value, pointer: &str) -> Result<(), Fault> {
    let fields = schema.as_object().ok_or_else(|| Fault::new(pointer, "a schema is an object"))?;
    check_known(fields, pointer)?;
    check_type(schema, pointer)?;
    check_words(schema, pointer)?;
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        check(schema, &member(&member(pointer, "properties"), key))?;
    }
    match &schema["items"] {
        Value::Null if schema["type"] == "array" => return Err(Fault::new(pointer, "a list needs `items`")),
        Value::Null => {}
        items => check(items, &member(pointer, "items"))?,
    }
    if schema["additionalProperties"].is_object() {
        check(&schema["additionalProperties"], &member(pointer, "additionalProperties"))?;
    }
    check_default(schema, pointer)
}

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

fn check_type(schema: &Value, pointer: &str) -> Result<(), Fault> {
    let open = flag(schema, PRESERVE) || flag(schema, INT_OR_STRING);
    match schema["type"].as_str().filter(|word| !word.is_empty()) {
        None if open => Ok(()),
        None => Err(Fault::new(member(pointer, "type"), format!("is required: {}", TYPES.join(", ")))),
        Some(word) if flag(schema, INT_OR_STRING) => Err(Fault::new(
            member(pointer, "type"),
            format!("is `{word}`, but `{INT_OR_STRING}` excludes it"),
        )),
        Some(word) if TYPES.contains(&word) => Ok(()),
        Some(word) => {
            let allowed = TYPES.join(", ");
            Err(Fault::new(member(pointer, "type"), format!("is `{word}`; allowed: {allowed}")))
        }
    }
}

/// Words of JSON Schema that Kubernetes does not take.
const FORBIDDEN: [&str; 8] = [
    "$ref",
    "$schema",
    "additionalItems",
    "definitions",
    "dependencies",
    "id",
    "patternProperties",
    "deprecated",
];

fn check_known(fields: &serde_json::Map<String, Value>, pointer: &str) -> Result<(), Fault> {
    match fields.keys().find(|key| FORBIDDEN.contains(&key.as_str())) {
        Some(key) => Err(Fault::new(member(pointer, key), "Kubernetes does not allow this word in a schema")),
        None => Ok(()),
    }
}

fn check_words(schema: &Value, pointer: &str) -> Result<(), Fault> {
    if let Some(pattern) = schema["pattern"].as_str()
        && let Err(refused) = Pattern::new(pattern)
    {
        return Err(Fault::new(member(pointer, "pattern"), refused.to_string()));
    }
    if flag(schema, "uniqueItems") {
        return Err(Fault::new(member(pointer, "uniqueItems"), "Kubernetes forbids it: it costs too much"));
    }
    if schema["properties"].is_object() && !matches!(schema["additionalProperties"], Value::Null) {
        let message = "excludes `properties`, and the other way round";
        return Err(Fault::new(member(pointer, "additionalProperties"), message));
    }
    Ok(())
}

/// A default must fit its own schema.
fn check_default(schema: &Value, pointer: &str) -> Result<(), Fault> {
    let Some(default) = schema.get("default").filter(|default| !default.is_null()) else { return Ok(()) };
    let pointer = member(pointer, "default");
    validate(schema, default, &pointer)?;
    match unknown_field(schema, default, &pointer) {
        Some(pointer) => Err(Fault::new(pointer, "is not a field of the schema")),
        None => Ok(()),
    }
}
