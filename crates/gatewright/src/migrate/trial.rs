//! Tries policies on objects: what each says of each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::anyhow;
use gatewright_api::PolicyKind;
use gatewright_compiler::Settings;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde_json::{Value, json};

use super::counting::Counting;
use crate::check::collect::Collected;
use crate::check::judge::Judge;
use crate::check::namespaces::CommandLine;
use crate::check::place;
use crate::check::placed::Placed;
use crate::check::result::{ObjectResult, Verdict, Violation};
use crate::check::world::World;
use crate::input::{Document, Location};
use crate::preview::owners::Key;
use crate::sandbox::Pool;
use crate::{diagnostics, policies};

/// From how many objects on a bar says how far it is.
const WORTH_A_BAR: usize = 1_024;

/// A policy to try, as an object.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Its kind.
    pub kind: PolicyKind,
    /// The policy. Its name does not matter.
    pub policy: Value,
}

/// What policies say of objects: for each object the violations of each policy, by its place in the list.
#[derive(Debug, Default)]
pub struct Said {
    objects: Vec<Judged>,
    /// How many objects nobody can judge here.
    pub not_judged: usize,
}

/// What is said of an object.
#[derive(Debug, Default)]
struct Judged {
    /// Whom it counts for.
    owner: Key,
    namespace: Option<String>,
    /// The violations of each policy.
    policies: HashMap<usize, Vec<Violation>>,
    /// What the standard of its namespace says.
    standard: Verdict,
}

/// Tries all policies on all objects that count; those that do not compile say nothing.
///
/// # Errors
/// An object is of no kind that there is.
pub fn try_on(
    tried: &[Tried],
    mut objects: Collected,
    counting: &Counting,
    settings: &Settings,
    pool: &Arc<Pool>,
) -> anyhow::Result<Said> {
    objects.constraints =
        tried.iter().enumerate().filter_map(|(at, one)| constraint(at, one, settings)).collect();
    let line = CommandLine { labels: &[], default: None };
    let (mut world, problems) = World::build(&mut objects, settings, line, pool);
    if let Some(problem) = problems.first() {
        return Err(anyhow!("{problem}"));
    }
    let mut placed = place(&mut objects, &mut world, None);
    diagnostics::stop_at(&objects.problems)?;
    let mut owners = vec![];
    placed.retain(|one| {
        let owner = counting.owner(&one.document());
        let counts = owner.is_some();
        owners.extend(owner.map(|owner| unnamed(owner, owners.len())));
        counts
    });
    let judge = Judge { world: &world, assumed: vec![], assume_defaults: false };
    let bar = progress(placed.len());
    let judged = |one: &Placed| {
        let result = judge.judge(one);
        bar.inc(1);
        result
    };
    let results: Vec<_> = placed.par_iter().map(judged).collect();
    bar.finish_and_clear();
    let all = || results.iter().zip(&owners);
    let failed = all().filter(|(result, _)| result.verdict == Verdict::Error);
    let not_judged = failed.map(|(_, owner)| owner).collect::<HashSet<_>>().len();
    let objects = results.into_iter().zip(owners).map(|(result, owner)| sorted(result, owner));
    Ok(Said { objects: objects.collect(), not_judged })
}

/// An object that gets its name from the API server counts for itself.
fn unnamed(mut owner: Key, at: usize) -> Key {
    if owner.name.is_empty() {
        owner.name = format!("/{at}");
    }
    owner
}

fn progress(objects: usize) -> ProgressBar {
    let target =
        if objects < WORTH_A_BAR { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} objects, {per_sec}");
    let bar = ProgressBar::with_draw_target(Some(objects as u64), target);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The constraint of a policy, under a name by which its violations are found again.
pub fn constraint(at: usize, tried: &Tried, settings: &Settings) -> Option<Document> {
    let mut policy = tried.policy.clone();
    policy["metadata"] = json!({"name": name(at)});
    let location = Location { file: "policy".into(), line: 0 };
    let document = Document::made(&policy, location.clone()).ok()?;
    let compiled = policies::compiled(&document, tried.kind, settings).ok()?;
    Document::made(&json!(compiled.constraint?), location).ok()
}

fn name(at: usize) -> String {
    format!("policy-{at}")
}

fn sorted(result: ObjectResult, owner: Key) -> Judged {
    let namespace = result.object.namespace.as_ref().map(|namespace| namespace.raw().to_owned());
    let mut judged = Judged { owner, namespace, ..Judged::default() };
    for violation in result.violations {
        let of = violation.policy.as_ref().and_then(|policy| policy.name.raw().strip_prefix("policy-"));
        match of.and_then(|at| at.parse().ok()) {
            Some(at) => judged.policies.entry(at).or_default().push(violation),
            None => judged.standard = judged.standard.max(violation.enforcement_action),
        }
    }
    judged
}

fn worst<'a>(violations: impl Iterator<Item = &'a Violation>) -> Verdict {
    violations.map(|it| it.enforcement_action).max().unwrap_or_default()
}

impl Said {
    /// How many objects there are, each with what it makes.
    pub fn objects(&self) -> usize {
        self.owners(|_| true)
    }

    /// How many objects have this, or make something that has it.
    fn owners(&self, has: impl Fn(&Judged) -> bool) -> usize {
        let owners = self.objects.iter().filter(|object| has(object)).map(|object| &object.owner);
        owners.collect::<HashSet<_>>().len()
    }

    /// Of how many objects two policies say something else.
    pub fn differ(&self, one: usize, other: usize) -> usize {
        self.owners(|object| object.of(one) != object.of(other))
    }

    /// Of how many objects a policy would say something else without some of its violations.
    pub fn differ_without(&self, policy: usize, without: impl Fn(&Violation) -> bool) -> usize {
        self.owners(|object| {
            let kept = object.policies.get(&policy).into_iter().flatten().filter(|it| !without(it));
            worst(kept) != object.of(policy)
        })
    }

    /// How many objects of a namespace its standard finds something wrong with.
    pub fn refused_by_standards(&self, namespace: &str) -> usize {
        self.owners(|object| {
            object.namespace.as_deref() == Some(namespace) && object.standard != Verdict::Pass
        })
    }

    /// What a policy says of each object: for tests.
    #[cfg(test)]
    pub fn verdicts(&self, policy: usize) -> Vec<Verdict> {
        self.objects.iter().map(|object| object.of(policy)).collect()
    }
}

impl Judged {
    fn of(&self, policy: usize) -> Verdict {
        worst(self.policies.get(&policy).into_iter().flatten())
    }
}
