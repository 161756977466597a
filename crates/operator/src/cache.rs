//! What a watch has seen, reduced to what we need of it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kube::runtime::watcher::Event;

/// An entry of a cache.
pub(crate) trait Entry: Send + Sync + 'static {
    /// Whether another observation of the object tells us nothing new. Audit rewrites every constraint's status each
    /// minute; that must not wake anybody.
    fn same(&self, other: &Self) -> bool;
}

/// What an event changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing that we look at.
    Nothing,
    /// The object of this name: it came, changed or went.
    Object(String),
    /// Any object: the kind was listed anew, or is no longer served.
    Everything,
}

/// The objects of one kind by name. Clones share their content.
pub(crate) struct Cache<T> {
    inner: Arc<RwLock<Inner<T>>>,
}

struct Inner<T> {
    entries: HashMap<String, Arc<T>>,
    listing: HashMap<String, Arc<T>>,
    complete: bool,
}

impl<T> Clone for Cache<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<T: Entry> Cache<T> {
    pub(crate) fn new() -> Self {
        let inner = Inner {
            entries: HashMap::new(),
            listing: HashMap::new(),
            complete: false,
        };
        Self {
            inner: Arc::new(RwLock::new(inner)),
        }
    }

    /// The object of this name. Means nothing while the cache is not complete.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<T>> {
        self.read().entries.get(name).cloned()
    }

    /// All objects.
    pub(crate) fn values(&self) -> Vec<Arc<T>> {
        self.read().entries.values().cloned().collect()
    }

    /// The names of all objects.
    pub(crate) fn names(&self) -> Vec<String> {
        self.read().entries.keys().cloned().collect()
    }

    /// Whether the kind is served and all its objects are here. Only then is an absent object absent.
    pub(crate) fn is_complete(&self) -> bool {
        self.read().complete
    }

    /// The kind is no longer served. Its objects are kept: nothing may be concluded from their absence.
    pub(crate) fn lost(&self) {
        self.write().complete = false;
    }

    /// Takes in an event.
    pub(crate) fn take(&self, event: Event<(String, T)>) -> Change {
        let mut inner = self.write();
        match event {
            Event::Apply((name, value)) => return inner.put(name, value),
            Event::Delete((name, _)) => {
                inner.entries.remove(&name);
                return Change::Object(name);
            }
            Event::Init => inner.listing.clear(),
            Event::InitApply((name, value)) => {
                inner.listing.insert(name, Arc::new(value));
            }
            Event::InitDone => {
                inner.entries = std::mem::take(&mut inner.listing);
                inner.complete = true;
                return Change::Everything;
            }
        }
        Change::Nothing
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner<T>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner<T>> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Entry> Inner<T> {
    fn put(&mut self, name: String, value: T) -> Change {
        let new = Arc::new(value);
        let old = self.entries.insert(name.clone(), Arc::clone(&new));
        if old.is_some_and(|old| old.same(&new)) {
            Change::Nothing
        } else {
            Change::Object(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cache, Change, Entry};
    use kube::runtime::watcher::Event;

    impl Entry for u8 {
        fn same(&self, other: &Self) -> bool {
            self == other
        }
    }

    fn named(name: &str, value: u8) -> (String, u8) {
        (name.to_owned(), value)
    }

    #[test]
    fn only_news_are_news() {
        let cache = Cache::new();
        let a = || Change::Object("a".to_owned());
        assert_eq!(cache.take(Event::Apply(named("a", 1))), a());
        assert_eq!(cache.take(Event::Apply(named("a", 1))), Change::Nothing);
        assert_eq!(cache.take(Event::Apply(named("a", 2))), a());
        assert_eq!(cache.take(Event::Delete(named("a", 2))), a());
        assert!(cache.get("a").is_none());
    }

    #[test]
    fn a_list_replaces_everything_at_once() {
        let cache = Cache::new();
        cache.take(Event::Apply(named("gone", 1)));
        cache.take(Event::Init);
        cache.take(Event::InitApply(named("new", 1)));
        assert!(!cache.is_complete() && cache.get("gone").is_some() && cache.get("new").is_none());
        assert_eq!(cache.take(Event::InitDone), Change::Everything);
        assert!(cache.is_complete() && cache.get("gone").is_none() && cache.get("new").is_some());
    }

    #[test]
    fn a_lost_kind_keeps_its_objects_and_proves_nothing() {
        let cache = Cache::new();
        cache.take(Event::Init);
        cache.take(Event::InitApply(named("a", 1)));
        cache.take(Event::InitDone);
        cache.lost();
        assert!(!cache.is_complete() && cache.get("a").is_some());
    }
}
