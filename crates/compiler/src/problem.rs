//! Why a policy does not compile.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

/// The longest name of a policy: its constraint carries the same name.
const LONGEST_NAME: usize = 63;

/// One problem with one field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Problem {
    /// The path of the field.
    pub field: String,
    /// What was found, and what is allowed.
    pub message: String,
}

/// A policy that does not compile, with every problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Invalid {
    /// The problems; at least one.
    pub problems: Vec<Problem>,
}

impl Invalid {
    pub(crate) fn unless_empty(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }
}

impl Problem {
    pub(crate) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Every `null` in a spec. To YAML a field without a value is `null`; it may mean "none" or "not checked".
pub(crate) fn nulls(spec: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    walk("spec", spec, &mut problems);
    problems
}

fn walk(path: &str, value: &Value, problems: &mut Vec<Problem>) {
    match value {
        Value::Null => problems.push(Problem::new(
            path,
            "null says neither \"nothing\" nor \"not checked\"; write a value ([] for an empty list) or remove the field",
        )),
        Value::Object(fields) => {
            for (name, value) in fields {
                walk(&format!("{path}.{name}"), value, problems);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate() {
                walk(&format!("{path}[{i}]"), value, problems);
            }
        }
        _ => {}
    }
}

/// The constraint has the policy's name, and Gatekeeper's are limited.
pub(crate) fn name(meta: &ObjectMeta) -> Option<Problem> {
    let length = meta.name.as_deref().unwrap_or_default().len();
    (length > LONGEST_NAME).then(|| {
        Problem::new(
            "metadata.name",
            format!("{length} characters; a policy's name has at most {LONGEST_NAME}"),
        )
    })
}
