//! Objects judged twice: by what a cluster has today, and by what it has after a change. The judge is that of `check`.

use std::collections::BTreeMap;

use gatewright_compiler::Settings;
use gatewright_engine::{ConstraintRef, ReviewError};
use gatewright_kube_defaults::Cluster;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde_json::Value;

use crate::check::idle;
use crate::check::judge::Judge;
use crate::check::notes::of_disabled_signatures;
use crate::check::placed::Placed;
use crate::check::result::ObjectResult;
use crate::check::world::{Given, World};
use crate::cluster::judging::{Seen, location};
use crate::explain::{Known, beyond_engine, is_exec_guard, not_applied, unusable, without_failing};
use crate::input::InputError;
use crate::sandbox::{Limits, Pool};

/// What objects are judged by, at one time.
pub struct Side {
    world: World,
    known: Known,
    /// Constraints that cannot be judged here, whatever the object, and why.
    unjudged: BTreeMap<ConstraintRef, String>,
}

/// What is known of an object, at one time.
#[derive(Debug)]
pub struct Opinion {
    /// The result of `check`.
    pub result: ObjectResult,
    /// Why Gatekeeper refuses the object though no constraint says so: a template that fails.
    pub error: Option<String>,
    /// The constraints that judge the object and cannot be judged here, and why.
    pub unjudged: BTreeMap<ConstraintRef, String>,
}

/// An object to judge.
pub struct Subject {
    /// As it is.
    pub placed: Placed,
    /// As it is after the change; none where the change leaves it alone.
    pub then: Option<Placed>,
}

/// What is known of an object, before the change and after it.
#[derive(Debug)]
pub struct Judged {
    pub today: Opinion,
    pub then: Opinion,
}

/// Both times.
pub struct Sides {
    pub today: Side,
    pub then: Side,
}

impl Sides {
    /// Judges some objects, in order.
    pub fn judge(&mut self, subjects: &[Subject]) -> Vec<Judged> {
        let today: Vec<_> = subjects.iter().map(|it| &it.placed).collect();
        let then: Vec<_> = subjects.iter().map(|it| it.then.as_ref().unwrap_or(&it.placed)).collect();
        let both = self.today.judge(&today).into_iter().zip(self.then.judge(&then));
        both.map(|(today, then)| Judged { today, then }).collect()
    }

    /// Takes a namespace that is not known for one without labels.
    pub fn assume(&mut self, namespace: &str) {
        for side in [&mut self.today, &mut self.then] {
            side.world.namespaces.assume(namespace);
            side.world.add_namespaces();
        }
    }
}

impl Side {
    /// What there is at one time. Also says what cannot be used of it.
    pub fn new(
        seen: &Seen,
        namespaces: &[Value],
        cluster: &Cluster,
        settings: &Settings,
        limits: Limits,
    ) -> (Self, Vec<InputError>) {
        let mut collected = seen.collected();
        collected.namespaces = namespaces.iter().map(|it| (location(it), it.clone())).collect();
        // Each side has its own: a pool knows templates by the kind of their constraints.
        let (mut world, problems) = World::of_cluster(&mut collected, settings, &Pool::new(limits));
        world.cluster = cluster.clone();
        world.add_namespaces();
        let known = Known { unusable: unusable(seen, &problems), ..Known::default() };
        let unjudged = unjudged(&world, &known);
        for constraint in unjudged.keys() {
            world.engine.leave_out(&constraint.kind);
        }
        (Self { world, known, unjudged }, problems)
    }

    /// Which policies demand signatures that the cluster does not verify.
    pub fn disabled_signatures(&self, settings: &Settings) -> impl Iterator<Item = String> {
        of_disabled_signatures(&self.world, settings)
    }

    /// Which of these policies and constraints were applied to no object, and why. Of what cannot be judged here `judging`
    /// has those constraints that would judge some object.
    pub fn idle(&self, subjects: &[String], judging: &BTreeMap<ConstraintRef, (String, u64)>) -> Vec<String> {
        let has = |given: &Given, is: &dyn Fn(&ConstraintRef) -> bool| given.constraints.iter().any(is);
        let given = self.world.given.iter().filter(|given| subjects.contains(&given.subject));
        let given = given.filter(|given| !has(given, &|it| judging.contains_key(it)));
        let said = |given: &Given| match idle(&self.world, given)? {
            // Reviews leave it out, so nobody knows how far an object comes.
            _ if has(given, &|it| self.unjudged.contains_key(it)) => {
                Some(format!("{} was applied to no object", given.subject))
            }
            said => Some(said),
        };
        given.filter_map(said).collect()
    }

    const fn judge_of(world: &World) -> Judge<'_> {
        Judge { world, assumed: vec![], assume_defaults: false }
    }

    fn judge(&mut self, all: &[&Placed]) -> Vec<Opinion> {
        let judge = Self::judge_of(&self.world);
        let judged: Vec<_> = all.par_iter().map(|placed| judge.try_judge(placed).ok()).collect();
        let pairs = judged.into_iter().zip(all);
        pairs.map(|(result, placed)| self.opinion(result, placed)).collect()
    }

    /// What is known of an object that has this result, or whose templates fail.
    fn opinion(&mut self, result: Option<ObjectResult>, placed: &Placed) -> Opinion {
        let (result, failed) = match result {
            Some(result) => (result, BTreeMap::new()),
            None => without_failing(&mut self.world, &[], placed),
        };
        let refusing = |error: &&ReviewError| matches!(error, ReviewError::Message { .. });
        let error = failed.values().find(refusing).map(ToString::to_string);
        Opinion { unjudged: self.unjudged_of(placed, &failed), result, error }
    }

    fn unjudged_of(
        &self,
        placed: &Placed,
        failed: &BTreeMap<String, ReviewError>,
    ) -> BTreeMap<ConstraintRef, String> {
        let exempt = placed.labelled_by().is_some_and(|namespace| self.world.exemption(namespace).is_some());
        if exempt || (self.unjudged.is_empty() && failed.is_empty()) {
            return BTreeMap::new();
        }
        let mut all = self.unjudged.clone();
        for constraint in self.world.constraints().into_keys() {
            match failed.get(&constraint.kind) {
                Some(ReviewError::Message { .. }) | None => {}
                Some(error) => {
                    all.insert(constraint.clone(), format!("cannot be judged here: {error}"));
                }
            }
        }
        let requests = Self::judge_of(&self.world).requests(placed);
        all.retain(|constraint, _| not_applied(&self.world, &self.known, constraint, &requests).is_none());
        all
    }
}

/// The constraints that cannot be judged here, whatever the object.
fn unjudged(world: &World, known: &Known) -> BTreeMap<ConstraintRef, String> {
    let unusable =
        known.unusable.iter().map(|(constraint, (reason, _))| (constraint.clone(), reason.clone()));
    let beyond = world.constraints().into_keys().filter(|constraint| !is_exec_guard(&constraint.kind));
    let beyond = beyond
        .filter_map(|constraint| Some((constraint.clone(), beyond_engine(world, known, &constraint.kind)?)));
    beyond.chain(unusable).collect()
}
