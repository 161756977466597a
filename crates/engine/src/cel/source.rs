//! The source of a template in CEL.

use std::time::Duration;

use serde_json::Value;

use super::compile::{self, Variables};
use super::{CelProgram, Expression, Validation, expression::Refused, kind::Type};
use crate::TemplateError;

/// Names that Gatekeeper gives itself.
const RESERVED: [&str; 2] = ["params", "anyObject"];
const RESERVED_PREFIX: &str = "gatekeeper_internal_";

impl CelProgram {
    /// Compiles a `source` of engine `K8sNativeValidation`.
    ///
    /// # Errors
    /// What Gatekeeper refuses, and every expression that this engine cannot evaluate.
    pub fn compile(source: &Value, pointer: &str, limit: Duration) -> Result<Self, Vec<TemplateError>> {
        let known = RESERVED.into_iter().map(|name| (name.to_owned(), Type::Dyn)).collect();
        let mut compiler = Compiler { known, errors: vec![] };
        let fails = compiler.failure_policy(&source["failurePolicy"], pointer);
        let variables = compiler.variables(source, pointer);
        let conditions = compiler.conditions(source, pointer);
        let validations = compiler.validations(source, pointer);
        if compiler.errors.is_empty() {
            Ok(Self { conditions, variables, validations, fails, limit })
        } else {
            Err(compiler.errors)
        }
    }
}

/// Collects what is wrong, so that all of it can be said at once.
struct Compiler {
    known: Variables,
    errors: Vec<TemplateError>,
}

impl Compiler {
    fn failure_policy(&mut self, policy: &Value, pointer: &str) -> bool {
        match policy.as_str() {
            None if policy.is_null() => true,
            Some("Fail") => true,
            Some("Ignore") => false,
            _ => {
                let message = format!("is {policy}; allowed: Fail and Ignore");
                self.errors.push(TemplateError::new(format!("{pointer}/failurePolicy"), message));
                true
            }
        }
    }

    /// Each may refer to those before it.
    fn variables(&mut self, source: &Value, pointer: &str) -> Vec<(String, Expression)> {
        let mut variables: Vec<(String, Expression)> = vec![];
        for (pointer, entry) in self.entries(source, "variables", pointer) {
            let name = entry["name"].as_str().unwrap_or_default();
            self.check_name(name, &RESERVED, &pointer);
            if let Some(expression) = self.variable(entry, &pointer) {
                self.known.insert(name.to_owned(), expression.kind.clone());
                variables.push((name.to_owned(), expression));
            }
        }
        variables
    }

    fn conditions(&mut self, source: &Value, pointer: &str) -> Vec<Expression> {
        let mut conditions = vec![];
        for (pointer, entry) in self.entries(source, "matchCondition", pointer) {
            self.check_name(entry["name"].as_str().unwrap_or_default(), &[], &pointer);
            conditions.extend(self.expression(entry, "expression", &Type::Bool, &pointer));
        }
        conditions
    }

    fn validations(&mut self, source: &Value, pointer: &str) -> Vec<Validation> {
        let mut validations = vec![];
        for (pointer, entry) in self.entries(source, "validations", pointer) {
            let text = |field: &str| entry[field].as_str().unwrap_or_default();
            let message_expression = match text("messageExpression") {
                "" => None,
                _ => self.expression(entry, "messageExpression", &Type::String, &pointer),
            };
            let message = text("message").to_owned();
            let expression = self.expression(entry, "expression", &Type::Bool, &pointer);
            validations.extend(expression.map(|expression| Validation {
                expression,
                message,
                message_expression,
            }));
        }
        validations
    }

