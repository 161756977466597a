//! A field of a policy, as its CRD describes it.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// A policy kind, and where its rules are.
pub(super) struct PolicyKind {
    pub name: &'static str,
    pub folder: &'static str,
}

/// The policy kinds, in the order of the templates.
pub(super) const KINDS: [PolicyKind; 2] = [
    PolicyKind { name: "SecurityPolicy", folder: "security-policy" },
    PolicyKind { name: "OperationPolicy", folder: "operation-policy" },
];

/// The schema of a field under `spec.policies`.
pub(super) fn schema(kind: &PolicyKind, field: &str) -> Value {
    let crds = gatewright_api::crds();
    let crd = crds.iter().find(|crd| crd.spec.names.kind == kind.name).map_or(Value::Null, |crd| json!(crd));
    let policies = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/policies/properties";
    crd.pointer(policies).map_or(Value::Null, |fields| fields[field].clone())
}

/// Rows of a table: the field, and the fields inside of it.
pub(super) fn rows(name: &str, schema: &Value) -> String {
    let description =
        schema["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
    let mut rows = format!("| `{name}` | {} | {description} |\n", kind(schema));
    let (inner, suffix) = match schema.get("items") {
        Some(items) => (items, "[]"),
        None => (schema, ""),
    };
    for (field, inner) in inner["properties"].as_object().into_iter().flatten() {
        let _ = write!(rows, "{}", self::rows(&format!("{name}{suffix}.{field}"), inner));
    }
    rows
}

/// The type with its limits, in words.
fn kind(schema: &Value) -> String {
    let mut words = match (schema["type"].as_str().unwrap_or("any"), schema.get("items")) {
        ("array", Some(items)) => format!("list of {}", kind(items)),
        (name, _) if schema.get("enum").is_none() => name.to_owned(),
        _ => String::new(),
    };
    let values = schema["enum"].as_array().into_iter().flatten().filter(|value| !value.is_null());
    let values: Vec<_> = values.map(|value| format!("`{}`", value.as_str().unwrap_or_default())).collect();
    if !values.is_empty() {
        let _ = write!(words, "one of {}", values.join(", "));
    }
    words + &limits(schema)
}

fn limits(schema: &Value) -> String {
    let limits = [
        ("minimum", "at least "),
        ("maximum", "at most "),
        ("minItems", "entries at least "),
        ("maxItems", "entries at most "),
        ("minLength", "characters at least "),
        ("maxLength", "characters at most "),
    ];
    let found = limits.iter().filter_map(|(name, words)| Some(format!("{words}{}", schema[*name].as_f64()?)));
    let pattern = schema["pattern"].as_str().map(|pattern| format!("like `{}`", pattern.replace('|', "\\|")));
    found.chain(pattern).map(|limit| format!("; {limit}")).collect()
}
