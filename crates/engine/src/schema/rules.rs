//! What a schema demands beyond structure: `format`, and rules in CEL (`x-kubernetes-validations`).

use kube_cel::{CompiledSchema, ValidationErrors, compile_schema, validate_compiled};
use serde_json::{Map, Value, json};

use super::{Fault, member};

const RULES: &str = "x-kubernetes-validations";

/// The demands of a schema, compiled.
#[derive(Debug, Default)]
pub struct Rules {
    formats: Option<CompiledSchema>,
    rules: Option<CompiledSchema>,
}

/// Formats that the API server checks, and what they ask of a text, in CEL. It ignores formats that it does not know.
const FORMATS: [(&str, &str); 9] = [
    ("byte", "!format.byte().validate(self).hasValue()"),
    ("cidr", "isCIDR(self)"),
    ("date", "!format.date().validate(self).hasValue()"),
    ("datetime", "!format.datetime().validate(self).hasValue()"),
    ("ipv4", "isIP(self) && ip(self).family() == 4"),
    ("ipv6", "isIP(self) && ip(self).family() == 6"),
    ("password", "true"),
    ("uri", "isURL(self)"),
    ("uuid", "!format.uuid().validate(self).hasValue()"),
];

/// Formats that the API server checks, and this engine cannot.
const UNKNOWN: [&str; 16] = [
    "bsonobjectid",
    "creditcard",
    "duration",
    "email",
    "hexcolor",
    "hostname",
    "isbn",
    "isbn10",
    "isbn13",
    "mac",
    "rgbcolor",
    "ssn",
    "uuid3",
    "uuid4",
    "uuid5",
    "k8sshortname",
];

impl Rules {
    /// Compiles the demands of a schema.
    ///
    /// # Errors
    /// A rule that does not compile, a format that cannot be checked.
    pub fn new(schema: &Value, pointer: &str) -> Result<Self, Fault> {
        let formats = formats(schema, pointer)?.map(|formats| compile_schema(&formats));
        let rules = has_rules(schema).then(|| compile_schema(schema));
        match rules.as_ref().and_then(|rules| error(rules, pointer)) {
            Some(fault) => Err(fault),
            None => Ok(Self { formats, rules }),
        }
    }

    /// The first demand that a value does not meet. Rules in CEL are asked only in a cluster.
    ///
    /// # Errors
    /// That demand.
    pub fn check(&self, value: &Value, pointer: &str, in_cluster: bool) -> Result<(), Fault> {
        let asked = [self.formats.as_ref(), self.rules.as_ref().filter(|_| in_cluster)];
        asked.into_iter().flatten().try_for_each(|rules| {
            validate_compiled(rules, value, None).map_err(|errors| fault(errors, pointer))
        })
    }
}

fn fault(errors: ValidationErrors, pointer: &str) -> Fault {
    match errors.into_vec().into_iter().next() {
        Some(error) => Fault::new(format!("{pointer}{}", pointer_of(&error.field_path)), error.message),
        None => Fault::new(pointer, "does not meet a rule of the schema"),
    }
}

/// `a.b[0]` as a JSON pointer.
fn pointer_of(path: &str) -> String {
    let parts = path.split(['.', '[']).filter(|part| !part.is_empty());
    parts.fold(String::new(), |pointer, part| member(&pointer, part.trim_end_matches(']')))
}

fn has_rules(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.contains_key(RULES) || fields.values().any(has_rules),
        Value::Array(items) => items.iter().any(has_rules),
        _ => false,
    }
}

/// The first rule that does not compile, and the field that it stands at.
fn error(schema: &CompiledSchema, pointer: &str) -> Option<Fault> {
    if let Some(error) = schema.compilation_errors().first() {
        return Some(Fault::new(member(pointer, RULES), format!("does not compile: {error}")));
    }
    let mut properties: Vec<_> = schema.properties.iter().collect();
    properties.sort_by_key(|(name, _)| *name);
    let below = |name: &str| member(&member(pointer, "properties"), name);
    let mut found = properties.into_iter().filter_map(|(name, schema)| error(schema, &below(name)));
    let nested = [("items", &schema.items), ("additionalProperties", &schema.additional_properties)];
    found.next().or_else(|| {
        nested.into_iter().find_map(|(name, schema)| error(schema.as_deref()?, &member(pointer, name)))
    })
}

