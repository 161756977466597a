//! Fields that a schema does not know.

use serde_json::Value;

use super::{EMBEDDED, Fault, PRESERVE, flag, member};

/// The first field that the schema does not know, as a JSON pointer.
#[must_use]
pub fn unknown_field(schema: &Value, value: &Value, pointer: &str) -> Option<String> {
    let mut found = vec![];
    unknown_fields(schema, value, pointer, &mut found);
    found.into_iter().next().map(|unknown| unknown.pointer)
}

/// Every field that the schema does not know; the fault allows those that stand beside it.
pub fn unknown_fields(schema: &Value, value: &Value, pointer: &str, found: &mut Vec<Fault>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let pointer = member(pointer, key);
                if flag(schema, EMBEDDED) && ["apiVersion", "kind", "metadata"].contains(&key.as_str()) {
                    continue;
                }
                match field(schema, key) {
                    Some(schema) => unknown_fields(schema, value, &pointer, found),
                    None if flag(schema, PRESERVE) => {}
                    None => found.push(unknown(schema, pointer)),
                }
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                unknown_fields(&schema["items"], element, &format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn unknown(schema: &Value, pointer: String) -> Fault {
    let known = schema["properties"].as_object().into_iter().flat_map(|known| known.keys().cloned());
    Fault { allowed: known.collect(), ..Fault::new(pointer, "is unknown") }
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
