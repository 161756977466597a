//! Templates, constraints and objects in; violations out.

use std::time::Duration;

use serde_json::Value;

/// Where constraints are enforced: what `scopedEnforcementActions` tells apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnforcementPoint {
    /// `validation.gatekeeper.sh`: the admission webhook. The only one at which a template's `operations` count.
    #[default]
    Webhook,
    /// `audit.gatekeeper.sh`.
    Audit,
    /// `gator.gatekeeper.sh`: tests.
    Gator,
}

/// What an engine is told beside templates and constraints.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it stands in for Gatekeeper.
    pub point: EnforcementPoint,
    /// How long the evaluation of one constraint for one object may take.
    pub time_limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { point: EnforcementPoint::Webhook, time_limit: Duration::from_secs(1) }
    }
}

/// An enforcement action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::Display, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum Action {
    /// Seen, but let through.
    Dryrun,
    /// Let through with a warning.
    Warn,
    /// Refused.
    Deny,
}

/// A template that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// The field, as a JSON pointer into the template.
    pub pointer: String,
    /// The line inside the field's text, from 1, where the field is a program; 0 otherwise.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// A constraint that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConstraintError {
    /// The field, as a JSON pointer into the constraint.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
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

/// A constraint's kind and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConstraintRef {
    /// The kind, which the template defines.
    pub kind: String,
    /// The name.
    pub name: String,
}

/// An object that violates a constraint.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The constraint.
    pub constraint: ConstraintRef,
    /// What it does about it at this enforcement point.
    pub action: Action,
    /// What is wrong, without the constraint's name.
    pub message: String,
    /// The same as data.
    pub details: Value,
}

/// What is reviewed: an AdmissionRequest.
#[derive(Clone, Debug)]
pub struct Request {
    review: Value,
}

impl Request {
    /// The creation of an object, as the webhook sees it.
    #[must_use]
    pub fn create(object: Value) -> Self {
        Self { review: object }
    }

    /// An object as audit and `gator` see it: without an operation.
    #[must_use]
    pub fn audit(object: Value) -> Self {
        Self { review: object }
    }

    /// The request of an `AdmissionReview` document.
    ///
    /// # Errors
    /// A field that is unknown, missing or of a wrong type.
    pub fn from_admission_review(document: Value) -> Result<Self, RequestError> {
        Ok(Self { review: document })
    }

    /// `CREATE`, `UPDATE`, `DELETE`, `CONNECT`, or empty.
    #[must_use]
    pub fn operation(&self) -> &str {
        self.review["operation"].as_str().unwrap_or_default()
    }
}

/// Gatekeeper's part: templates, constraints, inventory, namespaces. It may be shared between threads once it is
/// filled.
#[derive(Debug, Default)]
pub struct Engine {}

impl Engine {
    /// An engine without templates.
    #[must_use]
    pub fn new(_options: Options) -> Self {
        Self {}
    }

    /// Adds a `ConstraintTemplate`, in any of its versions.
    ///
    /// # Errors
    /// Everything for which Gatekeeper would refuse it, now or when it compiles it, and what this engine cannot
    /// evaluate as Gatekeeper does.
    pub fn add_template(&mut self, _template: &Value) -> Result<(), Vec<TemplateError>> {
        Ok(())
    }

    /// Adds a constraint; its template must be there.
    ///
    /// # Errors
    /// No template, parameters that do not fit its schema, fields nobody knows, a selector or action that is wrong.
    pub fn add_constraint(&mut self, _constraint: &Value) -> Result<(), ConstraintError> {
        Ok(())
    }

    /// Adds an object to the inventory. A Namespace is from then on known with its labels.
    pub fn add_object(&mut self, _object: &Value) {}

    /// Whether the namespace is known.
    #[must_use]
    pub fn knows_namespace(&self, _name: &str) -> bool {
        false
    }

    /// Whether some constraint could match objects of a kind, by `match.kinds` alone. Wildcards do not count.
    #[must_use]
    pub fn names_kind(&self, _group: &str, _kind: &str) -> bool {
        false
    }

    /// All violations of a request, in order of constraint kind, constraint name and message.
    #[must_use]
    pub fn review(&self, _request: &Request) -> Vec<Violation> {
        vec![]
    }
}
