//! Objects that templates can refer to, and the Namespaces among them.

use std::{
    collections::BTreeMap,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use gatewright_gatekeeper::{Namespace, labels};
use gatewright_rego::{Numbers, object, to_rego};
use serde_json::Value;

use crate::sandbox::Shared;

/// `data.inventory`: `cluster[groupVersion][kind][name]` and `namespace[namespace][groupVersion][kind][name]`.
#[derive(Debug, Default)]
pub struct Inventory {
    objects: BTreeMap<Vec<String>, gatewright_rego::Value>,
    namespaces: BTreeMap<String, KnownNamespace>,
    document: OnceLock<(u64, gatewright_rego::Value)>,
}

/// Each document has a number of its own.
static DOCUMENTS: AtomicU64 = AtomicU64::new(0);

/// A Namespace that was given.
#[derive(Debug)]
pub struct KnownNamespace {
    /// What matching needs of it.
    pub facts: Namespace,
    /// The whole.
    pub object: gatewright_rego::Value,
    /// The same as JSON.
    pub json: Value,
}

impl Inventory {
    /// Adds an object of a cluster, where a Namespace has its name as a label.
    pub fn add_from_cluster(&mut self, object: &Value) {
        let mut object = object.clone();
        label_namespace(&mut object);
        self.add(&object);
    }

    /// Adds an object, or replaces it. What has no version or kind cannot be kept: Gatekeeper refuses it.
    pub fn add(&mut self, object: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let (name, namespace) = (text(&object["metadata"]["name"]), text(&object["metadata"]["namespace"]));
        if version.is_empty() || kind.is_empty() {
            return;
        }
        let value = to_rego(object, Numbers::Floats);
        if version == "v1" && kind == "Namespace" {
            let facts = Namespace { name: name.clone(), labels: labels(&object["metadata"]["labels"]) };
            let known = KnownNamespace { facts, object: value.clone(), json: object.clone() };
            self.namespaces.insert(name.clone(), known);
        }
        let path = if namespace.is_empty() {
            vec!["cluster".to_owned(), version, kind, name]
        } else {
            vec!["namespace".to_owned(), namespace, version, kind, name]
        };
        self.objects.insert(path, value);
        self.document = OnceLock::new();
    }

    /// The Namespace of a name, where it is known.
    pub fn namespace(&self, name: &str) -> Option<&KnownNamespace> {
        self.namespaces.get(name)
    }

    /// The document with its number; built once.
    pub fn document(&self) -> Shared<&gatewright_rego::Value> {
        let (number, value) = self.document.get_or_init(|| {
            let objects = self.objects.iter().map(|(path, object)| (path.as_slice(), object));
            (DOCUMENTS.fetch_add(1, Ordering::Relaxed), nest(&objects.collect::<Vec<_>>(), 0))
        });
        Shared { number: *number, value }
    }
}

/// Gives a Namespace the label that the API server gives to each.
pub fn label_namespace(object: &mut Value) {
    if object["apiVersion"] != "v1" || object["kind"] != "Namespace" {
        return;
    }
    let name = object["metadata"]["name"].clone();
    let labels = &mut object["metadata"]["labels"];
    if name.is_string() && (labels.is_null() || labels.is_object()) {
        labels[NAME_LABEL] = name;
    }
}

const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Objects of the same path up to a depth, as nested objects by the rest of their path. They are in order of path.
fn nest(objects: &[(&[String], &gatewright_rego::Value)], depth: usize) -> gatewright_rego::Value {
    if let [(path, object)] = objects
        && path.len() == depth
    {
        return (*object).clone();
    }
    let groups = objects.chunk_by(|(a, _), (b, _)| a[depth] == b[depth]);
    object(groups.map(|group| (group[0].0[depth].as_str(), nest(group, depth + 1))))
}