    fn entries<'a>(&mut self, source: &'a Value, field: &str, pointer: &str) -> Vec<(String, &'a Value)> {
        let pointer = format!("{pointer}/{field}");
        match &source[field] {
            Value::Null => vec![],
            Value::Array(entries) => entries
                .iter()
                .enumerate()
                .map(|(index, entry)| (format!("{pointer}/{index}"), entry))
                .collect(),
            _ => {
                self.errors.push(TemplateError::new(pointer, "must be a list"));
                vec![]
            }
        }
    }

    fn check_name(&mut self, name: &str, reserved: &[&str], pointer: &str) {
        if reserved.contains(&name) || name.starts_with(RESERVED_PREFIX) {
            let message = format!("is `{name}`, which Gatekeeper keeps for itself");
            self.errors.push(TemplateError::new(format!("{pointer}/name"), message));
        }
    }

    fn expression(&mut self, entry: &Value, field: &str, wanted: &Type, pointer: &str) -> Option<Expression> {
        let compile = |text: &str, known: &Variables| Expression::compile(text, known, wanted);
        self.compiled(entry, field, pointer, compile)
    }

    /// The expression of a variable, which may name the whole constraint.
    fn variable(&mut self, entry: &Value, pointer: &str) -> Option<Expression> {
        let compile = |text: &str, known: &Variables| {
            Expression::compile_with(text, compile::Compiler::new(known).with_constraint(), &Type::Dyn)
        };
        self.compiled(entry, "expression", pointer, compile)
    }

    fn compiled(
        &mut self,
        entry: &Value,
        field: &str,
        pointer: &str,
        compile: impl FnOnce(&str, &Variables) -> Result<Expression, Refused>,
    ) -> Option<Expression> {
        let pointer = format!("{pointer}/{field}");
        let compiled = match entry[field].as_str() {
            Some(text) => compile(text, &self.known),
            None => Err(Refused::Wrong("is required, a string".to_owned())),
        };
        let error = |refused| match refused {
            Refused::Wrong(message) => TemplateError::new(pointer, message),
            Refused::Limit(message) => TemplateError::new(pointer, message).limit(),
        };
        compiled.map_err(|refused| self.errors.push(error(refused))).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::CelProgram;
    use crate::cel::Input;

    fn compile(expression: &str) -> Result<CelProgram, String> {
        let source = json!({
            "variables": [{"name": "x", "expression": "object.spec"}],
            "validations": [{"expression": expression}],
        });
        let compiled = CelProgram::compile(&source, "", Duration::from_secs(1));
        compiled.map_err(|errors| errors[0].message.clone())
    }

    fn piece() -> impl Strategy<Value = String> {
        let pieces = [
            "object",
            ".spec",
            ".?spec",
            "[0]",
            "[?0]",
            "variables.x",
            "request.kind",
            "namespaceObject.metadata",
            "has(object.spec)",
            ".all(x, x > 1)",
            ".exists(x, ",
            ".exists_one(x, x)",
            ".map(x, ",
            ".filter(x, ",
            ".map(k, v, k)",
            ".startsWith('a')",
            ".orValue(1)",
            ".size()",
            "size(",
            "string(",
            "int(",
            "quantity('1')",
            "math.greatest(",
            "sets.contains(",
            "format.named('x')",
            "type(",
            "1",
            "-1",
            "1u",
            "1.5",
            "'a'",
            "b'a'",
            "r'\\\\'",
            "true",
            "null",
            " == ",
            " != ",
            " && ",
            " || ",
            " ? ",
            " : ",
            " in ",
            " + ",
            " % ",
            "!",
            "-",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "{'a': 1}",
            "[1, 'a']",
            "Type{a: 1}",
            ", ",
            "x",
            "@result",
            "ä",
            "\n",
        ];
        prop_oneof![12 => prop::sample::select(pieces.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,3}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_expression_is_compiled_or_refused(pieces in prop::collection::vec(piece(), 0..12)) {
            if let Ok(program) = compile(&pieces.concat()) {
                let object = json!({"spec": {"a": [1, "x", null]}});
                let input = Input::new(&object, &Value::Null, &json!({"kind": {}}), &Value::Null);
                let _ = program.evaluate(&input, &Value::Null);
            }
        }
    }

    /// A stack that overflows ends the process.
    #[test]
    fn what_is_nested_too_deep_is_refused() {
        for (open, close) in [("(", ")"), ("[", "]"), ("!(", ")"), ("{1: ", "}"), ("size(", ")")] {
            let nested = open.repeat(10_000) + "true" + &close.repeat(10_000);
            assert!(compile(&nested).is_err(), "{open}");
        }
        assert!(compile(&format!("object{} == 1", ".a".repeat(10_000))).is_err());
        assert!(compile(&format!("1{} == 1", " + 1".repeat(10_000))).is_err());
    }
}