/// A schema that demands the formats of another one as rules; none if there are none.
fn formats(schema: &Value, pointer: &str) -> Result<Option<Value>, Fault> {
    if !schema.is_object() {
        return Ok(None);
    }
    let mut found = Map::new();
    if let Some(rule) = rule(schema, pointer)? {
        found.insert(RULES.to_owned(), json!([rule]));
    }
    let mut properties = Map::new();
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let formats = formats(schema, &member(&member(pointer, "properties"), name))?;
        properties.extend(formats.map(|formats| (name.clone(), formats)));
    }
    if !properties.is_empty() {
        found.insert("properties".to_owned(), properties.into());
    }
    for name in ["items", "additionalProperties"] {
        let formats = formats(&schema[name], &member(pointer, name))?;
        found.extend(formats.map(|formats| (name.to_owned(), formats)));
    }
    for name in ["allOf", "anyOf", "oneOf", "not"] {
        if has_format(&schema[name]) {
            let message = "holds a `format`, which this engine cannot check there";
            return Err(Fault::new(member(pointer, name), message));
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    found.insert("type".to_owned(), schema["type"].clone());
    Ok(Some(found.into()))
}

fn rule(schema: &Value, pointer: &str) -> Result<Option<Value>, Fault> {
    if schema["type"] == "integer" && schema["format"] == "int32" {
        let rule = format!("{} <= self && self <= {}", i32::MIN, i32::MAX);
        return Ok(Some(json!({"rule": rule, "message": "is not in the format int32"})));
    }
    let Some(format) = format_of(schema) else { return Ok(None) };
    if UNKNOWN.contains(&format.as_str()) {
        let message =
            format!("`{}` cannot be checked by this engine", schema["format"].as_str().unwrap_or_default());
        return Err(Fault::new(member(pointer, "format"), message));
    }
    let rule = FORMATS.iter().find(|(known, _)| *known == format);
    Ok(rule.map(|(_, rule)| json!({"rule": rule, "message": format!("is not in the format {format}")})))
}

/// The format of a text. The API server leaves out dashes when it looks it up.
fn format_of(schema: &Value) -> Option<String> {
    let format = schema["format"].as_str().filter(|_| schema["type"] == "string")?;
    Some(format.replace('-', ""))
}

fn has_format(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            let format = fields.get("format").and_then(Value::as_str).map(|format| format.replace('-', ""));
            let known = |format: &String| {
                UNKNOWN.contains(&format.as_str()) || FORMATS.iter().any(|(known, _)| known == format)
            };
            format.as_ref().is_some_and(known) || fields.values().any(has_format)
        }
        Value::Array(items) => items.iter().any(has_format),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::Rules;

    fn text(format: &str) -> Value {
        json!({"type": "object", "properties": {"list": {"type": "array", "items": {"type": "string", "format": format}}}})
    }

    #[rstest]
    #[case("ipv4", "10.0.0.1", "::1")]
    #[case("ipv6", "::1", "10.0.0.1")]
    #[case("cidr", "10.0.0.0/8", "10.0.0.0")]
    #[case("date", "2026-02-28", "2026-02-30")]
    #[case("date-time", "2026-02-28T10:00:00Z", "2026-02-28")]
    #[case("uri", "https://example.com/a", "example")]
    #[case("uuid", "6f1f2f33-0000-4000-8000-000000000000", "6f1f2f33")]
    #[case("byte", "YWJj", "?")]
    fn formats_are_checked(#[case] format: &str, #[case] good: &str, #[case] bad: &str) {
        let rules = Rules::new(&text(format), "").unwrap();
        assert_eq!(rules.check(&json!({"list": [good]}), "", false), Ok(()));
        let fault = rules.check(&json!({"list": [good, bad]}), "/spec", false).unwrap_err();
        assert_eq!(fault.pointer, "/spec/list/1");
        assert_eq!(fault.message, format!("is not in the format {}", format.replace('-', "")));
    }

    #[test]
    fn an_int32_has_32_bits() {
        let rules = Rules::new(&json!({"type": "integer", "format": "int32"}), "").unwrap();
        assert_eq!(rules.check(&json!(-2_147_483_648_i64), "", false), Ok(()));
        assert!(rules.check(&json!(2_147_483_648_i64), "", false).is_err());
    }

    #[test]
    fn what_the_api_server_ignores_is_ignored() {
        assert_eq!(Rules::new(&text("made-up"), "").unwrap().check(&json!({"list": [""]}), "", true), Ok(()));
    }

    #[rstest]
    #[case(text("email"), "/properties/list/items/format")]
    #[case(json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}), "/anyOf")]
    #[case(json!({"type": "object", "properties": {"a": {"type": "string", "x-kubernetes-validations": [{"rule": "self ="}]}}}),
        "/properties/a/x-kubernetes-validations")]
    fn what_cannot_be_checked_is_refused(#[case] schema: Value, #[case] pointer: &str) {
        assert_eq!(Rules::new(&schema, "").unwrap_err().pointer, pointer);
    }

    #[test]
    fn rules_are_asked_in_a_cluster() {
        let rule = json!([{"rule": "self.min <= self.max", "message": "min is above max"}]);
        let number = json!({"type": "integer"});
        let schema = json!({"type": "object", "properties": {"range": {
            "type": "object", "properties": {"min": number, "max": number}, "x-kubernetes-validations": rule,
        }}});
        let rules = Rules::new(&schema, "").unwrap();
        let wrong = json!({"range": {"min": 2, "max": 1}});
        assert_eq!(rules.check(&wrong, "", false), Ok(()));
        let fault = rules.check(&wrong, "", true).unwrap_err();
        assert_eq!((fault.pointer.as_str(), fault.message.as_str()), ("/range", "min is above max"));
        assert_eq!(rules.check(&json!({"range": {"min": 1, "max": 1}}), "", true), Ok(()));
    }
}
