//! What expressions can refer to while they are evaluated.

use std::cell::OnceCell;
use std::collections::HashMap;

use serde_json::Value as Json;

use super::evaluate::Evaluation;
use super::value::{Failure, Outcome, Value};
use super::{Deadline, Expression};

/// A request, as expressions see it. Converted once for all constraints.
pub struct Input {
    pub(super) object: Value,
    pub(super) old_object: Value,
    pub(super) request: Value,
    pub(super) namespace: Value,
}

impl Input {
    /// `object`, `oldObject`, `request`, `namespaceObject`; null where there is none.
    pub fn new(object: &Json, old_object: &Json, request: &Json, namespace: &Json) -> Self {
        let [object, old_object, request, namespace] =
            [object, old_object, request, namespace].map(Value::from_json);
        Self { object, old_object, request, namespace }
    }
}

/// A request and a constraint, with the template's variables, each evaluated when it is first needed.
pub struct Scope<'a> {
    input: &'a Input,
    constraint: &'a Json,
    parameters: Value,
    variables: HashMap<&'a str, (&'a Expression, OnceCell<Outcome>)>,
    deadline: &'a Deadline,
}

impl<'a> Scope<'a> {
    /// That of a request and a constraint.
    pub fn new(
        input: &'a Input,
        constraint: &'a Json,
        variables: &'a [(String, Expression)],
        deadline: &'a Deadline,
    ) -> Self {
        let variables = variables
            .iter()
            .map(|(name, expression)| (name.as_str(), (expression, OnceCell::new())))
            .collect();
        let parameters = Value::from_json(&constraint["spec"]["parameters"]);
        Self { input, constraint, parameters, variables, deadline }
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// What Kubernetes says, or that it took too long.
    pub fn evaluate(&self, expression: &Expression) -> Outcome {
        self.evaluate_with(expression, [])
    }

    /// The value of an expression that was compiled with names of its own, in the same order.
    ///
    /// # Errors
    /// What Kubernetes says, or that it took too long.
    pub fn evaluate_with(&self, expression: &Expression, names: impl IntoIterator<Item = Value>) -> Outcome {
        Evaluation::new(self, names).value(&expression.node)
    }

    pub(super) const fn input(&self) -> &Input {
        self.input
    }

    /// The whole constraint, which the template's variables may name.
    pub(super) fn constraint(&self) -> Value {
        Value::from_json(self.constraint)
    }

    pub(super) fn check_time(&self) -> Outcome<()> {
        self.deadline.check()
    }

    /// The value of a variable. What needs one that fails fails with it.
    pub(super) fn variable(&self, name: &str) -> Outcome {
        match (name, &self.input.object) {
            ("params", _) => return Ok(self.parameters.clone()),
            ("anyObject", Value::Null) => return Ok(self.input.old_object.clone()),
            ("anyObject", object) => return Ok(object.clone()),
            _ => {}
        }
        let unknown = || Failure::new(format!("no such key: {name}"));
        let (expression, value) = self.variables.get(name).ok_or_else(unknown)?;
        let evaluate = || {
            self.evaluate(expression).map_err(|failure| match failure {
                Failure::Error(message) => {
                    Failure::new(format!("composited variable \"{name}\" fails to evaluate: {message}"))
                }
                Failure::Stopped => Failure::Stopped,
            })
        };
        value.get_or_init(evaluate).clone()
    }
}
