//! What we last left in the API: a difference to that is somebody else's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::watch::desired::Prepared;
use crate::watch::kind::Id;
use crate::watch::live::Live;

/// How long Gatekeeper's processes may take to take in what was written before they are named for it: a policy's status
/// is written then, or once they have, but not twice.
const SETTLED: Duration = Duration::from_secs(2);

/// How long a cache may lag behind a write of ours. What it shows meanwhile would be written once more.
const CACHE_LAG: Duration = Duration::from_millis(500);

/// What was last applied, by object.
#[derive(Debug, Default)]
pub(crate) struct LastApplied(Mutex<HashMap<Id, Entry>>);

#[derive(Debug, Default)]
struct Entry {
    /// As it was left; none of what was deleted on purpose.
    prepared: Option<Arc<Prepared>>,
    /// A write that the cache may not show yet: when it was made, and which version the cache showed then.
    unseen: Option<(Instant, Option<String>)>,
    /// When it was first written since its policy's status was published.
    unpublished: Option<Instant>,
}

/// An object that we write: as it is seen, and what is remembered of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Observed {
    /// As it is in the API; none if it is not there.
    pub(crate) live: Option<Arc<Live>>,
    /// As we last left it there.
    pub(crate) last_applied: Option<Arc<Prepared>>,
    /// For how long to wait for the cache, which does not show our last write yet.
    pub(crate) lag: Option<Duration>,
    /// For how long it is too early to name processes that have not taken in what we wrote.
    pub(crate) settling: Option<Duration>,
}

impl Entry {
    fn is_empty(&self) -> bool {
        self.prepared.is_none() && self.unseen.is_none()
    }
}

impl LastApplied {
    /// Adds to what is seen of an object what is remembered of it.
    pub(crate) fn observed(&self, id: &Id, live: Option<Arc<Live>>) -> Observed {
        let mut all = self.lock();
        let Some(entry) = all.get_mut(id) else { return Observed { live, ..Observed::default() } };
        let version = live.as_ref().map(|live| &live.resource_version);
        entry.unseen.take_if(|(at, before)| at.elapsed() >= CACHE_LAG || version != before.as_ref());
        let observed = Observed {
            last_applied: entry.prepared.clone(),
            lag: entry.unseen.as_ref().map(|(at, _)| CACHE_LAG.saturating_sub(at.elapsed())),
            settling: entry
                .unpublished
                .and_then(|at| SETTLED.checked_sub(at.elapsed()))
                .filter(|it| !it.is_zero()),
            live,
        };
        if entry.is_empty() {
            all.remove(id);
        }
        observed
    }

    /// An object was found as it should be.
    pub(crate) fn found(&self, prepared: Arc<Prepared>) {
        let id = prepared.id.clone();
        self.lock().entry(id).or_default().prepared = Some(prepared);
    }

    /// An object was written, given the version that the cache showed.
    pub(crate) fn wrote(&self, prepared: Arc<Prepared>, before: Option<&Live>) {
        let mut all = self.lock();
        let entry = all.entry(prepared.id.clone()).or_default();
        let now = Instant::now();
        entry.prepared = Some(prepared);
        entry.unseen = Some((now, before.map(|live| live.resource_version.clone())));
        // However often it is written meanwhile, that time ends.
        entry.unpublished.get_or_insert(now);
    }

    /// An object was deleted on purpose: the next one of its name is new.
    pub(crate) fn deleted(&self, id: &Id, before: &Live) {
        let unseen = Some((Instant::now(), Some(before.resource_version.clone())));
        self.lock().insert(id.clone(), Entry { unseen, ..Entry::default() });
    }

    /// The status of the object's policy was published. The next write is a new one.
    pub(crate) fn published(&self, id: &Id) {
        if let Some(entry) = self.lock().get_mut(id) {
            entry.unpublished = None;
        }
    }

    /// Neither the object nor what it was made from is there any more.
    pub(crate) fn forget(&self, id: &Id) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
