//! The reports that are in the API.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use gatewright_api::names::{BUILTIN, OWNER_LABEL};
use kube::Client;
use kube::core::DynamicObject;
use kube::runtime::watcher;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::names::{FIELD_MANAGER, REPORT as NAME};
use crate::watch::cache::{Cache, Change, Entry};
use crate::watch::follow::{Source, keep_filled};
use crate::watch::key::{Changes, Key};
use crate::watch::kind::{Id, Kind};
use crate::watch::live::Live;
use crate::watch::published::{Published, ReportsOutcome};
use crate::watch::report_kind::{CLUSTER, NAMESPACED, ReportKind};

/// Reports may be large: lists of them are taken in pages of this size.
const PAGE: u32 = 50;

/// A report in the API. Its results are looked up when they are needed; there may be very many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) ours: bool,
    pub(crate) fingerprint: u64,
}

impl From<DynamicObject> for Seen {
    fn from(object: DynamicObject) -> Self {
        let Live { ours, labels, spec, .. } = Live::from(object);
        Self { ours, fingerprint: fingerprint(&labels, spec.value()) }
    }
}

impl Entry for Seen {
    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

/// A kind of report and all reports of it that have our name.
pub(crate) struct Watched {
    pub(crate) kind: &'static ReportKind,
    pub(crate) cache: Cache<Seen>,
}

impl Watched {
    /// The reports that have our name, whosever they are.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (Id, Seen)> {
        let id = |key: String| Id {
            kind: Kind::Report(self.kind),
            namespace: key.split_once('/').map(|(namespace, _)| namespace.to_owned()).unwrap_or_default(),
            name: NAME.to_owned(),
        };
        let seen = move |key: String| self.cache.get(&key).map(|seen| (id(key), *seen));
        self.cache.names().into_iter().filter_map(seen)
    }
}

/// The labels of every report of ours.
pub(crate) fn labels() -> BTreeMap<String, String> {
    [(OWNER_LABEL, BUILTIN), ("app.kubernetes.io/managed-by", FIELD_MANAGER)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// All that we set in a report, as a number; but for the times, which differ only where something else does.
pub(crate) fn fingerprint(found: &BTreeMap<String, String>, mut content: Value) -> u64 {
    for result in results(&mut content) {
        take_time(result);
    }
    let mut hasher = DefaultHasher::new();
    for key in labels().keys() {
        found.get(key).hash(&mut hasher);
    }
    content.hash(&mut hasher);
    hasher.finish()
}

/// The results of a report.
pub(crate) fn results(content: &mut Value) -> impl Iterator<Item = &mut Value> {
    content.get_mut("results").and_then(Value::as_array_mut).into_iter().flatten()
}

/// Takes the time out of a result.
pub(crate) fn take_time(result: &mut Value) -> Option<Value> {
    result.as_object_mut()?.remove("timestamp")
}

/// All reports, and what became of them.
pub(crate) struct Reports {
    pub(crate) namespaced: Vec<Watched>,
    pub(crate) cluster: Vec<Watched>,
    /// What became of them; nothing until all is known that reports are made from.
    pub(crate) outcome: Published<ReportsOutcome>,
    watches: JoinSet<()>,
}

impl Reports {
    /// Nothing is known yet, and nothing is watched.
    pub(crate) fn new() -> Self {
        let unknown = |kinds: &'static [ReportKind]| {
            kinds.iter().map(|kind| Watched { kind, cache: Cache::new() }).collect()
        };
        Self {
            namespaced: unknown(&NAMESPACED),
            cluster: unknown(&CLUSTER),
            outcome: Published::default(),
            watches: JoinSet::new(),
        }
    }

    /// Starts to watch every kind, also those that are not to be written: what is left of an earlier time must go.
    pub(crate) fn watch(&mut self, client: &Client, changes: &Changes) {
        for watched in self.namespaced.iter().chain(&self.cluster) {
            self.watches.spawn(watched.follow(client, changes.clone()));
        }
    }

    /// Every kind with what is known of it.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Watched> {
        self.namespaced.iter().chain(&self.cluster)
    }
}

impl Watched {
    fn follow(&self, client: &Client, changes: Changes) -> impl Future<Output = ()> + use<> {
        let source = Source {
            client: client.clone(),
            api: Id::new(Kind::Report(self.kind), NAME).api(client),
            resource: self.kind.resource(),
            config: watcher::Config::default().fields(&format!("metadata.name={NAME}")).page_size(PAGE),
            schemas: None,
        };
        let notify = move |change| {
            changes.send(Key::Reports);
            // The status says which kind is written.
            if change == Change::Everything {
                changes.send(Key::System);
            }
        };
        keep_filled(source, self.cache.clone(), Seen::from, notify)
    }
}
