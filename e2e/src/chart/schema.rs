//! The JSON schema of the chart's values: closed, so that a typo fails and changes nothing in silence.

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::values::ChartValue;

/// The settings' keys that are values of the chart by themselves.
const OWN: [&str; 1] = ["onUninstall"];

/// The schema of these values. The settings have their type's own.
///
/// # Errors
/// An `@schema` is not JSON.
pub fn schema(values: &[ChartValue]) -> Result<Value> {
    let mut root = section();
    for value in values {
        // What is below the settings is described where they are.
        if !value.path.starts_with("settings.") {
            let schema = schema_of(value).with_context(|| format!("@schema of {}", value.path))?;
            put(&mut root, &value.path, schema);
        }
    }
    // Helm puts it into the values of a chart that another one depends on.
    root["properties"]["global"] = json!({"type": "object"});
    root["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    root["$defs"] = json!({
        "texts": {"type": "object", "additionalProperties": {"type": "string"}},
        "quantities": {"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
        "reference": {
            "type": "object", "additionalProperties": false, "required": ["name"], "properties": {"name": {"type": "string"}},
        },
    });
    Ok(root)
}

fn section() -> Value {
    let properties = Map::new();
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

fn put(section_of: &mut Value, path: &str, schema: Value) {
    let Some((name, rest)) = path.split_once('.') else {
        section_of["properties"][path] = schema;
        return;
    };
    if section_of["properties"][name].is_null() {
        section_of["properties"][name] = section();
    }
    put(&mut section_of["properties"][name], rest, schema);
}

fn schema_of(value: &ChartValue) -> Result<Value> {
    let mut schema = match &value.schema {
        Some(name) if name == "settings" => settings(),
        Some(text) => given(value, serde_json::from_str(text)?),
        None => json!({"type": type_of(&value.default)}),
    };
    schema["description"] = json!(value.description);
    Ok(schema)
}

fn given(value: &ChartValue, mut schema: Value) -> Value {
    let open = ["$ref", "enum", "type"].into_iter().all(|word| schema.get(word).is_none());
    if open {
        schema["type"] = json!(type_of(&value.default));
    }
    if schema.get("properties").is_some() {
        schema["additionalProperties"] = json!(false);
    }
    schema
}

fn settings() -> Value {
    let mut schema = gatewright_compiler::settings_schema();
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.retain(|name, _| !OWN.contains(&name.as_str()));
    }
    schema
}

fn type_of(default: &Value) -> &'static str {
    match default {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{folder, values};

    /// Kubernetes' own types, which the API server knows; and what other charts share.
    const OPEN: [&str; 10] = [
        "/properties/affinity",
        "/properties/tolerations/items",
        "/properties/topologySpreadConstraints/items",
        "/properties/networkPolicy/properties/metricsFrom/items",
        "/properties/verifier/properties/affinity",
        "/properties/verifier/properties/tolerations/items",
        "/properties/verifier/properties/topologySpreadConstraints/items",
        "/properties/verifier/properties/networkPolicy/properties/from/items",
        "/properties/verifier/properties/networkPolicy/properties/egress/items",
        "/properties/global",
    ];

    fn open(path: &str, schema: &Value, found: &mut Vec<String>) {
        if schema["type"] == "object" && schema.get("additionalProperties").is_none() {
            found.push(path.to_owned());
        }
        for (name, below) in schema.as_object().into_iter().flatten() {
            open(&format!("{path}/{name}"), below, found);
        }
    }

    #[test]
    fn objects_are_closed_but_for_those_of_kubernetes() {
        let text = std::fs::read_to_string(folder().join("values.yaml")).unwrap();
        let schema = schema(&values::read(&text).unwrap()).unwrap();
        let mut found = vec![];
        open("", &schema, &mut found);
        found.sort();
        let mut expected = OPEN.map(str::to_owned).to_vec();
        expected.sort();
        assert_eq!(found, expected);
        assert!(schema.pointer("/properties/settings/properties/execGuard/properties/mode/enum").is_some());
    }
}
