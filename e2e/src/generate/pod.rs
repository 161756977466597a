//! Random Pods: a good one, and a few edits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::sample::select;
use proptest::strategy::{Strategy, Union};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{legal, patch};

/// Patches by topic.
type Topics = BTreeMap<String, Vec<Value>>;

/// The tables of `pods.yaml`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Tables {
    bases: BTreeMap<String, Value>,
    container: Topics,
    sidecar: Topics,
    pod: Topics,
    metadata: Topics,
    odd_spellings: Topics,
    refused_by_api_server: Topics,
    refused_metadata: Topics,
}

#[expect(clippy::expect_used, reason = "a part of the program; a test reads it")]
static TABLES: LazyLock<Tables> =
    LazyLock::new(|| serde_saphyr::from_str(include_str!("pods.yaml")).expect("pods.yaml"));

/// Who gets the Pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A real API server, which refuses what is not valid.
    ApiServer,
    /// An engine, which must cope with anything.
    Engine,
}

/// The lists of containers, with the greatest number that a random Pod has of each.
const LISTS: [(&str, usize); 3] = [("initContainers", 2), ("containers", 2), ("ephemeralContainers", 1)];

/// What an edit changes.
#[derive(Clone, Copy, Debug)]
enum Place {
    Metadata,
    Spec,
    /// The container of this number, of all lists together, modulo how many there are.
    Container(usize),
    /// Every container.
    Containers,
    Sidecar,
}

/// A change of a Pod.
#[derive(Clone, Debug)]
pub struct Edit(Place, Value);

/// What a Pod is made of.
#[derive(Clone, Debug)]
pub struct Recipe {
    base: Value,
    counts: [usize; 3],
    edits: Vec<Edit>,
    audience: Audience,
}

/// Random Pods in the namespace of the rules' cases.
pub fn pods(audience: Audience) -> impl Strategy<Value = Value> {
    recipes(audience).prop_map(|recipe| recipe.pod())
}

/// What random Pods are made of.
pub fn recipes(audience: Audience) -> impl Strategy<Value = Recipe> {
    let bases: Vec<_> = TABLES.bases.values().cloned().collect();
    let ephemeral = if audience == Audience::ApiServer { 0 } else { LISTS[2].1 };
    let counts = (0..=LISTS[0].1, 1..=LISTS[1].1, 0..=ephemeral);
    // Half of the Pods have at most one edit: what is nearly good shows which control decides.
    let edits = Union::new([vec(edit(audience), 0..=1), vec(edit(audience), 2..=5)]);
    (select(bases), counts, edits).prop_map(move |(base, (init, regular, ephemeral), edits)| Recipe {
        base,
        counts: [init, regular, ephemeral],
        edits,
        audience,
    })
}

/// Random changes of Pods.
pub fn edit(audience: Audience) -> impl Strategy<Value = Edit> {
    let one = [0, 1, 2].map(Place::Container);
    let refused = u32::from(audience == Audience::Engine);
    let tables = [
        (4, &TABLES.container, one.to_vec()),
        (1, &TABLES.container, vec![Place::Containers]),
        (4, &TABLES.pod, vec![Place::Spec]),
        (1, &TABLES.metadata, vec![Place::Metadata]),
        (1, &TABLES.sidecar, vec![Place::Sidecar]),
        (refused, &TABLES.odd_spellings, one.to_vec()),
        (refused, &TABLES.refused_by_api_server, vec![Place::Spec]),
        (refused, &TABLES.refused_metadata, vec![Place::Metadata]),
    ];
    let edits = |places, table| (select(places), topics(table)).prop_map(|(place, patch)| Edit(place, patch));
    let possible = tables.into_iter().filter(|(weight, ..)| *weight > 0);
    Union::new_weighted(possible.map(|(weight, table, places)| (weight, edits(places, table))).collect())
}

fn topics(topics: &Topics) -> Union<impl Strategy<Value = Value> + use<>> {
    Union::new(topics.values().cloned().map(select))
}

impl Recipe {
    /// The same with more edits.
    pub fn edited(&self, more: &[Edit]) -> Self {
        Self { edits: [&self.edits, more].concat(), ..self.clone() }
    }

    /// The Pod.
    pub fn pod(&self) -> Value {
        let mut pod = self.base.clone();
        let container = pod["spec"]["containers"][0].take();
        for ((list, _), count) in LISTS.iter().zip(self.counts) {
            if count > 0 {
                pod["spec"][list] = (0..count).map(|i| named(&container, list, i)).collect();
            }
        }
        for Edit(place, change) in &self.edits {
            edit_pod(&mut pod, *place, change);
        }
        tidy(&mut pod["spec"]);
        if self.audience == Audience::ApiServer {
            legal::legalise(&mut pod["spec"]);
        }
        let metadata = json!({"name": "random", "namespace": gatewright_rules::cases::NAMESPACE});
        patch::apply(&mut pod, &json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata}));
        pod
    }
}

/// `i0`, `c0`, `e0` and so on: by the first letter of the list.
fn named(container: &Value, list: &str, index: usize) -> Value {
    let mut container = container.clone();
    container["name"] = json!(format!("{}{index}", &list[..1]));
    container
}

fn edit_pod(pod: &mut Value, place: Place, change: &Value) {
    match place {
        Place::Metadata => patch::apply(&mut pod["metadata"], change),
        Place::Spec => patch::apply(&mut pod["spec"], change),
        Place::Containers => containers(&mut pod["spec"]).for_each(|(_, it)| patch::apply(it, change)),
        Place::Container(number) => {
            let count = containers(&mut pod["spec"]).count().max(1);
            if let Some((_, it)) = containers(&mut pod["spec"]).nth(number % count) {
                patch::apply(it, change);
            }
        }
        Place::Sidecar => {
            let mut all = containers(&mut pod["spec"]);
            if let Some((_, it)) = all.find(|(list, _)| *list == "initContainers") {
                patch::apply(it, change);
            }
        }
    }
}

/// All containers with their list, the regular ones first.
pub(super) fn containers(spec: &mut Value) -> impl Iterator<Item = (&'static str, &mut Value)> {
    let fields = spec.as_object_mut().into_iter().flatten();
    let mut found: Vec<_> = fields
        .filter_map(|(name, items)| {
            let (list, _) = LISTS.into_iter().find(|(list, _)| list == name)?;
            Some(items.as_array_mut()?.iter_mut().map(move |item| (list, item)))
        })
        .flatten()
        .collect();
    found.sort_by_key(|(list, _)| *list != "containers");
    found.into_iter()
}

/// Numbers volumes, and lets mounts name them.
fn tidy(spec: &mut Value) {
    let volumes = spec.get_mut("volumes").and_then(Value::as_array_mut);
    let names: Vec<_> = volumes
        .into_iter()
        .flatten()
        .enumerate()
        .map(|(i, volume)| {
            let prefix = volume["name"].as_str().unwrap_or("v");
            volume["name"] = json!(format!("{prefix}{i}"));
            volume["name"].clone()
        })
        .collect();
    for (_, container) in containers(spec) {
        let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) else { continue };
        for (mount, name) in mounts.iter_mut().zip(names.iter().cycle()) {
            mount["name"] = name.clone();
        }
        mounts.retain(|mount| mount["name"].is_string());
        unique(mounts, |mount| mount["mountPath"].clone());
    }
}

/// Keeps the first of those with the same key.
pub(super) fn unique(items: &mut Vec<Value>, key: impl Fn(&Value) -> Value) {
    let mut seen = BTreeSet::new();
    items.retain(|item| seen.insert(key(item).to_string()));
}
