//! What a schema demands beyond structure: `format`, and rules in CEL (`x-kubernetes-validations`).

use serde_json::{Map, Value, json};

use super::demands::{Demands, RULES};
use super::{Fault, member};

/// The demands of a schema.
#[derive(Debug, Default)]
pub struct Rules {
    formats: Option<Demands>,
    rules: Option<Demands>,
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
        let formats = formats(schema, pointer)?.and_then(|formats| Demands::of(&formats, pointer));
        for name in ["anyOf", "oneOf", "not"] {
            if has_rules(&schema[name]) {
                let message = "holds rules in CEL, which this engine cannot check there";
                return Err(Fault::limit(member(pointer, name), message));
            }
        }
        let rules = Self { formats, rules: Demands::of(schema, pointer) };
        rules.compile()?;
        Ok(rules)
    }

    /// The rules of the schema of whole objects. Each is compiled when there is something to ask it about; one that does
    /// not compile is then a fault.
    #[must_use]
    pub fn of_object(schema: &Value) -> Self {
        Self { formats: None, rules: Demands::of_object(schema) }
    }

    /// Compiles all rules in CEL.
    ///
    /// # Errors
    /// The first that does not compile.
    pub fn compile(&self) -> Result<(), Fault> {
        self.rules.as_ref().map_or(Ok(()), Demands::compile)
    }

    /// The first demand that a value does not meet. Rules in CEL are asked only in a cluster.
    ///
    /// # Errors
    /// That demand.
    pub fn check(&self, value: &Value, pointer: &str, in_cluster: bool) -> Result<(), Fault> {
        let asked = [self.formats.as_ref(), self.rules.as_ref().filter(|_| in_cluster)];
        let mut found = vec![];
        asked.into_iter().flatten().for_each(|demands| demands.ask(value, pointer, &mut found));
        found.into_iter().next().map_or(Ok(()), Err)
    }

    /// All rules that a value does not meet.
    #[must_use]
    pub fn unmet(&self, value: &Value) -> Vec<Fault> {
        let mut found = vec![];
        self.rules.iter().for_each(|rules| rules.ask(value, "", &mut found));
        found
    }
}

fn has_rules(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.contains_key(RULES) || fields.values().any(has_rules),
        Value::Array(items) => items.iter().any(has_rules),
        _ => false,
    }
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
            return Err(Fault::limit(member(pointer, name), message));
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
        return Err(Fault::limit(member(pointer, "format"), message));
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
        "/properties/a/x-kubernetes-validations/0/rule")]
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

    fn of_object(schema: &Value, rule: &Value) -> Rules {
        let mut schema = schema.clone();
        schema["x-kubernetes-validations"] = json!([rule]);
        Rules::new(&schema, "").unwrap()
    }

    /// As the API server has the types of values, the names of fields and the messages.
    #[rstest]
    #[case(json!({"type": "object", "additionalProperties": {"type": "string"}}), "self.all(k, k.startsWith('a'))",
        json!({"ab": "x"}), json!({"ab": "x", "b": "y"}))]
    #[case(json!({"type": "number"}), "self < 2.5", json!(2), json!(3))]
    #[case(json!({"type": "string", "format": "date-time"}), "self.getFullYear() == 2026", json!("2026-01-01T00:00:00Z"),
        json!("2025-01-01T00:00:00Z"))]
    #[case(json!({"type": "string", "format": "byte"}), "self.size() == 3", json!("YWJj"), json!("YWI="))]
    #[case(json!({"x-kubernetes-int-or-string": true}), "type(self) == int || self == '50%'", json!(1), json!("5%"))]
    #[case(json!({"type": "object", "properties": {"a-b": {"type": "integer"}, "in": {"type": "boolean"}}}),
        "self.a__dash__b > 1 && self.__in__", json!({"a-b": 2, "in": true}), json!({"a-b": 2, "in": false}))]
    #[case(json!({"type": "object", "properties": {"a": {"type": "string"}}}), "!has(self.b)", json!({"a": "x", "b": 1}),
        Value::Null)]
    #[case(json!({"type": "string", "optionalOldSelf": true}), "self.matches('^[a-z]+$')", json!("a"), json!("A"))]
    fn rules_see_values_as_the_api_server_does(
        #[case] schema: Value,
        #[case] rule: &str,
        #[case] good: Value,
        #[case] bad: Value,
    ) {
        let rules = of_object(&schema, &json!({"rule": rule}));
        assert_eq!(rules.check(&good, "", true), Ok(()));
        if !bad.is_null() {
            let fault = rules.check(&bad, "", true).unwrap_err();
            assert_eq!(fault.message, format!("failed rule: {rule}"));
        }
    }

    #[rstest]
    #[case(json!({"rule": "oldSelf == self"}), None)]
    #[case(json!({"rule": "oldSelf.hasValue()", "optionalOldSelf": true, "message": "no older"}), Some(("", "no older")))]
    #[case(json!({"rule": "self.n > 1", "messageExpression": "'n is ' + string(self.n)", "fieldPath": ".n"}),
        Some(("/n", "n is 1")))]
    #[case(json!({"rule": "self.l[3] == 1", "message": "m"}), Some(("", "a rule cannot be evaluated for it: m")))]
    fn what_rules_say(#[case] rule: Value, #[case] expected: Option<(&str, &str)>) {
        let properties =
            json!({"n": {"type": "integer"}, "l": {"type": "array", "items": {"type": "integer"}}});
        let rules = of_object(&json!({"type": "object", "properties": properties}), &rule);
        let found = rules.check(&json!({"n": 1, "l": []}), "", true).err();
        assert_eq!(found.as_ref().map(|fault| (fault.pointer.as_str(), fault.message.as_str())), expected);
    }
}
