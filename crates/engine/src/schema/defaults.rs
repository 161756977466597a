//! Defaults, as the API server gives them.

use serde_json::Value;

use super::flag;

/// Gives absent fields their defaults, also those inside of a default. A null counts as absent where it is not
/// allowed.
pub fn add_defaults(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
                add_default(schema, members, key);
            }
            for (key, value) in members {
                let schema = schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
                add_defaults(schema, value);
            }
        }
        Value::Array(elements) => {
            elements.iter_mut().for_each(|element| add_defaults(&schema["items"], element))
        }
        _ => {}
    }
}

fn add_default(schema: &Value, members: &mut serde_json::Map<String, Value>, key: &str) {
    let Some(default) = schema.get("default") else { return };
    let absent = match members.get(key) {
        None => true,
        Some(value) => value.is_null() && !flag(schema, "nullable"),
    };
    if absent {
        members.insert(key.to_owned(), default.clone());
    }
}
