//! A request against all constraints.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use gatewright_gatekeeper::{Candidate, Matcher, Namespace};
use gatewright_rego::{EvaluationError, Finding, Providers};
use serde_json::Value;

use crate::{
    ConstraintRef, EnforcementPoint, Engine, Reach, Request, ReviewError, Violation,
    constraint::Constraint,
    facts::Facts,
    inventory::KnownNamespace,
    sandbox::{Evaluation, Shared},
    template::{Runnable, Template},
};

impl Engine {
    /// All violations of a request, in order of constraint kind, constraint name and message.
    ///
    /// # Errors
    /// A template's message is no string: Gatekeeper fails the whole review.
    pub fn review(&self, request: &Request) -> Result<Vec<Violation>, ReviewError> {
        self.review_asking(request, self.options.providers.as_ref())
    }

    /// The same with these providers, in place of those of the engine.
    ///
    /// # Errors
    /// The same.
    pub fn review_asking(
        &self,
        request: &Request,
        providers: Option<&Arc<dyn Providers>>,
    ) -> Result<Vec<Violation>, ReviewError> {
        let review = Review::new(self, request, providers);
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

/// Each review has a number of its own.
static REVIEWS: AtomicU64 = AtomicU64::new(0);

/// A request with what is known about it.
struct Review<'a> {
    engine: &'a Engine,
    request: &'a Request,
    number: u64,
    candidates: Vec<Candidate>,
    namespace: Option<&'a KnownNamespace>,
    facts: Facts<'a>,
    providers: Option<&'a Arc<dyn Providers>>,
}

impl<'a> Review<'a> {
    fn new(engine: &'a Engine, request: &'a Request, providers: Option<&'a Arc<dyn Providers>>) -> Self {
        let objects = [request.object(), request.old_object()];
        let candidates = objects.into_iter().filter(|object| !object.is_null()).map(Candidate::new).collect();
        let namespace = engine.inventory.namespace(request.namespace());
        // `gator` attaches no Namespace.
        let attached = namespace.filter(|_| engine.options.point != EnforcementPoint::Gator);
        let json = attached.map_or(&Value::Null, |known| &known.json);
        let facts = Facts::new(request.review(), json, attached.map(|known| &known.object));
        let number = REVIEWS.fetch_add(1, Ordering::Relaxed);
        Self { engine, request, number, candidates, namespace, facts, providers }
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
        let matches = match &constraint.matcher {
            _ if constraint.action.is_none() || !judged => Ok(false),
            None => Ok(true),
            Some(matcher) => {
                let namespace: Option<&Namespace> = self.namespace.map(|known| &known.facts);
                matcher.matches_any(&self.candidates, namespace, self.request.source())
            }
        };
        constraint.reached.raise(match matches {
            Ok(false) => self.reach_of_kinds(constraint),
            Ok(true) | Err(_) => Reach::Applied,
        });
        matches
    }

    fn reach_of_kinds(&self, constraint: &Constraint) -> Reach {
        let of_kind = |matcher: &Matcher| {
            self.candidates.iter().any(|object| matcher.matches_kind(&object.group, &object.kind))
        };
        let looked_at = constraint.reached.get() == Reach::Nothing;
        let found = looked_at && constraint.matcher.as_ref().is_none_or(of_kind);
        if found { Reach::Kind } else { Reach::Nothing }
    }

    fn template(&self, constraint: &Constraint) -> Option<&Template> {
        self.engine.templates.get(&constraint.reference.kind.to_lowercase())
    }

    fn evaluate(
        &self,
        template: &Template,
        constraints: &[&Constraint],
    ) -> Result<Vec<Violation>, ReviewError> {
        let evaluated = match template.code() {
            Err(error) => return Ok(failed(constraints, error)),
            Ok(Runnable::Here(code)) => {
                let parameters: Vec<_> =
                    constraints.iter().map(|constraint| &constraint.parameters).collect();
                let inventory = self.inventory(code.reads_inventory());
                code.evaluate(&self.facts, &parameters, inventory, self.providers)
            }
            Ok(Runnable::Elsewhere(sandboxed)) => sandboxed
                .evaluate(&self.evaluation(sandboxed.compiled.reads_inventory, constraints))
                .map_err(|limit| template.exceeded(&limit))?,
            Ok(Runnable::Exceeded(limit)) => return Err(template.exceeded(limit)),
            Ok(Runnable::Beyond(errors)) => return Err(template.unknown(errors)),
        };
        match evaluated {
            Ok(found) => {
                Ok(constraints.iter().zip(found).flat_map(|(it, found)| violations(it, found)).collect())
            }
            Err(EvaluationError::Failed(error)) => Ok(failed(constraints, &error)),
            Err(error @ (EvaluationError::Message(_) | EvaluationError::Engine(_))) => {
                Err(unjudged(&template.kind, error))
            }
        }
    }

    fn inventory(&self, needed: bool) -> &gatewright_rego::Value {
        if needed { self.engine.inventory.document().value } else { &gatewright_rego::Value::Undefined }
    }

    fn evaluation<'b>(&'b self, reads_inventory: bool, constraints: &[&'b Constraint]) -> Evaluation<'b> {
        Evaluation {
            review: Shared { number: self.number, value: self.facts.request() },
            inventory: reads_inventory.then(|| self.engine.inventory.document()),
            constraints: constraints.iter().map(|it| Cow::Borrowed(&it.parameters.constraint)).collect(),
        }
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

fn violations(constraint: &Constraint, findings: Vec<Finding>) -> impl Iterator<Item = Violation> {
    findings.into_iter().filter_map(|finding| violation(constraint, finding.message, finding.details))
}

fn violation(constraint: &Constraint, message: String, details: Value) -> Option<Violation> {
    Some(Violation { constraint: constraint.reference.clone(), action: constraint.action?, message, details })
}
