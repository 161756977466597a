//! What is wrong with what an engine is given.

use serde::{Deserialize, Serialize};

use crate::bounded;

/// A template that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct TemplateError {
    /// The field, as a JSON pointer into the template.
    pub pointer: String,
    /// The line inside the field's text, from 1, where the field is a program; 0 otherwise.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// Whether it is a limit of this engine: Gatekeeper may take the template.
    pub limit: bool,
}

/// A constraint that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConstraintError {
    /// The field, as a JSON pointer into the constraint.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// Whether it does not fit the schema of its kind: a type, a bound, a required field.
    pub schema: bool,
}

/// An `ExpansionTemplate` that cannot be used, or an object that it cannot expand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpansionError {
    /// The field, as a JSON pointer into the template or the object.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// A request that Gatekeeper fails to review. Its webhook answers with an internal error, which refuses the request
/// whatever the actions of the constraints.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// What the object implies cannot be made.
    #[error(transparent)]
    Expansion(#[from] ExpansionError),
    /// A template found something that is no violation.
    #[error(
        "template {template}: {error}: Gatekeeper answers with an internal error, so the request is refused whatever \
         the actions of the constraints"
    )]
    Message {
        /// The kind of the template's constraints.
        template: String,
        /// What it found.
        error: String,
    },
    /// The tool cannot evaluate a template, or not within its limits; Gatekeeper may. Nothing is known of the object.
    #[error("template {template}{place}: {error}; Gatekeeper may judge the object in another way")]
    Engine {
        /// The kind of the template's constraints.
        template: String,
        /// The module and line, where they are known.
        place: String,
        /// What cannot be done.
        error: String,
    },
}

/// A document that is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// The field, as a JSON pointer into the document.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

impl TemplateError {
    pub(crate) fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), line: 0, message: bounded(message.into()), limit: false }
    }

    pub(crate) fn limit(self) -> Self {
        Self { limit: true, ..self }
    }
}

impl ConstraintError {
    pub(crate) fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: bounded(message.into()), schema: false }
    }
}

impl ExpansionError {
    pub(crate) fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: bounded(message.into()) }
    }
}

impl RequestError {
    pub(crate) fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: bounded(message.into()) }
    }
}
