//! Rules of schemas (`x-kubernetes-validations`): expressions about one value, which they call `self`.

use std::time::Duration;

use serde_json::Value as Json;

use super::Deadline;
use super::compile::{Compiler, Variables};
use super::expression::{Expression, Refused, refused};
use super::kind::Type;
use super::scope::{Input, Scope};
use super::time::{Moment, duration};
use super::value::{Failure, Value};
use crate::bounded;

/// An expression about a value.
#[derive(Debug)]
pub struct ValueRule {
    expression: Expression,
    /// How many of the names it was compiled with.
    names: usize,
}

/// A text as a value of one of the two types of time; none if it is not one.
pub fn time_value(kind: &Type, text: &str) -> Option<Value> {
    match kind {
        Type::Timestamp => Moment::parse(text).ok().map(Value::Timestamp),
        Type::Duration => duration(text).ok().map(Value::Duration),
        _ => None,
    }
}

/// The value that expressions are about, and what it was before: nothing, of an object that is new.
const NAMES: [&str; 2] = ["self", "oldSelf"];

/// What is said of an expression that names the older state, where there is none.
pub const NO_OLDER: &str = "`oldSelf` is not known";

impl ValueRule {
    /// Compiles an expression about values of a type; one that may also ask for the older state, if there was one.
    ///
    /// # Errors
    /// What Kubernetes refuses, or this engine cannot evaluate.
    pub fn compile(text: &str, kind: &Type, wanted: &Type, optional_old: bool) -> Result<Self, Refused> {
        let kinds = [kind.clone(), Type::optional(kind.clone())];
        let names = if optional_old { 2 } else { 1 };
        let known = NAMES.map(str::to_owned).into_iter().zip(kinds).take(names).collect();
        let variables = Variables::new();
        let expression = Expression::compile_with(text, Compiler::of_names(&variables, known), &Type::Dyn)?;
        if ![wanted, &Type::Dyn].contains(&&expression.kind) {
            return Err(refused(&format!("must evaluate to {wanted} but got {}", expression.kind)));
        }
        Ok(Self { expression, names })
    }

    /// What it gives for a value.
    ///
    /// # Errors
    /// What Kubernetes says of an expression that cannot be evaluated.
    pub fn evaluate(&self, value: &Value, limit: Duration) -> Result<Value, String> {
        let deadline = Deadline::new(limit);
        let nothing = Json::Null;
        let input = Input::new(&nothing, &nothing, &nothing, &nothing);
        let scope = Scope::new(&input, &nothing, &[], &deadline);
        let names = [value.clone(), Value::optional(None)].into_iter().take(self.names);
        scope.evaluate_with(&self.expression, names).map_err(|failure| match failure {
            Failure::Error(message) => bounded(message.to_string()),
            Failure::Stopped => "takes too long".to_owned(),
        })
    }
}
