//! What becomes of owners: each is judged or stands for what was judged, and is counted once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use gatewright_engine::ConstraintRef;

use super::owners::Key;
use super::sides::{Judged, Opinion};
use crate::check::Exempted;
use crate::check::result::{ObjectResult, Verdict, Violation};
use crate::foreign::Foreign;

/// What the cluster says to an owner and to the Pods that it makes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    schemars::JsonSchema,
    strum::Display,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Answer {
    /// Nothing is wrong.
    #[default]
    Passes,
    /// It is let through in silence, though something is wrong.
    Dryrun,
    /// It is let through with a warning.
    Warned,
    /// Nobody can say here.
    Unknown,
    /// It is refused, or its Pods are.
    Refused,
}

impl From<Verdict> for Answer {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Passes,
            Verdict::Dryrun => Self::Dryrun,
            Verdict::Warn => Self::Warned,
            Verdict::Deny => Self::Refused,
            Verdict::Error => Self::Unknown,
        }
    }
}

/// How many violations of an owner are kept.
const VIOLATIONS: usize = 20;

/// How many images are kept by name.
const IMAGES: usize = 10_000;

/// What is kept of every owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub struct Light {
    /// What the cluster says today.
    pub today: Answer,
    /// What it says after the change.
    pub then: Answer,
    /// Whether Pods run of it: itself, or what it controls.
    pub runs_pods: bool,
    /// Whether the Pods that it makes are refused after the change. Of Pods that stand for themselves `lost` counts.
    pub pods_refused: bool,
    /// How many of its Pods, which were judged themselves, are refused after the change.
    pub lost: u64,
    /// Whether something judges it that cannot be judged here, today and after the change.
    pub partly: bool,
    /// Whether a signature of an image of it would have to be verified.
    pub unverified: bool,
    /// Whether Gatekeeper is not asked about its namespace after the change.
    pub exempt: bool,
}

/// What is kept of an owner that is listed.
#[derive(Clone, Debug)]
pub struct Detail {
    /// What `check` says of it after the change, with the first violations.
    pub result: ObjectResult,
    /// How many violations there are.
    pub violations: usize,
    /// The first reason.
    pub reason: Foreign,
}

/// All owners.
#[derive(Debug, Default)]
pub struct Tally {
    limit: usize,
    owners: HashMap<Key, Light>,
    details: HashMap<Key, Detail>,
    pods: HashSet<Key>,
    running: HashMap<Key, u64>,
    /// The images that the change demands signatures of.
    pub images: BTreeSet<String>,
    /// The constraints that cannot be judged here: why, and of how many objects.
    pub unjudged: BTreeMap<ConstraintRef, (String, u64)>,
    /// The objects about which Gatekeeper is not asked after the change.
    pub exempt: Exempted,
}

/// An owner with everything that is known of it.
#[derive(Clone, Debug)]
pub struct Row {
    pub key: Key,
    pub light: Light,
    /// How many Pods run of it; none where it makes no Pods.
    pub pods: Option<u64>,
    /// None beyond the limit.
    pub detail: Option<Detail>,
}

impl Light {
    /// Whether it is listed: its answer changes, or it stays refused.
    pub fn is_listed(self) -> bool {
        self.today != self.then || self.then == Answer::Refused
    }

    /// Whether it is refused after the change and is not today.
    pub fn is_newly_refused(self) -> bool {
        self.then == Answer::Refused && self.today != Answer::Refused
    }

    /// With what was found out about another Pod of the same owner.
    fn and(self, other: Self) -> Self {
        Self {
            today: self.today.max(other.today),
            then: self.then.max(other.then),
            runs_pods: self.runs_pods || other.runs_pods,
            pods_refused: self.pods_refused || other.pods_refused,
            lost: self.lost + other.lost,
            partly: self.partly || other.partly,
            unverified: self.unverified || other.unverified,
            exempt: self.exempt || other.exempt,
        }
    }
}

impl Row {
    /// How many of its Pods would not come back if they were made anew after the change.
    pub fn not_coming_back(&self) -> u64 {
        if self.light.pods_refused { self.pods.unwrap_or_default() } else { self.light.lost }
    }
}

impl Tally {
    /// An empty one that keeps the details of so many owners.
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Whether nothing was judged.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Whether an owner was judged.
    pub fn is_known(&self, key: &Key) -> bool {
        self.owners.contains_key(key)
    }

    /// Counts a Pod that runs of an owner. Returns whether it is there for the first time.
    pub fn runs(&mut self, pod: Key, owner: &Key) -> bool {
        let first = self.pods.insert(pod);
        if first {
            *self.running.entry(owner.clone()).or_default() += 1;
        }
        first
    }

