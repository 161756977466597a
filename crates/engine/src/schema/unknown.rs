//! Fields that a schema does not know.

use serde_json::Value;

use super::{EMBEDDED, PRESERVE, flag, member};

/// The first field that the schema does not know, as a JSON pointer.
#[must_use]
pub fn unknown_field(schema: &Value, value: &Value, pointer: &str) -> Option<String> {
    match value {
        Value::Object(members) => members.iter().find_map(|(key, value)| {
            let pointer = member(pointer, key);
            if flag(schema, EMBEDDED) && ["apiVersion", "kind", "metadata"].contains(&key.as_str()) {
                return None;
            }
            match field(schema, key) {
                Some(schema) => unknown_field(schema, value, &pointer),
                None if flag(schema, PRESERVE) => None,
                None => Some(pointer),
            }
        }),
        Value::Array(elements) => elements.iter().enumerate().find_map(|(index, element)| {
            unknown_field(&schema["items"], element, &format!("{pointer}/{index}"))
        }),
        _ => None,
    }
}

/// The schema of a field. `additionalProperties: true` is the schema of everything.
fn field<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    static EVERYTHING: std::sync::LazyLock<Value> =
        std::sync::LazyLock::new(|| serde_json::json!({ PRESERVE: true }));
    let additional = match &schema["additionalProperties"] {
        Value::Bool(true) => Some(&*EVERYTHING),
        Value::Null | Value::Bool(false) => None,
        schema => Some(schema),
    };
    schema["properties"].get(key).or(additional)
}
