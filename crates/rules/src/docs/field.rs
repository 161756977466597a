//! A field of a policy, as its CRD describes it.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// A longer list of names stands below the table.
const NAMES_IN_A_ROW: usize = 8;

/// The schema of a field under `spec.policies` of a policy kind.
pub(super) fn schema(kind: &str, field: &str) -> Value {
    let crds = gatewright_api::crds();
    let crd = crds.iter().find(|crd| crd.spec.names.kind == kind).map_or(Value::Null, |crd| json!(crd));
    let policies = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/policies/properties";
    crd.pointer(policies).map_or(Value::Null, |fields| fields[field].clone())
}

/// The table of the fields, with those inside of them.
pub(super) fn table(kind: &str, fields: &[&str]) -> String {
    let schemas: Vec<_> = fields.iter().map(|field| schema(kind, field)).collect();
    let mut text = "\n| field | type | meaning |\n|---|---|---|\n".to_owned();
    for (field, schema) in fields.iter().zip(&schemas) {
        rows(&mut text, field, schema);
    }
    let mut lists: Vec<_> = schemas.iter().filter_map(|schema| names(schema.get("items")?)).collect();
    lists.dedup();
    for names in lists.into_iter().filter(|names| names.len() > NAMES_IN_A_ROW) {
        let _ = write!(text, "\nThe names: {}.\n", names.join(", "));
    }
    text
}

fn rows(text: &mut String, name: &str, schema: &Value) {
    let description = cell(schema["description"].as_str().unwrap_or_default());
    let _ = writeln!(text, "| `{name}` | {} | {description} |", kind(schema));
    let (inner, suffix) = schema.get("items").map_or((schema, ""), |items| (items, "[]"));
    for (field, inner) in inner["properties"].as_object().into_iter().flatten() {
        rows(text, &format!("{name}{suffix}.{field}"), inner);
    }
}

/// The type with its limits, in words.
fn kind(schema: &Value) -> String {
    let number = |name: &str| schema.get(name).and_then(Value::as_i64);
    if let Some(names) = names(schema) {
        return one_of(&names);
    }
    match schema["type"].as_str().unwrap_or("any value") {
        "array" => list(number("minItems"), number("maxItems"), &schema["items"]),
        "string" => cell(&text(number("minLength"), number("maxLength"), schema["pattern"].as_str())),
        "integer" => integer(number("minimum"), number("maximum")),
        "boolean" => "true or false".to_owned(),
        "object" => "object".to_owned(),
        other => other.to_owned(),
    }
}

/// The values of an enumeration, as code.
fn names(schema: &Value) -> Option<Vec<String>> {
    let values = schema.get("enum")?.as_array()?.iter();
    Some(values.filter_map(Value::as_str).map(|value| format!("`{value}`")).collect())
}

fn one_of(names: &[String]) -> String {
    match names {
        [only] => only.clone(),
        names if names.len() > NAMES_IN_A_ROW => "one of the names below".to_owned(),
        names => names.join(", "),
    }
}

fn list(least: Option<i64>, most: Option<i64>, items: &Value) -> String {
    let count = match (least.filter(|least| *least > 0), most) {
        (None, Some(most)) => format!(", at most {most}"),
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", at least {least}"),
        (None, None) => String::new(),
    };
    match (names(items), items["type"].as_str()) {
        (Some(names), _) => format!("list of {}{count}", one_of(&names)),
        (None, Some("object")) => format!("list of objects{count}"),
        (None, _) => format!("list{count}; each {}", kind(items)),
    }
}

fn text(least: Option<i64>, most: Option<i64>, pattern: Option<&str>) -> String {
    let length = match (least.filter(|least| *least > 0), most) {
        (Some(least), Some(most)) => format!(" of {least} to {most} characters"),
        (None, Some(most)) => format!(" of at most {most} characters"),
        (Some(_), None) => ", not empty".to_owned(),
        (None, None) => String::new(),
    };
    let shape = pattern.map_or_else(String::new, |pattern| format!(" like `{pattern}`"));
    format!("text{length}{shape}")
}

fn integer(least: Option<i64>, most: Option<i64>) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!("number from {least} to {most}"),
        (Some(least), None) => format!("number, at least {least}"),
        (None, Some(most)) => format!("number, at most {most}"),
        (None, None) => "number".to_owned(),
    }
}

/// Text that fits into a cell of a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_in_words() {
        let name = json!({"type": "string", "maxLength": 9});
        for (schema, expected) in [
            (json!({"type": "boolean"}), "true or false"),
            (json!({"type": "integer", "minimum": 0, "maximum": 65_535}), "number from 0 to 65535"),
            (
                json!({"type": "array", "maxItems": 5, "items": name}),
                "list, at most 5; each text of at most 9 characters",
            ),
            (json!({"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}), "list of `a`, `b`"),
            (
                json!({"type": "string", "minLength": 1, "pattern": "^(a|b)$"}),
                "text, not empty like `^(a\\|b)$`",
            ),
        ] {
            assert_eq!(kind(&schema), expected);
        }
    }
}
