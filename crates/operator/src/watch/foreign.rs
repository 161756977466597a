//! Other people's constraints: whom the routing of requests must serve, and whom it must not wake.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use gatewright_gatekeeper::Matcher;
use kube::core::DynamicObject;
use kube::runtime::watcher;
use kube::{Api, Client};
use tokio::task::JoinSet;

use crate::watch::cache::{Cache, Entry, Knowledge};
use crate::watch::follow::{Source, keep_filled};
use crate::watch::key::{Changes, Key};
use crate::watch::kind::constraint_resource;

/// A watch for each constraint kind of somebody else's template. Of a constraint only the kinds that it matches are
/// kept.
pub(crate) struct ForeignConstraints {
    client: Client,
    changes: Changes,
    watched: Mutex<BTreeMap<String, Watched>>,
}

struct Watched {
    cache: Cache<Matcher>,
    /// Ends when it is dropped.
    _watch: JoinSet<()>,
}

impl Entry for Matcher {
    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

impl ForeignConstraints {
    pub(crate) fn new(client: Client, changes: Changes) -> Self {
        Self { client, changes, watched: Mutex::new(BTreeMap::new()) }
    }

    /// The constraints of these kinds, by kind and name. They are watched from the first time on that they are asked
    /// for; kinds that are no longer asked for are let go. None until every kind is known.
    pub(crate) fn of(&self, kinds: &BTreeSet<String>) -> Option<Vec<(String, String, Arc<Matcher>)>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|kind, _| kinds.contains(kind));
        for kind in kinds {
            watched.entry(kind.clone()).or_insert_with(|| self.watch(kind));
        }
        if watched.values().any(|one| one.cache.knowledge() == Knowledge::Unknown) {
            return None;
        }
        let of_kind = |(kind, one): (&String, &Watched)| {
            let named = |name: String| Some((kind.clone(), name.clone(), one.cache.get(&name)?));
            one.cache.names().into_iter().filter_map(named).collect::<Vec<_>>()
        };
        Some(watched.iter().flat_map(of_kind).collect())
    }

    fn watch(&self, kind: &str) -> Watched {
        let (cache, changes) = (Cache::new(), self.changes.clone());
        let resource = constraint_resource(kind);
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        // Gatekeeper gives every constraint kind the same `match`.
        let source = Source {
            client: self.client.clone(),
            api,
            resource,
            config: watcher::Config::default(),
            schemas: None,
        };
        let reduce = |object: DynamicObject| Matcher::of_spec(&object.data["spec"]);
        let mut watch = JoinSet::new();
        watch.spawn(keep_filled(source, cache.clone(), reduce, move |_| changes.send(Key::Routing)));
        Watched { cache, _watch: watch }
    }
}

#[cfg(test)]
mod tests {
    use crate::watch::fixtures::world;
    use std::collections::BTreeSet;

    #[tokio::test]
    async fn kinds_are_known_once_all_of_them_are() {
        let (world, _) = world();
        let kinds = |names: &[&str]| -> BTreeSet<String> { names.iter().map(ToString::to_string).collect() };
        assert_eq!(world.foreign.of(&kinds(&[])), Some(vec![]), "there is nothing to know");
        assert_eq!(world.foreign.of(&kinds(&["K", "L"])), None, "nobody has listed them");
        // Kinds that nobody asks for any more are let go.
        assert_eq!(world.foreign.of(&kinds(&[])), Some(vec![]));
    }
}
