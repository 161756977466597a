//! A request against all constraints.

use std::{cell::OnceCell, collections::BTreeMap, sync::Arc};

use gatewright_gatekeeper::{Candidate, Namespace, Operation};
use gatewright_rego::{EvaluationError, Finding, Numbers, Program, object, to_rego};
use serde_json::Value;

use crate::{
    ConstraintRef, EnforcementPoint, Engine, Request, ReviewError, Violation,
    cel::{self, CelProgram, Input},
    constraint::Constraint,
    inventory::KnownNamespace,
    template::{Code, Template},
};

impl Engine {
    /// All violations of a request, in order of constraint kind, constraint name and message.
    ///
    /// # Errors
    /// A template's message is no string: Gatekeeper fails the whole review.
    pub fn review(&self, request: &Request) -> Result<Vec<Violation>, ReviewError> {
        let review = Review::new(self, request);
        let mut violations = vec![];
        let mut matched: BTreeMap<&str, Vec<&Constraint>> = BTreeMap::new();
        for constraint in review.constraints().values() {
            match review.matches(constraint) {
                Ok(true) => matched.entry(&constraint.reference.kind).or_default().push(constraint),
                Ok(false) => {}
                Err(error) => {
                    let message = format!("unable to match constraints: {error}");
                    violations.extend(violation(constraint, message, Value::Null));
                }
            }
        }
        let of_kind =
            |(kind, constraints): (&str, _)| Some((self.templates.get(&kind.to_lowercase())?, constraints));
        let matched: Vec<(&Template, Vec<&Constraint>)> = matched.into_iter().filter_map(of_kind).collect();
        prepare(matched.iter().map(|(template, _)| *template));
        for (template, constraints) in matched {
            violations.extend(review.evaluate(template, &constraints)?);
        }
        violations.sort_by(|a, b| (&a.constraint, &a.message).cmp(&(&b.constraint, &b.message)));
        Ok(violations)
    }
}

/// Compiles what is not yet compiled, side by side.
fn prepare<'a>(templates: impl Iterator<Item = &'a Template>) {
    let cold: Vec<_> = templates.filter(|template| !template.is_ready()).collect();
    let Some((first, others)) = cold.split_first() else { return };
    std::thread::scope(|scope| {
        for template in others {
            scope.spawn(|| {
                let _ = template.code();
            });
        }
        let _ = first.code();
    });
}

/// A request with what is known about it.
struct Review<'a> {
    engine: &'a Engine,
    request: &'a Request,
    candidates: Vec<Candidate>,
    namespace: Option<&'a KnownNamespace>,
    /// For Rego: converted once, and only if a constraint needs it.
    rego: OnceCell<gatewright_rego::Value>,
    /// The same for CEL.
    cel: OnceCell<Input>,
}

impl<'a> Review<'a> {
    fn new(engine: &'a Engine, request: &'a Request) -> Self {
        let objects = [request.object(), request.old_object()];
        let candidates = objects.into_iter().filter(|object| !object.is_null()).map(Candidate::new).collect();
        let namespace = engine.inventory.namespace(request.namespace());
        Self { engine, request, candidates, namespace, rego: OnceCell::new(), cel: OnceCell::new() }
    }

    /// The constraints that could match one of the objects by its kind.
    fn constraints(&self) -> BTreeMap<&'a ConstraintRef, &'a Arc<Constraint>> {
        let named =
            self.candidates.iter().filter_map(|object| self.engine.by_kind.get(&object.kind)).flatten();
        self.engine.for_any_kind.iter().chain(named).collect()
    }

    fn matches(&self, constraint: &Constraint) -> Result<bool, gatewright_gatekeeper::MatchError> {
        let judged = self.engine.options.point != EnforcementPoint::Webhook
            || self.template(constraint).is_some_and(|template| template.judges(self.request.operation()));
        match &constraint.matcher {
            _ if constraint.action.is_none() || !judged => Ok(false),
            None => Ok(true),
            Some(matcher) => {
                let namespace: Option<&Namespace> = self.namespace.map(|known| &known.facts);
                matcher.matches_any(&self.candidates, namespace, self.request.source())
            }
        }
    }

    fn template(&self, constraint: &Constraint) -> Option<&Template> {
        self.engine.templates.get(&constraint.reference.kind.to_lowercase())
    }

    fn evaluate(
        &self,
        template: &Template,
        constraints: &[&Constraint],
    ) -> Result<Vec<Violation>, ReviewError> {
        match template.code() {
            Err(error) => Ok(failed(constraints, error)),
            Ok(Code::Rego(program)) => {
                self.evaluate_rego(program, constraints).map_err(|error| unjudged(&template.kind, error))
            }
            Ok(Code::Cel(program)) => {
                Ok(constraints.iter().flat_map(|found| self.evaluate_cel(program, found)).collect())
            }
        }
    }

