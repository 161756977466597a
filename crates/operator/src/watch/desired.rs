//! Objects as they should be, and how those in the API differ from them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::core::DynamicObject;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::watch::kind::{Id, Kind};
use crate::watch::live::{Content, Live, Obstacle};

/// An object as it should be in the API: all that we set of it, and nothing that we do not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prepared {
    pub(crate) id: Id,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) owners: Vec<OwnerReference>,
    pub(crate) content: Content,
    /// The generation of the policy that it was made from, if it was made from one.
    pub(crate) generation: Option<i64>,
}

/// An object that is in the API as it should be. Only [`Prepared::compare`] makes one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Applied {
    live: Arc<Live>,
}

/// What a comparison with the API finds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    /// The object is as it should be.
    Applied(Applied),
    /// It is not, and may be written.
    Differs(Write),
    /// It must not be written.
    Blocked(Obstacle),
}

/// What has to be written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Write {
    /// The object is not there.
    Create,
    /// The object is there, and differs.
    Update {
        /// As it is.
        live: Arc<Live>,
        /// From what it should be.
        difference: Difference,
    },
}

impl Applied {
    /// The object as it is in the API.
    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.live
    }
}

impl Prepared {
    /// Prepares any object that we write. This cannot fail: an object that could not be prepared would be taken for one
    /// that should not be there.
    pub(crate) fn new(kind: Kind, metadata: &ObjectMeta, manifest: &impl Serialize) -> Self {
        let mut manifest = json!(manifest);
        let content = match kind.content() {
            Some(field) => manifest[field].take(),
            None => manifest,
        };
        Self {
            id: Id {
                kind,
                namespace: metadata.namespace.clone().unwrap_or_default(),
                name: metadata.name.clone().unwrap_or_default(),
            },
            labels: metadata.labels.clone().unwrap_or_default(),
            annotations: metadata.annotations.clone().unwrap_or_default(),
            owners: metadata.owner_references.clone().unwrap_or_default(),
            content: Content::new(&content),
            generation: None,
        }
    }

    /// Made from this generation of a policy.
    pub(crate) fn made_from(self, generation: Option<i64>) -> Self {
        Self { generation, ..self }
    }

    /// What is in the API under this name, as far as it is what we would have set.
    fn of_live(id: Id, live: &Live, labels: &[&str]) -> Self {
        let is_set = |key: &String| labels.contains(&key.as_str());
        let labels = live.labels.iter().filter(|(key, _)| is_set(key));
        Self {
            id,
            labels: labels.map(|(key, value)| (key.clone(), value.clone())).collect(),
            annotations: BTreeMap::new(),
            owners: live.owners.clone(),
            content: live.spec.clone(),
            generation: None,
        }
    }

    /// What an earlier process applied, if the live object still is that: its hash is all that is left of it. `labels`
    /// are those that we set on such objects.
    pub(crate) fn restored(id: Id, live: &Live, labels: &[&str], hash: &str) -> Option<Self> {
        Some(Self::of_live(id, live, labels)).filter(|found| found.hash() == hash)
    }

    /// A digest of all that is compared: 32 hexadecimal digits.
    pub(crate) fn hash(&self) -> String {
        let Self { id: _, labels, annotations, owners, content, generation: _ } = self;
        let compared = json!([labels, annotations, owners]).to_string() + content.text();
        let mut hash = digest(&compared);
        hash.truncate(32);
        hash
    }

    /// The object to send.
    pub(crate) fn object(&self) -> DynamicObject {
        let Self { id, labels, annotations, owners, content, generation: _ } = self;
        let mut object = DynamicObject::new(&id.name, &id.kind.resource());
        object.metadata.namespace = Some(id.namespace.clone()).filter(|namespace| !namespace.is_empty());
        object.metadata.labels = Some(labels.clone()).filter(|labels| !labels.is_empty());
        object.metadata.annotations = Some(annotations.clone()).filter(|all| !all.is_empty());
        object.metadata.owner_references = Some(owners.clone()).filter(|owners| !owners.is_empty());
        object.data = match id.kind.content() {
            Some(field) => json!({ field: content.value() }),
            None => content.value(),
        };
        object
    }

    /// Compares with what is in the API.
    pub(crate) fn compare(&self, live: Option<&Arc<Live>>) -> Found {
        let Some(live) = live else { return Found::Differs(Write::Create) };
        if let Some(obstacle) = live.obstacle() {
            return Found::Blocked(obstacle);
        }
        let difference = Difference::between(live, self);
        let live = Arc::clone(live);
        if difference.fields.is_empty() {
            Found::Applied(Applied { live })
        } else {
            Found::Differs(Write::Update { live, difference })
        }
    }
}

/// How a live object differs from the desired one: the paths of the fields, and whether fields must go, which
/// server-side apply would leave standing where another manager owns them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) fields: Vec<String>,
    pub(crate) surplus: bool,
}

impl Difference {
    /// Compares the whole content and the owners, and of labels and annotations what we set.
    fn between(live: &Live, desired: &Prepared) -> Self {
        let mut difference = Self::default();
        if live.spec != desired.content {
            let path = desired.id.kind.content().unwrap_or("report");
            difference.compare(path, &live.spec.value(), &desired.content.value());
        }
        for (what, live, desired) in [
            ("labels", &live.labels, &desired.labels),
            ("annotations", &live.annotations, &desired.annotations),
        ] {
            let lacking = desired.iter().filter(|(key, value)| live.get(*key) != Some(value));
            difference.fields.extend(lacking.map(|(key, _)| format!("metadata.{what}[{key}]")));
        }
        difference.compare_owners(&live.owners, &desired.owners);
        difference
    }

    /// An owner too many would take the object along when it goes.
    fn compare_owners(&mut self, live: &[OwnerReference], desired: &[OwnerReference]) {
        let has_all = desired.iter().all(|owner| live.contains(owner));
        if !has_all || live.len() > desired.len() {
            self.fields.push("metadata.ownerReferences".to_owned());
            // Applied owners are merged by uid: others would stay.
            self.surplus |= !live.is_empty();
        }
    }

    fn compare(&mut self, path: &str, live: &Value, desired: &Value) {
        if let (Value::Object(live), Value::Object(desired)) = (live, desired) {
            for (name, value) in desired {
                self.compare(&format!("{path}.{name}"), live.get(name).unwrap_or(&Value::Null), value);
            }
            for name in live.keys().filter(|name| !desired.contains_key(*name)) {
                self.fields.push(format!("{path}.{name}"));
                self.surplus = true;
            }
        } else if live != desired {
            self.fields.push(path.to_owned());
        }
    }
}

/// The SHA-256 of some bytes, as 64 hexadecimal digits.
pub(crate) fn digest(text: impl AsRef<[u8]>) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(text.as_ref()) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests;
