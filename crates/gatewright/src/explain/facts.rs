//! What is known of each constraint and an object: whether it applies, and what it says. Judges with the judge of `check`.

use std::collections::{BTreeMap, HashMap};

use gatewright_engine::expand::Expander;
use gatewright_engine::{ConstraintRef, NotApplied, Request, ReviewError};
use gatewright_gatekeeper::{Candidate, MatchField, Matcher, Namespace, Source, WhyNot};
use gatewright_rules::{Owner, Template};
use serde_json::{Value, json};

use super::words::Author;
use crate::check::judge::Judge;
use crate::check::placed::Placed;
use crate::check::result::{ConstraintName, Judged, ObjectResult, Verdict, Violation};
use crate::check::world::World;
use crate::fix::{Fixed, Medium, try_fixes};
use crate::policies::PolicyRef;

/// What is said of image signatures.
pub const NOT_VERIFIED: &str = "not verified here: gatewright verify IMAGE";

const NOTHING_JUDGED: &str = "the object was not judged";

const READS_OTHERS: &str =
    "cannot be judged here: its template looks at other objects of the cluster (data.inventory)";

/// What is known of a constraint and an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The constraint.
    pub constraint: ConstraintRef,
    /// The policy or standard.
    pub owner: Option<PolicyRef>,
    /// Whose words it is explained in.
    pub author: Author,
    /// Why it judges neither the object nor what it creates; none where it judges one of them.
    pub not_applied: Option<NotApplied>,
    /// What chose the object, or what it creates.
    pub chosen_by: Option<WhyNot>,
    /// Why it cannot be judged here.
    pub not_judged: Option<String>,
    /// What is wrong.
    pub violations: Vec<Violation>,
    /// Whether Gatekeeper enforces it, and why not; none without a cluster.
    pub enforced: Option<Result<(), String>>,
}

/// What is known of constraints whatever the object is.
#[derive(Debug, Default)]
pub struct Known {
    /// Of constraints of policies: what the policy has in `excludeNames`.
    pub excluded: HashMap<PolicyRef, Vec<String>>,
    /// Whether Gatekeeper enforces constraints.
    pub enforced: HashMap<ConstraintRef, Result<(), String>>,
    /// Constraints that the engine does not take, with the reason and what they match.
    pub unusable: HashMap<ConstraintRef, (String, Matcher)>,
    /// Which objects templates see that look at others.
    pub inventory: Inventory,
}

/// Which objects templates see that look at others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inventory {
    /// None.
    #[default]
    Unread,
    /// Those of files. The cluster may have others.
    Files,
}

/// What was found out about an object.
pub struct Found {
    /// The result of `check`.
    pub result: ObjectResult,
    /// What is known of each constraint.
    pub facts: Vec<Facts>,
    /// The object with everything done that undoes violations; none if nothing does.
    pub fixed: Option<Fixed>,
    /// The object as it is written.
    pub written: Value,
}

/// Makes reviews leave out what cannot be evaluated here.
pub fn leave_out_beyond(world: &mut World, known: &Known) {
    let kinds: Vec<String> = world.constraints().into_keys().map(|it| it.kind.clone()).collect();
    for kind in kinds {
        if beyond_engine(world, known, &kind).is_some() {
            world.engine.leave_out(&kind);
        }
    }
}

/// Why constraints of a kind cannot be judged here, whatever the object.
pub fn beyond_engine(world: &World, known: &Known, kind: &str) -> Option<String> {
    if let Some(limit) = world.engine.limit_of(kind) {
        return Some(format!("cannot be judged here: {limit}"));
    }
    let unread = known.inventory == Inventory::Unread && world.reads_others(kind);
    unread.then(|| READS_OTHERS.to_owned())
}

