//! What a watch has seen, reduced to what we need of it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kube::runtime::watcher::Event;

/// An entry of a cache.
pub(crate) trait Entry: Send + Sync + 'static {
    /// Whether another observation of the object says nothing new. Audit rewrites every constraint's status each
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

/// What is known of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// Nobody has asked the API server yet, or it has not answered. Nothing may be concluded.
    #[default]
    Unknown,
    /// The API server does not serve the kind, or not to us.
    Absent,
    /// All objects of the kind are here. Only now is an absent object absent.
    Complete,
}

/// The objects of one kind by name. Clones share their content.
pub(crate) struct Cache<T> {
    inner: Arc<RwLock<Inner<T>>>,
}

struct Inner<T> {
    entries: HashMap<String, Arc<T>>,
    listing: HashMap<String, Arc<T>>,
    knowledge: Knowledge,
    schema: Option<String>,
}

impl<T> Clone for Cache<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: Entry> Cache<T> {
    pub(crate) fn new() -> Self {
        let inner = Inner {
            entries: HashMap::new(),
            listing: HashMap::new(),
            knowledge: Knowledge::Unknown,
            schema: None,
        };
        Self { inner: Arc::new(RwLock::new(inner)) }
    }

    /// The object of this name. That there is none means nothing while the cache is not complete.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<T>> {
        self.read().entries.get(name).cloned()
    }

    /// Whether there is no object. That means nothing while the cache is not complete.
    pub(crate) fn is_empty(&self) -> bool {
        self.read().entries.is_empty()
    }

    /// All objects.
    pub(crate) fn values(&self) -> Vec<Arc<T>> {
        self.read().entries.values().cloned().collect()
    }

    /// The names of all objects.
    pub(crate) fn names(&self) -> Vec<String> {
        self.read().entries.keys().cloned().collect()
    }

    /// The names of all objects that are like this.
    pub(crate) fn names_of(&self, is: impl Fn(&T) -> bool) -> Vec<String> {
        let inner = self.read();
        inner.entries.iter().filter(|(_, value)| is(value)).map(|(name, _)| name.clone()).collect()
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.read().entries.len()
    }

    pub(crate) fn knowledge(&self) -> Knowledge {
        self.read().knowledge
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.knowledge() == Knowledge::Complete
    }

    /// The address of the kind's schema that was served when the objects were listed, where it was known.
    pub(crate) fn schema(&self) -> Option<String> {
        self.read().schema.clone()
    }

    /// All objects were listed while the schema at this address was served.
    pub(crate) fn listed_under(&self, schema: Option<String>) {
        self.write().schema = schema;
    }

    /// The kind is not served. Its objects are kept: nothing may be concluded from their absence.
    pub(crate) fn absent(&self) -> Change {
        let before = std::mem::replace(&mut self.write().knowledge, Knowledge::Absent);
        if before == Knowledge::Absent { Change::Nothing } else { Change::Everything }
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
                inner.knowledge = Knowledge::Complete;
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
        if old.is_some_and(|old| old.same(&new)) { Change::Nothing } else { Change::Object(name) }
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
        assert_eq!((cache.absent(), cache.absent()), (Change::Everything, Change::Nothing));
        assert!(!cache.is_complete() && cache.get("a").is_some());
    }
}
