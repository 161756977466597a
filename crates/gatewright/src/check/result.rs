//! What `check` finds: the shape of its JSON.

use std::fmt;

use gatewright_gatekeeper::Action;
use serde::Serialize;
use serde_json::Value;

use crate::policies::PolicyRef;

/// What becomes of an object: the worst that a constraint says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Verdict {
    /// Nothing is wrong.
    #[default]
    Pass,
    /// Let through in silence.
    Dryrun,
    /// Let through with a warning.
    Warn,
    /// Refused.
    Deny,
    /// Nobody can say.
    Error,
}

impl From<Action> for Verdict {
    fn from(action: Action) -> Self {
        match action {
            Action::Dryrun => Self::Dryrun,
            Action::Warn => Self::Warn,
            Action::Deny => Self::Deny,
        }
    }
}

/// An object that was judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// The API group and version.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// The namespace it stands in; none outside namespaces.
    pub namespace: Option<String>,
    /// The name; where the API server makes it up, how it begins, and a star.
    pub name: String,
}

/// Where an object stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The file.
    pub file: String,
    /// The line on which the object begins.
    pub line: usize,
}

/// A constraint, by kind and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConstraintName {
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// The policy or standard; none for constraints of others.
    pub policy: Option<PolicyRef>,
    /// The constraint.
    pub constraint: ConstraintName,
    /// `deny`, `warn` or `dryrun`.
    pub enforcement_action: Verdict,
    /// What is wrong.
    pub message: String,
    /// The same as data.
    pub details: Value,
}

impl Violation {
    /// Whose demand it is: the policy, or the constraint of others.
    pub fn subject(&self) -> String {
        match &self.policy {
            Some(policy) => policy.to_string(),
            None => format!("{}/{}", self.constraint.kind, self.constraint.name),
        }
    }

    /// The field of the policy, or the control of the standard, that is violated.
    pub fn rule(&self) -> Option<&str> {
        ["rule", "control"].into_iter().find_map(|key| self.details.get(key)?.as_str())
    }
}

/// What was found out about one object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ObjectResult {
    /// The object.
    pub object: ObjectRef,
    /// Where it stands.
    pub source: Source,
    /// What is done with it.
    pub operation: String,
    /// What becomes of it.
    pub verdict: Verdict,
    /// What is wrong with it.
    pub violations: Vec<Violation>,
    /// What had to be assumed.
    pub assumed: Vec<String>,
    /// Whether it has a Pod template that no rule reads.
    #[serde(skip)]
    pub unread: bool,
}

/// How many objects have which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// All objects that were judged.
    pub objects: usize,
    /// Those that are refused.
    pub denied: usize,
    /// Those that are let through with a warning.
    pub warned: usize,
    /// Those that are let through in silence, though something is wrong.
    pub dryrun: usize,
    /// Those with which nothing is wrong.
    pub passed: usize,
    /// Those that could not be judged.
    pub errors: usize,
}

impl Summary {
    /// Counts an object.
    pub fn add(&mut self, verdict: Verdict) {
        self.objects += 1;
        *match verdict {
            Verdict::Pass => &mut self.passed,
            Verdict::Dryrun => &mut self.dryrun,
            Verdict::Warn => &mut self.warned,
            Verdict::Deny => &mut self.denied,
            Verdict::Error => &mut self.errors,
        } += 1;
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { objects, denied, warned, dryrun, passed, errors } = self;
        let noun = if *objects == 1 { "object" } else { "objects" };
        write!(f, "{objects} {noun}: {denied} denied, {warned} warned, {dryrun} dryrun, {passed} passed")?;
        if *errors > 0 { write!(f, ", {errors} not judged") } else { Ok(()) }
    }
}
