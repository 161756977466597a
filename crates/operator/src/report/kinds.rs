//! The kinds of reports, and what is known of those that are in the API.

use kube::api::ApiResource;
use kube::core::{DynamicObject, GroupVersionKind};
use kube::runtime::watcher;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::NAME;
use super::content::fingerprint;
use super::told::Told;
use crate::cache::{Cache, Change, Entry, Knowledge};
use crate::live::Live;
use crate::queue::{Key, Requests};
use crate::watch::{Source, keep_filled};

/// A kind of report.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) kind: &'static str,
    plural: &'static str,
    group: &'static str,
    version: &'static str,
    /// Whether it is one of openreports.io.
    pub(crate) open: bool,
}

const fn open(kind: &'static str, plural: &'static str) -> Kind {
    Kind { kind, plural, group: "openreports.io", version: "v1alpha1", open: true }
}

const fn policy(kind: &'static str, plural: &'static str) -> Kind {
    Kind { kind, plural, group: "wgpolicyk8s.io", version: "v1alpha2", open: false }
}

/// Those for namespaces and those for what stands in none, each in the order in which they are preferred: the group
/// wgpolicyk8s.io is no longer worked on and names openreports.io as what follows it.
static NAMESPACED: [Kind; 2] = [open("Report", "reports"), policy("PolicyReport", "policyreports")];
static CLUSTER: [Kind; 2] =
    [open("ClusterReport", "clusterreports"), policy("ClusterPolicyReport", "clusterpolicyreports")];

impl Kind {
    fn resource(&self) -> ApiResource {
        let kind = GroupVersionKind::gvk(self.group, self.version, self.kind);
        ApiResource { plural: self.plural.to_owned(), ..ApiResource::from_gvk(&kind) }
    }

    /// The kind with its group, for people.
    pub(crate) fn name(&self) -> String {
        format!("{} of {}", self.kind, self.group)
    }

    /// Where the reports of a namespace live, or with an empty name those of the cluster.
    pub(crate) fn api(&self, client: Client, namespace: &str) -> Api<DynamicObject> {
        let resource = self.resource();
        if namespace.is_empty() {
            return Api::all_with(client, &resource);
        }
        Api::namespaced_with(client, namespace, &resource)
    }

    /// A report.
    pub(crate) fn object(&self, namespace: &str) -> DynamicObject {
        let object = DynamicObject::new(NAME, &self.resource());
        if namespace.is_empty() { object } else { object.within(namespace) }
    }
}

/// A report in the API. Its results are looked up when they are needed; there may be very many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) ours: bool,
    pub(crate) fingerprint: u64,
}

impl From<DynamicObject> for Seen {
    fn from(object: DynamicObject) -> Self {
        let Live { ours, labels, spec, .. } = Live::from(object);
        Self { ours, fingerprint: fingerprint(&labels, spec) }
    }
}

impl Entry for Seen {
    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

/// A kind of report and all reports of it that have our name.
pub(crate) struct Watched {
    pub(crate) kind: &'static Kind,
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
    pub(crate) fn watch(client: &Client, requests: &Requests) -> Self {
        let mut watches = JoinSet::new();
        let mut watched = |kinds: &'static [Kind]| -> Vec<Watched> {
            let kinds = kinds.iter();
            kinds.map(|kind| Watched { kind, cache: follow(kind, client, requests, &mut watches) }).collect()
        };
        let (namespaced, cluster) = (watched(&NAMESPACED), watched(&CLUSTER));
        Self { namespaced, cluster, told: watch::Sender::new(None), _watches: watches }
    }

    /// Every kind with what is known of it.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Watched> {
        self.namespaced.iter().chain(&self.cluster)
    }
}

fn follow(
    kind: &'static Kind,
    client: &Client,
    requests: &Requests,
    watches: &mut JoinSet<()>,
) -> Cache<Seen> {
    let (cache, requests) = (Cache::new(), requests.clone());
    let config = watcher::Config::default().fields(&format!("metadata.name={NAME}")).page_size(PAGE);
    let source = Source {
        client: client.clone(),
        api: kind.api(client.clone(), ""),
        resource: kind.resource(),
        config,
    };
    let changed = move |change| {
        requests.wake_reports();
        // Which kind is written is told.
        if change == Change::Everything {
            requests.send(Key::System);
        }
    };
    watches.spawn(keep_filled(source, cache.clone(), Seen::from, changed));
    cache
}

/// Reports may be large.
const PAGE: u32 = 50;
