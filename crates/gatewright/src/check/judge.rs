//! Judges one object, and what it creates.

use std::collections::HashSet;
use std::sync::Arc;

use gatewright_engine::{Providers, Request, ReviewError, Violation as Found, bounded};
use gatewright_gatekeeper::{Operation, group_and_kind};
use gatewright_kube_defaults::{About, Assumption};

use super::notes;
use super::placed::{Asked, Placed, failed};
use super::pods::{Chain, filled_later};
use super::result::{ConstraintName, Exempt, Judged, ObjectResult, Unverified, Verdict, Violation};
use super::world::World;
use crate::foreign::Foreign;
use crate::input;
use crate::policies;
use crate::signatures::{Question, Questions, Standing};

/// What every verdict rests on beside the object itself.
#[derive(Debug)]
pub struct Judge<'a> {
    /// What objects are judged by.
    pub world: &'a World,
    /// What is not done with any object, as sentences.
    pub assumed: Vec<String>,
    /// Whether something outside of the input sets what Pods leave out.
    pub assume_defaults: bool,
}

impl Judge<'_> {
    /// Judges an object, and what it creates.
    pub fn judge(&self, placed: &Placed) -> ObjectResult {
        self.try_judge(placed).unwrap_or_else(|(failed, _)| *failed)
    }

    /// The requests that are judged for an object: its own first, then those of what it creates.
    pub fn requests(&self, placed: &Placed) -> Vec<Request> {
        let Ok(Asked { request, .. }) = placed.asked(&self.world.cluster) else { return vec![] };
        let chain = Chain::of(&request, &self.world.cluster);
        [request].into_iter().chain(chain.0.into_iter().map(|made| made.request)).collect()
    }

    /// The same as [`Judge::judge`].
    ///
    /// # Errors
    /// The engine has no verdict: the result that says so, and why. A request that cannot be read is no such error.
    pub fn try_judge(&self, placed: &Placed) -> Result<ObjectResult, (Box<ObjectResult>, ReviewError)> {
        let Asked { object, request, assumed } = match placed.asked(&self.world.cluster) {
            Ok(asked) => asked,
            Err(failed) => return Ok(*failed),
        };
        let exempt = placed.exempt_by().and_then(|name| {
            let reason = self.world.exemption(name)?;
            Some(Exempt { namespace: name.to_owned(), reason })
        });
        let chain = Chain::of(&request, &self.world.cluster);
        let unread = chain.0.is_empty() && self.unread(&request);
        let mut found = Findings::default();
        if exempt.is_none()
            && let Err(error) = self.find(placed, &request, &chain, &mut found)
        {
            let failed = failed(placed, object, reason(&error));
            let failed = ObjectResult { operation: operation(&request), ..failed };
            return Err((Box::new(failed), error));
        }
        let of_created = chain.0.iter().flat_map(|made| made.assumed.iter().cloned());
        let of_cluster = assumed.into_iter().chain(of_created);
        let mut assumed = self.that_matter(of_cluster, &found.violations);
        self.assume(placed, &mut assumed);
        assumed.extend(found.accepted);
        assumed.extend(found.unverified.iter().map(|question| question.assumption(&self.world.signatures)));
        assumed.extend(unread.then(|| notes::UNREAD.to_owned()));
        assumed.extend(exempt.as_ref().map(|it| it.reason.clone()));
        Ok(ObjectResult {
            object,
            source: placed.source(),
            operation: operation(&request),
            verdict: found.violations.iter().map(|it| it.enforcement_action).max().unwrap_or_default(),
            violations: found.violations,
            patch: None,
            assumed: assumed.into_iter().map(Foreign::from).collect(),
            unread,
            unverified: self.unverified(&found.unverified),
            exempt,
            pods_refused: found.pods_refused,
        })
    }

    /// What has to be said once more after all objects.
    fn unverified(&self, questions: &[Question]) -> Vec<Unverified> {
        let here = matches!(self.world.signatures, Standing::Assumed);
        let said = |it: &Question| Unverified { image: it.image(), constraint: it.key.constraint.clone() };
        questions.iter().filter(|_| here).map(said).collect()
    }

    /// What is wrong with an object, and with what it creates. What is wrong with both is said of the object alone.
    fn find(
        &self,
        placed: &Placed,
        request: &Request,
        chain: &Chain,
        into: &mut Findings,
    ) -> Result<(), ReviewError> {
        let asked = !placed.is_review();
        let (group, kind) = group_and_kind(request.object());
        let is_pod = group.is_empty() && kind == "Pod";
        let path = if asked { String::new() } else { format!("request.{}.", judged_object(request)) };
        let mut lines = Lines { placed, found: None };
        for found in self.kept(self.reviewed(request, into)?, asked && is_pod, into) {
            let violation = self.violation(found, Judged::Object, kind);
            into.violations.push(lines.placed(violation, |field| format!("{path}{field}")));
        }
        let mut seen: HashSet<_> = into.violations.iter().map(same).collect();
        for (index, made) in chain.0.iter().enumerate() {
            for found in self.kept(self.reviewed(&made.request, into)?, true, into) {
                let violation = self.violation(found, Judged::Pod, made.kind());
                into.pods_refused |= violation.enforcement_action == Verdict::Deny;
                if seen.insert(same(&violation)) {
                    let place = |field: &str| format!("{path}{}", chain.origin(index, field));
                    into.violations.push(lines.placed(violation, place));
                }
            }
        }
        Ok(())
    }

    /// What the engine finds. Registries are asked between two looks at the request: an evaluation has little time.
    fn reviewed(&self, request: &Request, into: &mut Findings) -> Result<Vec<Found>, ReviewError> {
        let (mut found, mut open) = self.asking(request)?;
        if let (Standing::Verified(verification), false) = (&self.world.signatures, open.is_empty()) {
            verification.verify(&open);
            (found, open) = self.asking(request)?;
        }
        into.leave_open(open, &self.world.signatures);
        Ok(found)
    }

    /// What the engine finds, and what it asked the verifier in vain.
    fn asking(&self, request: &Request) -> Result<(Vec<Found>, Vec<Question>), ReviewError> {
        let questions = Questions::new(&self.world.demands, &self.world.signatures);
        let providers: Arc<dyn Providers> = Arc::<Questions>::clone(&questions);
        let (engine, expander) = (&self.world.engine, &self.world.expander);
        let found = engine.review_expanded_asking(request, expander, Some(&providers))?;
        Ok((found, questions.open()))
    }

    /// Leaves out what something outside of the input may still set, on what is `open` to it.
    fn kept(&self, found: Vec<Found>, open: bool, into: &mut Findings) -> Vec<Found> {
        let accepts = self.assume_defaults && open;
        let kept = |found: &Found| match filled_later(found).filter(|_| accepts) {
            None => true,
            Some(field) => {
                let accepted = format!("something outside of the input sets {field}");
                if !into.accepted.contains(&accepted) {
                    into.accepted.push(accepted);
                }
                false
            }
        };
        found.into_iter().filter(kept).collect()
    }

    /// The assumptions that could have another verdict without them. Resources count where somebody asks for them.
    fn that_matter(&self, all: impl Iterator<Item = Assumption>, violations: &[Violation]) -> Vec<String> {
        let asks = |violation: &Violation| violation.rule() == Some("requiredResources");
        let resources = violations.iter().any(asks) || self.world.is_foreign("", "Pod");
        let mut said: Vec<String> = vec![];
        for Assumption { about, text } in all {
            if (about != About::Resources || resources) && !said.contains(&text) {
                said.push(text);
            }
        }
        said
    }

    /// Whether there is a Pod template in the object that nobody looks at.
    fn unread(&self, request: &Request) -> bool {
        let object = request.object();
        let (group, kind) = group_and_kind(object);
        (!group.is_empty() || kind != "Pod")
            && !self.world.reads_template(group, kind)
            && notes::has_pod_template(object)
            && self.world.expander.expand(object).is_ok_and(|implied| implied.is_empty())
    }

    fn assume(&self, placed: &Placed, assumed: &mut Vec<String>) {
        if let Some(namespace) = placed.namespace().filter(|name| self.world.namespaces.is_assumed(name)) {
            let place = self.world.place();
            assumed.push(format!("namespace {namespace} has no labels: it is not in the {place}"));
        }
        if let Some(namespace) = placed.namespace().filter(|name| self.world.is_system(name)) {
            let reach = "the standards do not reach it, policies only if they name it";
            assumed.push(format!("namespace {namespace} is a system namespace: {reach}"));
        }
        assumed.extend(self.assumed.iter().cloned());
    }

    fn violation(&self, found: Found, judged: Judged, kind: &str) -> Violation {
        let policy = self.world.owner(&found.constraint).cloned();
        Violation {
            policy,
            constraint: ConstraintName {
                kind: found.constraint.kind.into(),
                name: found.constraint.name.into(),
            },
            enforcement_action: found.action.into(),
            message: bounded(found.message).into(),
            details: found.details,
            judged,
            line: 0,
            fix: None,
            no_fix: None,
            places: vec![],
            kind: kind.into(),
        }
    }
}