    /// Takes what was found out about an owner, or about a Pod that counts for it.
    pub fn add(&mut self, key: Key, judged: Judged, is_pod: bool) {
        for (constraint, reason) in &judged.then.unjudged {
            self.unjudged.entry(constraint.clone()).or_insert_with(|| (reason.clone(), 0)).1 += 1;
        }
        self.exempt.add(&judged.then.result);
        let images = |one: &Opinion| -> BTreeSet<String> {
            one.result.unverified.iter().map(|it| it.image.clone()).collect()
        };
        let known = images(&judged.today);
        let new = images(&judged.then).into_iter().filter(|image| !known.contains(image));
        let room = IMAGES.saturating_sub(self.images.len());
        self.images.extend(new.take(room));
        let light = light(&judged, &key, is_pod);
        let before = self.owners.get(&key).copied();
        let now = before.map_or(light, |before| before.and(light));
        self.keep(&key, judged, before, now);
        self.owners.insert(key, now);
    }

    /// Keeps the details of an owner that is listed: of several Pods those of the first that is as bad as the worst.
    fn keep(&mut self, key: &Key, judged: Judged, before: Option<Light>, now: Light) {
        let worse = before.is_none_or(|before| (before.today, before.then) != (now.today, now.then));
        let room = self.details.len() < self.limit || self.details.contains_key(key);
        if now.is_listed() && worse && room {
            self.details.insert(key.clone(), detail(judged, now));
        }
    }

    /// All owners, those that are listed with their details.
    pub fn rows(mut self) -> (Vec<Row>, Vec<Light>) {
        let (listed, others): (Vec<_>, Vec<_>) = self.owners.into_iter().partition(|(_, it)| it.is_listed());
        let rows = listed.into_iter().map(|(key, light)| Row {
            pods: light.runs_pods.then(|| self.running.get(&key).copied().unwrap_or_default()),
            detail: self.details.remove(&key),
            key,
            light,
        });
        (rows.collect(), others.into_iter().map(|(_, light)| light).collect())
    }
}

/// The answers, and what has to be known for the sums.
fn light(judged: &Judged, key: &Key, is_pod: bool) -> Light {
    let Judged { today, then } = judged;
    let beyond =
        |one: &Opinion, other: &Opinion| one.unjudged.keys().any(|it| !other.unjudged.contains_key(it));
    let answer = |one: &Opinion, other: &Opinion| match Answer::from(one.result.verdict) {
        Answer::Refused => Answer::Refused,
        // What cannot be judged at either time changes nothing.
        _ if beyond(one, other) => Answer::Unknown,
        answer => answer,
    };
    let then_answer = answer(then, today);
    Light {
        today: answer(today, then),
        then: then_answer,
        runs_pods: is_pod || key.is_controller(),
        pods_refused: !is_pod && then.result.pods_refused,
        lost: u64::from(is_pod && then_answer == Answer::Refused),
        partly: !then.unjudged.is_empty(),
        unverified: !then.result.unverified.is_empty(),
        exempt: then.result.exempt.is_some(),
    }
}

fn detail(judged: Judged, now: Light) -> Detail {
    let Judged { today, then } = judged;
    let reason = if now.then > Answer::Passes {
        reason(&then).unwrap_or_default()
    } else {
        reason(&today).map(|reason| format!("today: {reason}")).unwrap_or_default()
    };
    let mut result = then.result;
    let violations = result.violations.len();
    result.violations.sort_by_key(|it| std::cmp::Reverse(it.enforcement_action));
    result.violations.truncate(VIOLATIONS);
    Detail { result, violations, reason: reason.into() }
}

/// The worst that is wrong, the first of several.
fn reason(opinion: &Opinion) -> Option<String> {
    let violations = &opinion.result.violations;
    let worst = violations.iter().map(|it| it.enforcement_action).max();
    let first = violations.iter().find(|it| Some(it.enforcement_action) == worst);
    let unjudged = || {
        let (constraint, reason) = opinion.unjudged.first_key_value()?;
        Some(format!("{}/{} {reason}", constraint.kind, constraint.name))
    };
    let failed = || {
        let failed = opinion.result.verdict == Verdict::Error;
        opinion.result.assumed.first().filter(|_| failed).map(|it| it.raw().to_owned())
    };
    let message = |violation: &Violation| violation.full_message().raw().to_owned();
    first.map(message).or_else(|| opinion.error.clone()).or_else(failed).or_else(unjudged)
}
