//! What a schema demands beyond structure: rules in CEL (`x-kubernetes-validations`).

use serde_json::Value;

use super::demands::{Demands, RULES};
use super::{Fault, member};

/// The rules of a schema.
#[derive(Debug, Default)]
pub struct Rules(Option<Demands>);

impl Rules {
    /// Compiles the rules of a schema.
    ///
    /// # Errors
    /// A rule that does not compile, or stands where it cannot be checked.
    pub fn new(schema: &Value, pointer: &str) -> Result<Self, Fault> {
        for name in ["anyOf", "oneOf", "not"] {
            if has_rules(&schema[name]) {
                let message = "holds rules in CEL, which this engine cannot check there";
                return Err(Fault::limit(member(pointer, name), message));
            }
        }
        let rules = Self(Demands::of(schema, pointer));
        rules.compile()?;
        Ok(rules)
    }

    /// The rules of the schema of whole objects. Each is compiled when there is something to ask it about; one that does
    /// not compile is then a fault.
    #[must_use]
    pub fn of_object(schema: &Value) -> Self {
        Self(Demands::of_object(schema))
    }

    /// Compiles all rules in CEL.
    ///
    /// # Errors
    /// The first that does not compile.
    pub fn compile(&self) -> Result<(), Fault> {
        self.0.as_ref().map_or(Ok(()), Demands::compile)
    }

    /// The first rule that a value does not meet.
    ///
    /// # Errors
    /// That rule.
    pub fn check(&self, value: &Value, pointer: &str) -> Result<(), Fault> {
        self.unmet_at(value, pointer).into_iter().next().map_or(Ok(()), Err)
    }

    /// All rules that a value does not meet.
    #[must_use]
    pub fn unmet(&self, value: &Value) -> Vec<Fault> {
        self.unmet_at(value, "")
    }

    fn unmet_at(&self, value: &Value, pointer: &str) -> Vec<Fault> {
        let mut found = vec![];
        self.0.iter().for_each(|rules| rules.ask(value, pointer, &mut found));
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

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::Rules;

    #[rstest]
    #[case(json!({"type": "string", "anyOf": [{"x-kubernetes-validations": [{"rule": "true"}]}]}), "/anyOf")]
    #[case(json!({"type": "object", "properties": {"a": {"type": "string", "x-kubernetes-validations": [{"rule": "self ="}]}}}),
        "/properties/a/x-kubernetes-validations/0/rule")]
    fn what_cannot_be_checked_is_refused(#[case] schema: Value, #[case] pointer: &str) {
        assert_eq!(Rules::new(&schema, "").unwrap_err().pointer, pointer);
    }

    #[test]
    fn rules_are_asked() {
        let rule = json!([{"rule": "self.min <= self.max", "message": "min is above max"}]);
        let number = json!({"type": "integer"});
        let schema = json!({"type": "object", "properties": {"range": {
            "type": "object", "properties": {"min": number, "max": number}, "x-kubernetes-validations": rule,
        }}});
        let rules = Rules::new(&schema, "").unwrap();
        let wrong = json!({"range": {"min": 2, "max": 1}});
        let fault = rules.check(&wrong, "").unwrap_err();
        assert_eq!((fault.pointer.as_str(), fault.message.as_str()), ("/range", "min is above max"));
        assert_eq!(rules.check(&json!({"range": {"min": 1, "max": 1}}), ""), Ok(()));
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
        assert_eq!(rules.check(&good, ""), Ok(()));
        if !bad.is_null() {
            let fault = rules.check(&bad, "").unwrap_err();
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
        let found = rules.check(&json!({"n": 1, "l": []}), "").err();
        assert_eq!(found.as_ref().map(|fault| (fault.pointer.as_str(), fault.message.as_str())), expected);
    }
}