/// What is wrong, and what was accepted all the same.
#[derive(Default)]
struct Findings {
    violations: Vec<Violation>,
    accepted: Vec<String>,
    unverified: Vec<Question>,
    /// Whether something that the object creates is refused, also where the object is refused for the same.
    pods_refused: bool,
}

impl Findings {
    /// Keeps questions that nobody answered, each once: a controller and its Pods have the same images.
    fn leave_open(&mut self, questions: Vec<Question>, standing: &Standing) {
        for question in questions {
            let said = question.assumption(standing);
            if self.unverified.iter().all(|known| known.assumption(standing) != said) {
                self.unverified.push(question);
            }
        }
    }
}

/// The lines of a document, which is looked through once something is wrong.
struct Lines<'a> {
    placed: &'a Placed,
    found: Option<input::Fields>,
}

impl Lines<'_> {
    /// A violation with the line of its first field, and with all of its fields; `place` finds a field in the document.
    fn placed(&mut self, violation: Violation, place: impl Fn(&str) -> String) -> Violation {
        let fields = self.found.get_or_insert_with(|| self.placed.fields());
        let places: Vec<_> = violation.fields().map(&place).collect();
        let lines = places.iter().map(|place| fields.line(place));
        let line = lines.min().unwrap_or_else(|| fields.line(&place("")));
        Violation { line, places: places.iter().map(|place| input::parts(place)).collect(), ..violation }
    }
}

/// What is the same of a violation of a controller and one of its Pod.
fn same(violation: &Violation) -> (ConstraintName, String) {
    let message = violation.implied().unwrap_or(violation.message.raw());
    (violation.constraint.clone(), message.to_owned())
}

/// The field of a request that holds what is judged.
fn judged_object(request: &Request) -> &'static str {
    if request.operation() == Some(Operation::Delete) { "oldObject" } else { "object" }
}

/// Why Gatekeeper fails to review an object.
fn reason(error: &ReviewError) -> String {
    bounded(match error {
        ReviewError::Expansion(inner) => format!("{}: {error}", policies::field(&inner.pointer)),
        ReviewError::Message { .. } | ReviewError::Engine { .. } => error.to_string(),
    })
}

/// What a request does, as a word; empty for an object that audit sees.
fn operation(request: &Request) -> String {
    request.operation().map(|operation| operation.to_string()).unwrap_or_default()
}
