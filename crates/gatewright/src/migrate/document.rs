//! What `migrate` says: the shape of its JSON.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::edit::Edit;
use crate::cluster::{Unseen, object_name};
use crate::foreign::Foreign;

/// What policies and labels of elsewhere mean here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Migration")]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// `Migration`.
    pub kind: &'static str,
    /// The version of this document's shape.
    pub version: u32,
    /// The objects that were looked at, with what changes.
    pub objects: Vec<Migrated>,
    /// How many objects policies were tried on; none where no policy was tried.
    pub judged: Option<usize>,
    /// How many of them nobody can judge here.
    pub not_judged: usize,
    /// Differences that concern no object in particular.
    pub general: Vec<General>,
    /// Whether there are traces of Deckhouse's module; none where nobody can know.
    pub has_module: Option<bool>,
    /// What has to go before gatewright can be installed.
    pub conflicts: Vec<Conflict>,
    /// What to do, in this order.
    pub order: Vec<Step>,
    /// What another version of gatewright judges otherwise; only with `--to`.
    pub verdicts: Option<Verdicts>,
    /// What the user may not see.
    pub incomplete: Vec<Unseen>,
}

/// The name of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct ObjectName {
    /// The kind.
    pub kind: Foreign,
    /// The namespace; none outside namespaces.
    pub namespace: Option<Foreign>,
    /// The name.
    pub name: Foreign,
}

/// An object, and what becomes of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Migrated {
    /// The object.
    pub object: ObjectName,
    /// Where it comes from: `deckhouse`, `psa` or `gatekeeper-library`.
    pub from: &'static str,
    /// What it has that is replaced; none where it stays as it is.
    pub was: Option<Foreign>,
    /// What takes its place: a policy, or labels; none where nothing does, or where it stays.
    pub becomes: Option<Foreign>,
    /// What else has to be known: why a policy gets another name.
    pub note: Option<Foreign>,
    /// What changes.
    pub differences: Vec<Found>,
}

/// A difference of one object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// The number, as the documentation has it.
    pub id: String,
    /// The field that it is about.
    pub field: Foreign,
    /// When there is this difference.
    pub when: Foreign,
    /// What happens today.
    pub before: Foreign,
    /// What happens with gatewright.
    pub after: Foreign,
    /// What means the same here as today; none where nothing does, or nothing need be done.
    pub same_meaning: Option<SameMeaning>,
    /// The verdict of how many objects it changes; none where that cannot be counted here.
    pub objects: Option<usize>,
}

/// A change after which a policy means what it meant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct SameMeaning {
    /// The change as text.
    pub text: Foreign,
    /// The change as a JSON patch of the object.
    pub patch: Vec<Edit>,
}

/// A difference that concerns no object in particular.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct General {
    /// The number.
    pub id: String,
    /// When there is this difference.
    pub when: String,
    /// What happens today.
    pub before: String,
    /// What happens with gatewright.
    pub after: String,
}

/// Something that has to go first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Conflict {
    /// The object.
    pub object: ObjectName,
    /// More about the object: a scope.
    pub detail: Option<Foreign>,
    /// Why it has to go.
    pub because: &'static str,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Step {
    /// What to do.
    pub what: &'static str,
    /// How, as commands of a shell.
    pub commands: Vec<String>,
}

/// What another version of gatewright judges otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Verdicts {
    /// The version.
    pub version: String,
    /// What it judges otherwise, in the words of the changelog.
    pub changes: Vec<String>,
}

impl ObjectName {
    /// The name, or of an object outside namespaces its kind and name.
    pub fn new(kind: &str, namespace: Option<&str>, name: &str) -> Self {
        Self { kind: kind.into(), namespace: namespace.map(Foreign::from), name: name.into() }
    }

    /// The name of this object.
    pub fn of(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        Self::new(&text(&object["kind"]), metadata["namespace"].as_str(), &text(&metadata["name"]))
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let namespace = self.namespace.as_ref().map(Foreign::raw).unwrap_or_default();
        Foreign::from(object_name(self.kind.raw(), namespace, self.name.raw())).fmt(f)
    }
}

impl Document {
    /// How many objects change their meaning.
    pub fn changed(&self) -> usize {
        self.objects.iter().filter(|it| !it.differences.is_empty()).count()
    }

    /// Whether there is something that somebody has to look at.
    pub fn has_findings(&self) -> bool {
        self.changed() > 0 || !self.conflicts.is_empty()
    }
}
