//! Templates in CEL (`K8sNativeValidation`), evaluated as Gatekeeper's driver and the API server's validator do.

mod arithmetic;
mod compare;
mod compile;
mod deadline;
mod evaluate;
mod expression;
mod formats;
mod functions;
mod kind;
mod network;
mod node;
mod print;
mod quantity;
mod scope;
mod select;
mod semver;
mod signatures;
mod source;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod url;
mod value;
mod value_rule;

use std::time::Duration;

use gatewright_rego::EngineError;
use serde_json::{Map, Value as Json};

use deadline::Deadline;
use expression::Expression;
pub use expression::Refused;
pub use formats::{has_format, is_known as is_known_format};
pub use kind::Type;
pub use scope::Input;
use scope::Scope;
use value::Failure;
pub use value::{Key, Value};
pub use value_rule::{NO_OLDER, ValueRule, time_value};

/// A compiled template.
#[derive(Debug)]
pub struct CelProgram {
    conditions: Vec<Expression>,
    variables: Vec<(String, Expression)>,
    validations: Vec<Validation>,
    /// Whether an error refuses the object (`failurePolicy: Fail`).
    fails: bool,
    /// How long the evaluation for one constraint and one object may take.
    limit: Duration,
}

#[derive(Debug)]
struct Validation {
    expression: Expression,
    message: String,
    message_expression: Option<Expression>,
}

/// Longer results of a `messageExpression` are not used.
const LONGEST_MESSAGE: usize = 5 * 1024;

impl CelProgram {
    /// The messages of the validations that fail, for a constraint.
    ///
    /// # Errors
    /// It takes too long, whatever the failure policy: nobody knows what it would have found.
    pub fn evaluate(&self, input: &Input, constraint: &Json) -> Result<Vec<String>, EngineError> {
        let deadline = Deadline::new(self.limit);
        let scope = Scope::new(input, constraint, &self.variables, &deadline);
        let found = match self.applies(&scope) {
            Ok(true) => {
                let validations = self.validations.iter().take_while(|_| !deadline.was_missed());
                validations.filter_map(|validation| self.validate(validation, &scope)).collect()
            }
            Ok(false) => vec![],
            Err(_) if !self.fails => vec![],
            Err(error) => vec![error],
        };
        if deadline.was_missed() {
            return Err(EngineError::took_too_long());
        }
        Ok(found)
    }

    /// Whether all match conditions hold. One that is false wins over others that cannot be evaluated.
    fn applies(&self, scope: &Scope<'_>) -> Result<bool, String> {
        let mut failed = None;
        for condition in &self.conditions {
            match scope.evaluate(condition) {
                Ok(Value::Bool(false)) => return Ok(false),
                Ok(_) => {}
                Err(error) => failed = failed.or(Some(failure(condition, &error))),
            }
        }
        failed.map_or(Ok(true), Err)
    }

    fn validate(&self, validation: &Validation, scope: &Scope<'_>) -> Option<String> {
        match scope.evaluate(&validation.expression) {
            Ok(Value::Bool(true)) => None,
            Ok(_) => Some(validation.message(scope)),
            Err(error) => self.fails.then(|| failure(&validation.expression, &error)),
        }
    }
}

impl Validation {
    /// What the expression for it says, else the message, else the failed expression.
    fn message(&self, scope: &Scope<'_>) -> String {
        let evaluated = match self.message_expression.as_ref().map(|expression| scope.evaluate(expression)) {
            Some(Ok(Value::String(message))) => message.trim().to_owned(),
            _ => String::new(),
        };
        let usable = !evaluated.is_empty() && evaluated.len() <= LONGEST_MESSAGE && !evaluated.contains('\n');
        match self.message.trim() {
            _ if usable => evaluated,
            "" => format!("failed expression: {}", self.expression.text.trim()),
            message => message.to_owned(),
        }
    }
}

fn failure(expression: &Expression, failure: &Failure) -> String {
    match failure {
        Failure::Error(message) => format!("expression '{}' resulted in error: {message}", expression.text),
        Failure::Stopped => String::new(),
    }
}

/// What expressions see of a request: all of it but its objects.
pub fn request(review: &Map<String, Json>) -> Json {
    let mut request = review.clone();
    request.remove("object");
    request.remove("oldObject");
    request.entry("dryRun").or_insert(Json::Bool(false));
    Json::Object(request)
}
