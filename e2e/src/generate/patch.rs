//! Merge patches.

use serde_json::Value;

/// Patches a document: objects are merged, null removes, lists of objects are joined, anything else is replaced.
pub fn apply(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (target, Value::Object(fields)) => {
            if !target.is_object() {
                *target = Value::Object(serde_json::Map::new());
            }
            for (name, patch) in fields {
                apply_field(target, name, patch);
            }
        }
        (Value::Array(items), Value::Array(more)) if more.first().is_some_and(Value::is_object) => {
            items.extend(more.iter().cloned());
        }
        (target, patch) => *target = patch.clone(),
    }
}

fn apply_field(target: &mut Value, name: &str, patch: &Value) {
    if patch.is_null() {
        target.as_object_mut().map(|fields| fields.remove(name));
    } else {
        apply(&mut target[name], patch);
    }
}