/// What is not known of a constraint in which nothing was found wrong: other objects may be in the cluster than in the
/// files, and an image may be asked about that nobody verified.
fn left_open(
    world: &World,
    known: &Known,
    constraint: &ConstraintRef,
    result: &ObjectResult,
    violated: bool,
) -> Option<String> {
    let asks = Template::of_kind(&constraint.kind).is_some_and(Template::needs_verifier);
    if asks && result.unverified.iter().any(|it| it.constraint == constraint.name) {
        return Some(NOT_VERIFIED.to_owned());
    }
    let partly = known.inventory == Inventory::Files && world.reads_others(&constraint.kind);
    (partly && !violated).then(|| READS_OTHERS.to_owned())
}

/// Judges an object, and finds out what each constraint has to do with it.
pub fn find(world: &mut World, known: &Known, assumed: &[String], placed: &Placed) -> Found {
    let (result, failed, fixed) = by_all_others(world, assumed, placed, |judge, result| {
        try_fixes(judge, placed, result, Medium::Object)
    });
    let facts = facts(world, known, placed, &result, &failed);
    Found { result, facts, fixed, written: placed.document() }
}

/// Judges an object by all templates that can be evaluated; and those that cannot, by the kind of their constraints. The
/// verdict is `error` where nothing can be said.
pub fn without_failing(
    world: &mut World,
    assumed: &[String],
    placed: &Placed,
) -> (ObjectResult, BTreeMap<String, ReviewError>) {
    let (result, failed, ()) = by_all_others(world, assumed, placed, |_, _| ());
    (result, failed)
}

