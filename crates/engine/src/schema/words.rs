//! The types of a schema's own words: Gatekeeper reads a template into `JSONSchemaProps` and refuses it where a word has
//! another type.

use serde_json::Value;

use super::{Fault, member};

/// What the value of a word must be.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Integer,
    Boolean,
    List,
    Texts,
    Object,
    Schema,
    Schemas,
    Named,
    SchemaOrBoolean,
}

use Kind::{Boolean, Integer, List, Named, Number, Object, Schema, SchemaOrBoolean, Schemas, Text, Texts};

const WORDS: [(&str, Kind); 39] = [
    ("id", Text),
    ("$schema", Text),
    ("$ref", Text),
    ("description", Text),
    ("type", Text),
    ("format", Text),
    ("title", Text),
    ("maximum", Number),
    ("exclusiveMaximum", Boolean),
    ("minimum", Number),
    ("exclusiveMinimum", Boolean),
    ("maxLength", Integer),
    ("minLength", Integer),
    ("pattern", Text),
    ("maxItems", Integer),
    ("minItems", Integer),
    ("uniqueItems", Boolean),
    ("multipleOf", Number),
    ("enum", List),
    ("maxProperties", Integer),
    ("minProperties", Integer),
    ("required", Texts),
    ("allOf", Schemas),
    ("oneOf", Schemas),
    ("anyOf", Schemas),
    ("not", Schema),
    ("properties", Named),
    ("patternProperties", Named),
    ("additionalProperties", SchemaOrBoolean),
    ("externalDocs", Object),
    ("definitions", Named),
    ("nullable", Boolean),
    ("x-kubernetes-preserve-unknown-fields", Boolean),
    ("x-kubernetes-embedded-resource", Boolean),
    ("x-kubernetes-int-or-string", Boolean),
    ("x-kubernetes-list-map-keys", Texts),
    ("x-kubernetes-list-type", Text),
    ("x-kubernetes-map-type", Text),
    ("x-kubernetes-validations", List),
];

/// The first word of a schema, or of one in it, that has another type.
///
/// # Errors
/// That word.
pub fn check_types(schema: &Value, pointer: &str) -> Result<(), Fault> {
    let Some(fields) = schema.as_object() else { return Ok(()) };
    for (word, kind) in WORDS {
        match fields.get(word) {
            None | Some(Value::Null) => {}
            Some(value) => check_type(value, kind, &member(pointer, word))?,
        }
    }
    fields.get("items").map_or(Ok(()), |items| check_types(items, &member(pointer, "items")))
}

fn check_type(value: &Value, kind: Kind, pointer: &str) -> Result<(), Fault> {
    let unless = |fits: bool, wanted: &str| {
        let found = sort(value);
        if fits { Ok(()) } else { Err(Fault::new(pointer, format!("is {found}; it must be {wanted}"))) }
    };
    match kind {
        Text => unless(value.is_string(), "a string"),
        Number => unless(value.is_number(), "a number"),
        Integer => unless(is_integer(value), "an integer"),
        Boolean => unless(value.is_boolean(), "a boolean"),
        List => unless(value.is_array(), "a list"),
        Texts => {
            let texts = value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
            unless(texts, "a list of strings")
        }
        Object => unless(value.is_object(), "an object"),
        SchemaOrBoolean if value.is_boolean() => Ok(()),
        SchemaOrBoolean => {
            unless(value.is_object(), "a schema or a boolean").and_then(|()| check_types(value, pointer))
        }
        Schema => unless(value.is_object(), "a schema").and_then(|()| check_types(value, pointer)),
        Schemas => {
            unless(value.is_array(), "a list of schemas")?;
            let mut schemas = value.as_array().into_iter().flatten().enumerate();
            schemas.try_for_each(|(index, schema)| check_type(schema, Schema, &format!("{pointer}/{index}")))
        }
        Named => {
            unless(value.is_object(), "an object of schemas")?;
            let mut schemas = value.as_object().into_iter().flatten();
            schemas.try_for_each(|(name, schema)| check_type(schema, Schema, &member(pointer, name)))
        }
    }
}

fn is_integer(value: &Value) -> bool {
    let whole = |number: f64| number.fract() == 0.0 && number.abs() < 9.2e18;
    value.is_i64() || !value.is_u64() && value.as_f64().is_some_and(whole)
}

/// What sort of value it is.
pub const fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::check_types;

    #[test]
    fn words_have_the_types_that_gatekeeper_reads() {
        for (schema, said) in [
            (json!({"exclusiveMinimum": 2}), "/exclusiveMinimum is a number; it must be a boolean"),
            (json!({"properties": {"a": {"description": 5}}}), "/properties/a/description is a number"),
            (json!({"type": ["string", "null"]}), "/type is a list; it must be a string"),
            (json!({"maxLength": 1.5}), "/maxLength is a number; it must be an integer"),
            (json!({"maxLength": 18_446_744_073_709_551_615_u64}), "it must be an integer"),
            (json!({"required": [1]}), "/required is a list; it must be a list of strings"),
            (json!({"allOf": [{"title": 1}]}), "/allOf/0/title is a number"),
            (json!({"items": {"not": []}}), "/items/not is a list; it must be a schema"),
            (json!({"properties": []}), "/properties is a list; it must be an object of schemas"),
            (json!({"additionalProperties": 1}), "it must be a schema or a boolean"),
        ] {
            let fault = check_types(&schema, "").unwrap_err();
            let found = format!("{} {}", fault.pointer, fault.message);
            assert!(found.contains(said), "{schema}: {found}");
        }
        let fine = json!({
            "type": "object", "title": null, "maxLength": 2.0, "additionalProperties": true, "example": [1],
            "properties": {"description": {"type": "string"}}, "default": {"type": 1},
        });
        assert_eq!(check_types(&fine, ""), Ok(()));
    }
}
