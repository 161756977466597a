//! Other people's constraints, as far as it matters which requests they judge.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::source::TemplateSource;

/// What a constraint matches by the kind of the object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct KindMatch {
    kinds: Vec<Kinds>,
    scope: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Kinds {
    api_groups: Vec<String>,
    kinds: Vec<String>,
}

/// A constraint of a template that is not ours.
#[derive(Clone, Copy, Debug)]
pub struct UserConstraint<'a> {
    /// The constraint's name.
    pub name: &'a str,
    /// What its template shows.
    pub template: &'a TemplateSource,
    /// What it matches.
    pub matches: &'a KindMatch,
}

impl KindMatch {
    /// Reads the spec of a constraint. One that cannot be read matches everything, as an absent one does: it is
    /// better to name a constraint too many.
    #[must_use]
    pub fn new(spec: &Value) -> Self {
        Self::deserialize(&spec["match"]).unwrap_or_default()
    }

    /// Whether objects of a kind are matched. As in Gatekeeper, an empty list or a star means any, and any scope but
    /// the two known ones means both.
    #[must_use]
    pub fn is_about(&self, group: &str, kind: &str, namespaced: bool) -> bool {
        let in_scope = match self.scope.as_str() {
            "Namespaced" => namespaced,
            "Cluster" => !namespaced,
            _ => true,
        };
        let has = |list: &[String], one: &str| {
            list.is_empty() || list.iter().any(|entry| entry == "*" || entry == one)
        };
        let of_kind = |entry: &Kinds| has(&entry.api_groups, group) && has(&entry.kinds, kind);
        in_scope && (self.kinds.is_empty() || self.kinds.iter().any(of_kind))
    }
}

impl UserConstraint<'_> {
    /// Whether the constraint names the kind itself, not just by a star.
    pub(crate) fn names(&self, group: &str, kind: &str) -> bool {
        self.matches.kinds.iter().any(|entry| {
            let in_group = entry.api_groups.is_empty()
                || entry.api_groups.iter().any(|found| found == "*" || found == group);
            in_group && entry.kinds.iter().any(|found| found == kind)
        })
    }

    /// The kinds that the constraint names.
    pub fn named_kinds(&self) -> impl Iterator<Item = &String> {
        self.matches.kinds.iter().flat_map(|entry| &entry.kinds).filter(|kind| *kind != "*")
    }
}

impl fmt::Display for UserConstraint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.template.kind, self.name)
    }
}