    /// Gatekeeper evaluates all constraints of a template in one query: if one fails, its error is what all get. Only
    /// then it looks at the messages.
    fn evaluate_rego(
        &self,
        program: &Program,
        constraints: &[&Constraint],
    ) -> Result<Vec<Violation>, EvaluationError> {
        let mut found = vec![];
        let mut wrong = None;
        for constraint in constraints {
            match self.findings(program, constraint) {
                Ok(findings) => found.extend(violations(constraint, findings)),
                Err(EvaluationError::Failed(error)) => return Ok(failed(constraints, &error)),
                Err(error @ EvaluationError::Message(_)) => wrong = wrong.or(Some(error)),
                Err(error @ EvaluationError::Engine(_)) => return Err(error),
            }
        }
        wrong.map_or(Ok(found), Err)
    }

    fn findings(&self, program: &Program, constraint: &Constraint) -> Result<Vec<Finding>, EvaluationError> {
        let members = [("review", self.rego().clone()), ("parameters", constraint.rego_parameters.clone())];
        if program.reads_inventory() {
            program.evaluate(&object(members), self.engine.inventory.document())
        } else {
            program.evaluate(&object(members), &object([]))
        }
    }

    /// Equal messages stay apart here: each validation has its own.
    fn evaluate_cel(&self, program: &CelProgram, constraint: &Constraint) -> Vec<Violation> {
        let messages = program.evaluate(self.cel(), constraint.parameters.as_ref().unwrap_or(&Value::Null));
        messages.into_iter().filter_map(|message| violation(constraint, message, Value::Null)).collect()
    }

    /// As in the API server, and other than for Rego, a deleted object is the old one only.
    fn cel(&self) -> &Input {
        self.cel.get_or_init(|| {
            let deleted = self.request.operation() == Some(Operation::Delete);
            let object = if deleted { &Value::Null } else { self.request.object() };
            let namespace = self.attached_namespace().map_or(&Value::Null, |known| &known.json);
            Input::new(object, self.request.old_object(), &cel::request(self.request.review()), namespace)
        })
    }

    /// `input.review`.
    fn rego(&self) -> &gatewright_rego::Value {
        self.rego.get_or_init(|| {
            let fields = self
                .request
                .review()
                .iter()
                .map(|(field, value)| (field.as_str(), to_rego(value, Numbers::Floats)));
            object(fields.chain([("namespaceObject", self.namespace_object())]))
        })
    }

    /// Where there is no Namespace to attach, Rego sees an empty object.
    fn namespace_object(&self) -> gatewright_rego::Value {
        self.attached_namespace().map_or_else(|| object([]), |known| known.object.clone())
    }

    /// `gator` attaches none.
    fn attached_namespace(&self) -> Option<&KnownNamespace> {
        self.namespace.filter(|_| self.engine.options.point != EnforcementPoint::Gator)
    }
}

/// Why a template's program leaves the object without a verdict.
fn unjudged(kind: &str, error: EvaluationError) -> ReviewError {
    let template = kind.to_owned();
    match error {
        EvaluationError::Engine(error) => {
            let module = error.lib.map_or_else(String::new, |lib| format!(" of libs/{lib}"));
            let line = format!(", line {}{module}", error.line);
            let place = Some(line).filter(|_| error.line > 0).unwrap_or_default();
            ReviewError::Engine { template, place, error: error.message }
        }
        error => ReviewError::Message { template, error: error.to_string() },
    }
}

/// The error as a violation of each constraint.
fn failed(constraints: &[&Constraint], error: &str) -> Vec<Violation> {
    let failed = constraints.iter();
    failed.filter_map(|constraint| violation(constraint, error.to_owned(), Value::Null)).collect()
}

/// What the program found, once each: Gatekeeper keeps a set.
fn violations(constraint: &Constraint, findings: Vec<Finding>) -> impl Iterator<Item = Violation> {
    let mut distinct: Vec<Finding> = vec![];
    for finding in findings {
        if !distinct.contains(&finding) {
            distinct.push(finding);
        }
    }
    distinct.into_iter().filter_map(|finding| violation(constraint, finding.message, finding.details))
}

fn violation(constraint: &Constraint, message: String, details: Value) -> Option<Violation> {
    Some(Violation { constraint: constraint.reference.clone(), action: constraint.action?, message, details })
}
