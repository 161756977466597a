//! The kinds of reports, and what is known of those that are in the API.

use kube::Client;
use kube::core::DynamicObject;
use kube::runtime::watcher;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::NAME;
use super::content::fingerprint;
use super::told::Told;
use crate::watch::cache::{Cache, Change, Entry, Knowledge};
use crate::watch::live::Live;
use crate::watch::report_kind::{CLUSTER, NAMESPACED, ReportKind};
use crate::watch::{Changes, Id, Key, Kind, Source, keep_filled};

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
    /// What is known of the report of a namespace, or with an empty name of the one of the cluster.
    pub(crate) fn seen(&self, namespace: &str) -> Option<Seen> {
        self.cache.get(&key(namespace)).map(|seen| *seen)
    }

    /// The namespaces with a report of ours; an empty name for the cluster's.
    pub(crate) fn present(&self) -> Vec<String> {
        let ours = self.cache.names_of(|seen| seen.ours);
        ours.iter()
            .map(|key| key.strip_suffix(NAME).unwrap_or(key).trim_end_matches('/').to_owned())
            .collect()
    }
}

/// Under which name the cache has the report of a namespace, or with an empty name that of the cluster.
pub(crate) fn key(namespace: &str) -> String {
    if namespace.is_empty() { NAME.to_owned() } else { format!("{namespace}/{NAME}") }
}

/// Which kind of report is to be written.
pub(crate) enum Preferred<'a> {
    /// The API server has not told yet what it serves.
    Unknown,
    /// It serves none, or not to us.
    None,
    Kind(&'a Watched),
}

/// The kind to write: the first that is served.
pub(crate) fn preferred(watched: &[Watched]) -> Preferred<'_> {
    for one in watched {
        match one.cache.knowledge() {
            Knowledge::Unknown => return Preferred::Unknown,
            Knowledge::Complete => return Preferred::Kind(one),
            Knowledge::Absent => {}
        }
    }
    Preferred::None
}

/// All reports, and what was last made of audit's results.
pub(crate) struct Reports {
    pub(crate) namespaced: Vec<Watched>,
    pub(crate) cluster: Vec<Watched>,
    /// None until all is known that reports are made from.
    pub(crate) told: watch::Sender<Option<Told>>,
    _watches: JoinSet<()>,
}

impl Reports {
    /// Starts to watch every kind, also those that are not to be written: what is left of an earlier time must go.
    pub(crate) fn watch(client: &Client, changes: &Changes) -> Self {
        let mut tasks = JoinSet::new();
        let mut watched = |kinds: &'static [ReportKind]| -> Vec<Watched> {
            let kinds = kinds.iter();
            kinds.map(|kind| Watched { kind, cache: follow(kind, client, changes, &mut tasks) }).collect()
        };
        let (namespaced, cluster) = (watched(&NAMESPACED), watched(&CLUSTER));
        Self { namespaced, cluster, told: watch::Sender::new(None), _watches: tasks }
    }

    /// Every kind with what is known of it.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Watched> {
        self.namespaced.iter().chain(&self.cluster)
    }
}

fn follow(
    kind: &'static ReportKind,
    client: &Client,
    changes: &Changes,
    tasks: &mut JoinSet<()>,
) -> Cache<Seen> {
    let (cache, changes) = (Cache::new(), changes.clone());
    let config = watcher::Config::default().fields(&format!("metadata.name={NAME}")).page_size(PAGE);
    let source = Source {
        client: client.clone(),
        api: Id::new(Kind::Report(kind), NAME).api(client),
        resource: kind.resource(),
        config,
    };
    let changed = move |change| {
        changes.send(Key::Reports);
        // Which kind is written is told.
        if change == Change::Everything {
            changes.send(Key::System);
        }
    };
    tasks.spawn(keep_filled(source, cache.clone(), Seen::from, changed));
    cache
}

/// Reports may be large.
const PAGE: u32 = 50;
