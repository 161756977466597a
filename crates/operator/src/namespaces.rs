//! Namespaces: which policies reach them, and whether their labels mean something.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gatewright_compiler::meaningless_labels;
use gatewright_gatekeeper::{Matcher, Namespace};
use k8s_openapi::api::core::v1::Namespace as Object;
use kube::ResourceExt as _;
use kube::core::PartialObjectMeta;
use tracing::warn;

use crate::cache::{Cache, Entry};
use crate::live::Live;
use crate::queue::Next;
use crate::world::World;

impl Entry for Namespace {
    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

/// All namespaces, and as what each was judged last.
pub(crate) struct Namespaces {
    pub(crate) cache: Cache<Namespace>,
    judged: Mutex<HashMap<String, Arc<Namespace>>>,
}

impl Namespaces {
    pub(crate) fn new() -> Self {
        Self { cache: Cache::new(), judged: Mutex::default() }
    }

    /// How many namespaces a constraint reaches; none while they are not all known.
    pub(crate) fn reached_by(&self, constraint: &Live) -> Option<i32> {
        let matcher = matcher(constraint)?;
        let reached = || self.cache.count(|namespace| matcher.reaches(namespace));
        self.cache.is_complete().then(reached).and_then(|count| i32::try_from(count).ok())
    }

    /// Notes as what a namespace is judged now. Returns what it was before and what it is.
    fn judge(&self, name: &str) -> (Option<Arc<Namespace>>, Option<Arc<Namespace>>) {
        let now = self.cache.get(name);
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match &now {
            Some(now) => judged.insert(name.to_owned(), Arc::clone(now)),
            None => judged.remove(name),
        };
        (before, now)
    }

    /// Notes all namespaces as judged. Returns those whose labels changed.
    fn judge_all(&self) -> Vec<Arc<Namespace>> {
        let now: HashMap<_, _> = self.cache.values().into_iter().map(|it| (it.name.clone(), it)).collect();
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *judged, now.clone());
        now.into_values().filter(|it| before.get(&it.name) != Some(it)).collect()
    }
}

/// What a namespace's metadata tells; nothing else is read of it.
pub(crate) fn namespace(object: PartialObjectMeta<Object>) -> Namespace {
    Namespace { name: object.name_any(), labels: object.metadata.labels.unwrap_or_default() }
}

fn matcher(constraint: &Live) -> Option<Matcher> {
    Matcher::parse(&constraint.spec["match"]).ok()
}

/// A namespace came, changed or went: wakes whom it concerns, and says if a label means nothing.
pub(crate) fn reconcile(world: &World, name: &str) -> Next {
    let (before, now) = world.namespaces.judge(name);
    let reaches =
        |matcher: &Matcher, it: &Option<Arc<Namespace>>| it.as_ref().is_some_and(|it| matcher.reaches(it));
    world.wake(|constraint| {
        matcher(constraint).is_some_and(|matcher| reaches(&matcher, &before) != reaches(&matcher, &now))
    });
    world.wake_system();
    if let Some(now) = now {
        report(world, before.as_deref(), &now);
    }
    Next::Change
}

/// All namespaces were listed anew. Everybody is awake already.
pub(crate) fn reconcile_all(world: &World) -> Next {
    world.wake_system();
    for namespace in world.namespaces.judge_all() {
        report(world, None, &namespace);
    }
    Next::Change
}

/// A value that means nothing is never ignored in silence. It is told once for each change.
fn report(world: &World, before: Option<&Namespace>, now: &Namespace) {
    let meaningless = |it: &Namespace| meaningless_labels(&it.labels, &world.settings.standards);
    let known = before.map(meaningless).unwrap_or_default();
    for label in meaningless(now).into_iter().filter(|label| !known.contains(label)) {
        let message = label.to_string();
        warn!(namespace = now.name, message, "a label of a namespace means nothing");
        world.events.meaningless(&now.name, &label);
    }
}
