//! Programs of templates that run somewhere else, where they can be ended.
//!
//! Whoever brings a template decides what its program does: it may recurse until the stack is full, or ask for more
//! memory than the machine has. No check of the text finds every such program. A [`Sandbox`] takes the program out of
//! the process that judges. A [`Host`] answers on the other side.

use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc, time::Duration};

use gatewright_rego::{EvaluationError, Finding, Numbers, Trust, object, to_rego};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{TemplateError, facts::Facts, template::Code};

/// Where the programs of templates from outside are compiled and evaluated.
pub trait Sandbox: fmt::Debug + Send + Sync {
    /// Compiles the program of a template under the kind of its constraints, or replaces it.
    ///
    /// # Errors
    /// Everything for which the template is refused, or the limit that the compilation exceeded.
    fn compile(&self, kind: &str, target: &Value) -> Result<Compiled, CompileFailure>;

    /// Evaluates a compiled program for some constraints.
    ///
    /// # Errors
    /// The limit that the program exceeded, now or before.
    fn evaluate(&self, kind: &str, evaluation: &Evaluation<'_>) -> Result<Evaluated, Exceeded>;
}

/// What is known of a compiled program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compiled {
    /// Whether it reads `data.inventory`.
    pub reads_inventory: bool,
}

/// Why a template has no program.
#[derive(Clone, Debug)]
pub enum CompileFailure {
    /// Gatekeeper refuses the template, or this engine cannot evaluate it as Gatekeeper does.
    Refused(Vec<TemplateError>),
    /// The compilation exceeded a limit.
    Exceeded(Exceeded),
}

/// A limit that a program exceeded, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Exceeded(pub String);

/// What a program found for each constraint, in their order; or why it found nothing.
pub type Evaluated = Result<Vec<Vec<Finding>>, EvaluationError>;

/// What a program judges.
#[derive(Clone, Debug)]
pub struct Evaluation<'a> {
    /// The request.
    pub review: Shared<ReviewedRequest<'a>>,
    /// `data.inventory`; none for a program that does not read it.
    pub inventory: Option<Shared<&'a gatewright_rego::Value>>,
    /// Each constraint.
    pub constraints: Vec<Cow<'a, Value>>,
}

/// A value that several evaluations have in common. Equal numbers mean equal values, so it needs to be sent once.
#[derive(Clone, Copy, Debug)]
pub struct Shared<T> {
    /// Its number; no two values of a process have the same.
    pub number: u64,
    /// The value.
    pub value: T,
}

/// A request, and the Namespace that belongs to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReviewedRequest<'a> {
    /// The AdmissionRequest as templates see it.
    pub review: Cow<'a, Map<String, Value>>,
    /// The Namespace; null where none is attached.
    pub namespace: Cow<'a, Value>,
}

/// What a sandbox asks its host. `Compile` and `Evaluate` have an answer.
#[derive(Debug, Serialize, Deserialize)]
pub enum Job<'a> {
    /// Compile the program of a template.
    Compile {
        /// The kind of the template's constraints.
        kind: Cow<'a, str>,
        /// The template's target.
        target: Cow<'a, Value>,
    },
    /// The inventory of the evaluations that follow.
    Inventory(Cow<'a, Value>),
    /// The request of the evaluations that follow.
    Review(ReviewedRequest<'a>),
    /// Evaluate a program for constraints.
    Evaluate {
        /// The kind of the constraints.
        kind: Cow<'a, str>,
        /// Each constraint.
        constraints: Vec<Cow<'a, Value>>,
    },
}

/// What a host answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// To `Compile`.
    Compiled(Result<Compiled, Vec<TemplateError>>),
    /// To `Evaluate`.
    Evaluated(Evaluated),
}

/// Compiles and evaluates for a sandbox. It takes as long as a program needs: who asks ends the process that takes too
/// long.
#[derive(Debug)]
pub struct Host {
    programs: HashMap<String, Code>,
    inventory: gatewright_rego::Value,
    review: Option<ReviewedRequest<'static>>,
}

impl Default for Host {
    /// A host without programs.
    fn default() -> Self {
        Self { programs: HashMap::new(), inventory: object([]), review: None }
    }
}

impl Host {
    /// Does a job.
    pub fn answer(&mut self, job: Job<'static>) -> Option<Answer> {
        match job {
            Job::Compile { kind, target } => Some(Answer::Compiled(self.compile(kind.into_owned(), &target))),
            Job::Evaluate { kind, constraints } => {
                Some(Answer::Evaluated(self.evaluate(&kind, &constraints)))
            }
            Job::Inventory(document) => {
                self.inventory = to_rego(&document, Numbers::Floats);
                None
            }
            Job::Review(review) => {
                self.review = Some(review);
                None
            }
        }
    }

    fn compile(&mut self, kind: String, target: &Value) -> Result<Compiled, Vec<TemplateError>> {
        let code = Code::new(target, crate::template::TARGET_POINTER, Trust::Checked, Duration::MAX, None)?;
        let compiled = Compiled { reads_inventory: code.reads_inventory() };
        self.programs.insert(kind, code);
        Ok(compiled)
    }

    fn evaluate(&self, kind: &str, constraints: &[Cow<'_, Value>]) -> Evaluated {
        let (Some(code), Some(request)) = (self.programs.get(kind), &self.review) else {
            return Err(EvaluationError::Failed(format!("the template of {kind} is not compiled")));
        };
        let facts = Facts::new(&request.review, &request.namespace, None);
        let parameters: Vec<_> = constraints.iter().map(|json| Parameters::of(json)).collect();
        code.evaluate(&facts, &parameters.iter().collect::<Vec<_>>(), &self.inventory, None)
    }
}

/// The parameters of a constraint, in the forms that programs take.
#[derive(Debug)]
pub struct Parameters {
    /// The whole constraint. What is in its `spec.parameters` are the parameters.
    pub constraint: Value,
    /// For the Rego engine; an empty object where the constraint has none.
    pub rego: gatewright_rego::Value,
}

impl Parameters {
    /// Converts the parameters of a constraint.
    #[must_use]
    pub fn of(constraint: &Value) -> Self {
        let json = &constraint["spec"]["parameters"];
        let rego = if json.is_null() { object([]) } else { to_rego(json, Numbers::Whole) };
        Self { constraint: constraint.clone(), rego }
    }

    /// As JSON; null where the constraint has none.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.constraint["spec"]["parameters"]
    }
}

/// A program in a sandbox.
#[derive(Clone, Debug)]
pub struct Sandboxed {
    /// Where it runs.
    pub sandbox: Arc<dyn Sandbox>,
    /// The kind of the template's constraints.
    pub kind: String,
    /// What is known of it.
    pub compiled: Compiled,
}
