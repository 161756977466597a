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

/// Every field that the schema does not know; the fault allows those that stand beside it. What has a wrong type is not
/// searched: nothing in it could be right.
pub fn unknown_fields(schema: &Value, value: &Value, pointer: &str, found: &mut Vec<Fault>) {
    let wanted = schema["type"].as_str();
    if wanted.is_some_and(|wanted| {
        (value.is_object() && wanted != "object") || (value.is_array() && wanted != "array")
    }) {
        return;
    }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::unknown_fields;

    #[test]
    fn fields_are_searched_where_objects_may_be() {
        let object = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        let schema = json!({"type": "object", "properties": {
            "list": {"type": "array", "items": object}, "one": object, "any": {"properties": {}},
        }});
        let found = |value: &Value| {
            let mut found = vec![];
            unknown_fields(&schema, value, "", &mut found);
            found.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>()
        };
        assert_eq!(found(&json!({"list": [{"a": 1}, {"b": 1}], "one": {"c": 1}})), ["/list/1/b", "/one/c"]);
        assert_eq!(found(&json!({"list": {"b": 1}, "one": [{"c": 1}]})), [""; 0], "what has a wrong type");
        assert_eq!(found(&json!({"any": {"d": 1}})), ["/any/d"]);
    }
}