/// The same, and something to do while the templates that fail are left out.
fn by_all_others<T>(
    world: &mut World,
    assumed: &[String],
    placed: &Placed,
    then: impl FnOnce(&Judge<'_>, &mut ObjectResult) -> T,
) -> (ObjectResult, BTreeMap<String, ReviewError>, T) {
    let mut failed = BTreeMap::new();
    let mut result = loop {
        let judge = Judge { world, assumed: assumed.to_vec(), assume_defaults: false };
        match judge.try_judge(placed) {
            Ok(result) => break result,
            Err((result, error)) => {
                let Some(template) = template_of(&error).filter(|it| !failed.contains_key(*it)) else {
                    break *result;
                };
                world.engine.leave_out(template);
                failed.insert(template.to_owned(), error);
            }
        }
    };
    let judge = Judge { world, assumed: assumed.to_vec(), assume_defaults: false };
    let done = then(&judge, &mut result);
    for kind in failed.keys() {
        world.engine.take_in(kind);
    }
    if failed.values().any(|error| matches!(error, ReviewError::Message { .. })) {
        result.verdict = Verdict::Deny;
    }
    (result, failed, done)
}

fn template_of(error: &ReviewError) -> Option<&str> {
    match error {
        ReviewError::Message { template, .. } | ReviewError::Engine { template, .. } => Some(template),
        ReviewError::Expansion(_) => None,
    }
}

fn facts(
    world: &World,
    known: &Known,
    placed: &Placed,
    result: &ObjectResult,
    failed: &BTreeMap<String, ReviewError>,
) -> Vec<Facts> {
    let judge = Judge { world, assumed: vec![], assume_defaults: false };
    let requests = judge.requests(placed);
    let nothing = (result.verdict == Verdict::Error).then(|| NOTHING_JUDGED.to_owned());
    let constraints = world.constraints();
    let judged = constraints.into_iter().filter(|(constraint, _)| !is_exec_guard(&constraint.kind));
    judged
        .map(|(constraint, owner)| {
            let error = failed.get(&constraint.kind);
            let of_error = error.and_then(|error| refused_by_error(constraint, owner, error, placed));
            let violations = result.violations.iter().filter(|it| is_of(it, constraint)).cloned();
            let violations: Vec<_> = violations.chain(of_error).collect();
            let unjudged = error.filter(|error| !matches!(error, ReviewError::Message { .. }));
            let unusable = known.unusable.get(constraint).map(|(reason, _)| reason.clone());
            Facts {
                constraint: constraint.clone(),
                owner: owner.cloned(),
                author: author(owner, known),
                not_applied: not_applied(world, known, constraint, &requests),
                chosen_by: chosen_by(world, constraint, &requests),
                not_judged: beyond_engine(world, known, &constraint.kind)
                    .or(unusable)
                    .or_else(|| unjudged.map(|error| format!("cannot be judged here: {error}")))
                    .or_else(|| nothing.clone())
                    .or_else(|| left_open(world, known, constraint, result, !violations.is_empty())),
                violations,
                enforced: known.enforced.get(constraint).cloned(),
            }
        })
        .collect()
}

/// It judges no object, but who connects to Pods.
pub fn is_exec_guard(kind: &str) -> bool {
    Template::of_kind(kind).is_some_and(|template| template.owner() == Owner::ExecGuard)
}

fn is_of(violation: &Violation, constraint: &ConstraintRef) -> bool {
    violation.constraint.kind.raw() == constraint.kind && violation.constraint.name.raw() == constraint.name
}

fn author(owner: Option<&PolicyRef>, known: &Known) -> Author {
    match owner {
        None => Author::Others,
        Some(owner) if owner.kind.parse::<gatewright_api::PolicyKind>().is_ok() => {
            Author::Policy(known.excluded.get(owner).cloned())
        }
        Some(_) => Author::Standards,
    }
}

/// A template whose message is no text: Gatekeeper refuses the request, whatever the action of the constraint.
fn refused_by_error(
    constraint: &ConstraintRef,
    owner: Option<&PolicyRef>,
    error: &ReviewError,
    placed: &Placed,
) -> Option<Violation> {
    let ReviewError::Message { .. } = error else { return None };
    Some(Violation {
        policy: owner.cloned(),
        constraint: ConstraintName {
            kind: constraint.kind.as_str().into(),
            name: constraint.name.as_str().into(),
        },
        enforcement_action: Verdict::Deny,
        message: error.to_string().into(),
        details: json!({}),
        judged: Judged::Object,
        line: placed.fields().line(""),
        fix: None,
        no_fix: None,
        places: vec![],
        kind: "".into(),
    })
}

/// Why a constraint judges none of the requests. Of the object and of what it creates the one counts that comes further:
/// a rule on Pods does not leave out a Deployment because that is no Pod.
pub fn not_applied(
    world: &World,
    known: &Known,
    constraint: &ConstraintRef,
    requests: &[Request],
) -> Option<NotApplied> {
    let mut reason: Option<NotApplied> = None;
    for request in requests {
        let why = match known.unusable.get(constraint) {
            Some((_, matcher)) => unusable(world, matcher, request),
            None => world.engine.why_not(constraint, request, &world.expander),
        }?;
        if reason.as_ref().is_none_or(is_of_kinds) {
            reason = Some(match reason {
                Some(first) if is_of_kinds(&why) => first,
                _ => why,
            });
        }
    }
    reason.or(Some(NotApplied::Unknown))
}

/// What chose the first of the requests that a constraint judges.
fn chosen_by(world: &World, constraint: &ConstraintRef, requests: &[Request]) -> Option<WhyNot> {
    // What is judged only because of what it implies, nothing has chosen.
    let alone = Expander::default();
    let judged = requests.iter().find(|request| world.engine.why_not(constraint, request, &alone).is_none());
    world.engine.chosen_by(constraint, judged?)
}

fn is_of_kinds(reason: &NotApplied) -> bool {
    matches!(reason, NotApplied::Match(why) if why.field == MatchField::Kinds)
}

/// Whether a constraint that the engine does not take would match.
fn unusable(world: &World, matcher: &Matcher, request: &Request) -> Option<NotApplied> {
    let name = request.namespace();
    let namespace = Namespace { name: name.to_owned(), labels: world.namespaces.labels(name) };
    let namespace = (!name.is_empty()).then_some(&namespace);
    let candidate = Candidate::new(request.object());
    matcher.why_not(&candidate, namespace, Source::Original).map(NotApplied::Match)
}
