//! Random objects of every kind that policies look at.

use std::sync::LazyLock;

use gatewright_rules::cases::NAMESPACE;
use gatewright_rules::kinds::{CONTROLLERS, Kind};
use proptest::collection::vec;
use proptest::sample::{select, subsequence};
use proptest::strategy::{Just, Strategy, Union};
use serde::Deserialize;
use serde_json::{Value, json};

use super::patch;
use super::pod::{Audience, edit, pods, recipes};

/// A kind of `objects.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    base: Value,
    patches: Vec<Value>,
}

#[expect(clippy::expect_used, reason = "a part of the program; a test reads it")]
static TABLES: LazyLock<Vec<Table>> =
    LazyLock::new(|| serde_saphyr::from_str(include_str!("objects.yaml")).expect("objects.yaml"));

/// An object before and after an UPDATE.
#[derive(Clone, Debug)]
pub struct Update {
    /// Before.
    pub old: Value,
    /// After.
    pub new: Value,
}

/// What a controller says beside its template.
#[derive(Clone, Debug)]
struct Controller {
    kind: Kind,
    patches: Vec<Value>,
}

/// Random Pods, and controllers of all kinds.
pub fn workloads(audience: Audience) -> impl Strategy<Value = Value> {
    Union::new_weighted(vec![(1, pods(audience).boxed()), (2, controlled(audience).boxed())])
}

/// Random controllers of all kinds.
pub(super) fn controlled(audience: Audience) -> impl Strategy<Value = Value> {
    (controllers(), pods(audience)).prop_map(|(controller, pod)| controller.around(&pod))
}

/// Random objects that are no workloads: Services, Ingresses, Roles, claims and so on.
pub fn objects() -> impl Strategy<Value = Value> {
    Union::new(TABLES.iter().map(|table| patched(&table.base, &table.patches)))
}

/// Random UPDATEs, most of them small: of workloads, and of other objects.
pub fn updates() -> impl Strategy<Value = Update> {
    let edits = vec(edit(Audience::Engine), 0..=2);
    let controller =
        Union::new_weighted(vec![(1, Just(None).boxed()), (2, controllers().prop_map(Some).boxed())]);
    let workloads =
        (recipes(Audience::Engine), edits, controller, select(ASIDE.to_vec()), select(vec![false, true]))
            .prop_map(|(recipe, edits, controller, aside, swapped)| {
                let changed = recipe.edited(&edits);
                let [old, mut new] = [recipe, changed].map(|recipe| {
                    let pod = recipe.pod();
                    controller.as_ref().map_or(pod.clone(), |controller| controller.around(&pod))
                });
                patch::apply(&mut new["metadata"], &metadata(aside));
                if swapped { Update { old: new, new: old } } else { Update { old, new } }
            });
    let others = Union::new(TABLES.iter().map(|table| {
        let of_kind = || patched(&table.base, &table.patches);
        (of_kind(), of_kind()).prop_map(|(old, new)| Update { old, new })
    }));
    Union::new_weighted(vec![(3, workloads.boxed()), (1, others.boxed())])
}

/// Changes of metadata that no rule may take for more than they are.
const ASIDE: [&str; 4] = ["nothing", "label", "finalizer", "deletion"];

fn metadata(aside: &str) -> Value {
    match aside {
        "label" => json!({"labels": {"edited": "yes"}}),
        "finalizer" => json!({"finalizers": ["example.com/hold"]}),
        "deletion" => json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        _ => json!({}),
    }
}

fn patched(base: &Value, patches: &[Value]) -> impl Strategy<Value = Value> + use<> {
    let base = base.clone();
    let most = patches.len().min(3);
    subsequence(patches.to_vec(), 0..=most).prop_map(move |patches| {
        let mut object = base.clone();
        for change in &patches {
            patch::apply(&mut object, change);
        }
        object
    })
}

fn controllers() -> impl Strategy<Value = Controller> {
    let claim = |class: &str| {
        json!({"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
            "storageClassName": class, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        }}]})
    };
    let patches = vec![
        json!({"replicas": 0}),
        json!({"replicas": 5}),
        json!({"revisionHistoryLimit": 2}),
        json!({"revisionHistoryLimit": 20}),
        claim("fast"),
        claim("slow"),
    ];
    (select(CONTROLLERS.to_vec()), subsequence(patches, 0..=2))
        .prop_map(|(kind, patches)| Controller { kind, patches })
}

impl Controller {
    /// The controller whose template is the Pod.
    fn around(&self, pod: &Value) -> Value {
        let template = json!({
            "metadata": {"labels": pod["metadata"]["labels"], "annotations": pod["metadata"]["annotations"]},
            "spec": pod["spec"],
        });
        let mut spec = match &*self.kind.kind {
            "CronJob" => json!({"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}),
            _ => json!({"template": template}),
        };
        for change in &self.patches {
            if applies(&self.kind.kind, change) {
                patch::apply(&mut spec, change);
            }
        }
        let group = &self.kind.group;
        let api_version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        let labels = &pod["metadata"]["labels"];
        let mut metadata = json!({"name": "random", "namespace": NAMESPACE});
        if labels.is_object() {
            metadata["labels"] = labels.clone();
        }
        json!({"apiVersion": api_version, "kind": self.kind.kind, "metadata": metadata, "spec": spec})
    }
}

/// Whether the kind has the field.
fn applies(kind: &str, change: &Value) -> bool {
    let has = |field: &str| change.get(field).is_some();
    match kind {
        "StatefulSet" => true,
        "Deployment" => !has("volumeClaimTemplates"),
        "ReplicationController" => has("replicas"),
        "DaemonSet" => has("revisionHistoryLimit"),
        _ => false,
    }
}
