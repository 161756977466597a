//! Which objects a constraint is about: `spec.match`, with Gatekeeper's oddities.

mod why_not;

use serde_json::Value;

use crate::{LabelSelector, Labels, NamespaceGlob, SelectorError};
pub use why_not::{MatchField, WhyNot};

/// Where an object comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::Display, strum::EnumString)]
pub enum Source {
    /// It is what somebody sent or stored.
    #[default]
    Original,
    /// It was made by an `ExpansionTemplate`.
    Generated,
}

/// What matching needs to know of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// The group of `apiVersion`; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.generateName`.
    pub generate_name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.labels`.
    pub labels: Labels,
}

/// The Namespace that a request belongs to, where it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}

/// A `spec.match`. All given parts must hold; an absent or empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher {
    kinds: Vec<Kinds>,
    scope: Scope,
    namespaces: Vec<String>,
    excluded_namespaces: Vec<String>,
    label_selector: Option<LabelSelector>,
    namespace_selector: Option<LabelSelector>,
    name: String,
    source: Option<Source>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kinds {
    groups: Vec<String>,
    kinds: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Scope {
    /// Also what Gatekeeper makes of every word that it does not know.
    #[default]
    Any,
    Cluster,
    Namespaced,
}

/// Gatekeeper cannot tell whether the object is matched, and refuses it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// The Namespace of a namespaced object is not known.
    #[error(
        "error matching the requested object: {0} :failed to run Match criteria: \
         namespace selector for namespace-scoped object but missing Namespace"
    )]
    MissingNamespace(String),
    /// The request has neither an object nor an old object.
    #[error("invalid request object: neither object nor old object are defined")]
    NoObject,
}

impl Candidate {
    /// Reads an object. As in Gatekeeper, what is of a wrong type counts as absent.
    #[must_use]
    pub fn new(object: &Value) -> Self {
        let metadata = &object["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (group, kind) = group_and_kind(object);
        Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
            name: text(&metadata["name"]),
            generate_name: text(&metadata["generateName"]),
            namespace: text(&metadata["namespace"]),
            labels: labels(&metadata["labels"]),
        }
    }

    fn is_namespace(&self) -> bool {
        self.group.is_empty() && self.kind == "Namespace"
    }

    /// The namespace by which the object is judged; none if it is cluster-scoped. A Namespace is judged by its own
    /// name.
    fn judged_namespace<'a>(&'a self, namespace: Option<&'a Namespace>) -> Option<&'a str> {
        match namespace {
            _ if self.is_namespace() => Some(&self.name),
            Some(namespace) => Some(&namespace.name),
            None => (!self.namespace.is_empty()).then_some(self.namespace.as_str()),
        }
    }
}

/// The group and kind of an object; both empty where the `apiVersion` cannot be read.
#[must_use]
pub fn group_and_kind(object: &Value) -> (&str, &str) {
    let kind = object["kind"].as_str().unwrap_or_default();
    match object["apiVersion"].as_str().unwrap_or_default().split('/').collect::<Vec<_>>()[..] {
        [_] => ("", kind),
        [group, _] => (group, kind),
        _ => ("", ""),
    }
}

/// Labels as a map; one value that is no string makes all of them absent.
#[must_use]
pub fn labels(value: &Value) -> Labels {
    let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    value.as_object().and_then(|labels| labels.iter().map(pair).collect()).unwrap_or_default()
}

impl Matcher {
    /// Reads a `spec.match` that its schema has let pass: fields of a wrong type count as absent.
    ///
    /// # Errors
    /// A selector that Kubernetes refuses.
    pub fn parse(spec: &Value) -> Result<Self, SelectorError> {
        Ok(Self {
            kinds: spec["kinds"].as_array().into_iter().flatten().map(Kinds::parse).collect(),
            scope: match spec["scope"].as_str() {
                Some("Cluster") => Scope::Cluster,
                Some("Namespaced") => Scope::Namespaced,
                _ => Scope::Any,
            },
            namespaces: texts(&spec["namespaces"]),
            excluded_namespaces: texts(&spec["excludedNamespaces"]),
            label_selector: selector(spec, "labelSelector")?,
            namespace_selector: selector(spec, "namespaceSelector")?,
            name: spec["name"].as_str().unwrap_or_default().to_owned(),
            source: spec["source"].as_str().and_then(|source| source.parse().ok()),
        })
    }

    /// Reads the `match` of a constraint's spec. One that cannot be read matches everything, as an absent one does: it is
    /// better to name a constraint too many.
    #[must_use]
    pub fn of_spec(spec: &Value) -> Self {
        Self::parse(&spec["match"]).unwrap_or_default()
    }

    /// Whether the object or the old object of a request is matched.
    ///
    /// # Errors
    /// There is neither, or the Namespace is needed and not known.
    pub fn matches_any<'a>(
        &self,
        objects: impl IntoIterator<Item = &'a Candidate>,
        namespace: Option<&Namespace>,
        source: Source,
    ) -> Result<bool, MatchError> {
        let mut none = true;
        for object in objects {
            none = false;
            if self.matches(object, namespace, source)? {
                return Ok(true);
            }
        }
        if none { Err(MatchError::NoObject) } else { Ok(false) }
    }

    /// Whether an object is matched.
    ///
    /// # Errors
    /// The Namespace is needed and not known.
    pub fn matches(
        &self,
        object: &Candidate,
        namespace: Option<&Namespace>,
        source: Source,
    ) -> Result<bool, MatchError> {
        Ok(self.first_miss(object, namespace, source)?.is_none())
    }

    /// The first part that leaves an object out.
    fn first_miss(
        &self,
        object: &Candidate,
        namespace: Option<&Namespace>,
        source: Source,
    ) -> Result<Option<MatchField>, MatchError> {
        let judged = object.judged_namespace(namespace);
        let listed = |patterns: &[String]| judged.is_some_and(|name| first_listed(patterns, name).is_some());
        let in_namespaces = || self.namespaces.is_empty() || judged.is_none() || listed(&self.namespaces);
        let has_labels =
            || self.label_selector.as_ref().is_none_or(|selector| selector.matches(&object.labels));
        let missed = |holds: bool, field: MatchField| (!holds).then_some(field);
        let by_object = missed(self.matches_kind(&object.group, &object.kind), MatchField::Kinds)
            .or_else(|| missed(self.matches_scope(object, namespace), MatchField::Scope))
            .or_else(|| missed(in_namespaces(), MatchField::Namespaces))
            .or_else(|| missed(!listed(&self.excluded_namespaces), MatchField::ExcludedNamespaces))
            .or_else(|| missed(has_labels(), MatchField::LabelSelector));
        if by_object.is_some() {
            return Ok(by_object);
        }
        let has_namespace_labels = self.matches_namespace_labels(object, namespace)?;
        Ok(missed(has_namespace_labels, MatchField::NamespaceSelector)
            .or_else(|| missed(self.matches_name(object), MatchField::Name))
            .or_else(|| missed(self.source.is_none_or(|wanted| wanted == source), MatchField::Source)))
    }

    /// Whether objects that stand in a namespace can be matched, whatever they are.
    #[must_use]
    pub fn reaches(&self, namespace: &Namespace) -> bool {
        (self.namespaces.is_empty() || listed(&self.namespaces, &namespace.name))
            && !listed(&self.excluded_namespaces, &namespace.name)
            && self.namespace_selector.as_ref().is_none_or(|selector| selector.matches(&namespace.labels))
    }

    /// Whether objects that stand in no namespace can be matched.
    #[must_use]
    pub fn reaches_beyond_namespaces(&self) -> bool {
        self.allows_scope(false)
    }

    /// Whether objects can be matched that stand in namespaces, or outside of these.
    #[must_use]
    pub fn allows_scope(&self, namespaced: bool) -> bool {
        match self.scope {
            Scope::Any => true,
            Scope::Cluster => !namespaced,
            Scope::Namespaced => namespaced,
        }
    }

    /// Whether objects in some namespaces of this name can be matched. Selectors by label may or may not reach these, so
    /// they count as reaching.
    #[must_use]
    pub fn may_reach(&self, namespaces: &NamespaceGlob<'_>) -> bool {
        let mut excluded = self.excluded_namespaces.iter().map(|pattern| NamespaceGlob::new(pattern));
        let mut named = self.namespaces.iter().map(|pattern| NamespaceGlob::new(pattern));
        !excluded.any(|pattern| pattern.covers(namespaces))
            && (self.namespaces.is_empty() || named.any(|pattern| pattern.overlaps(namespaces)))
    }

    /// Whether objects of a kind can be matched.
    #[must_use]
    pub fn matches_kind(&self, group: &str, kind: &str) -> bool {
        let any = |list: &[String], word: &str| {
            list.is_empty() || list.iter().any(|entry| entry == "*" || entry == word)
        };
        self.kinds.is_empty()
            || self.kinds.iter().any(|entry| any(&entry.kinds, kind) && any(&entry.groups, group))
    }

    /// The kinds that it is limited to; none if it matches any kind.
    #[must_use]
    pub fn named_kinds(&self) -> Option<Vec<&str>> {
        let open = |entry: &Kinds| entry.kinds.is_empty() || entry.kinds.iter().any(|kind| kind == "*");
        let limited = !self.kinds.is_empty() && !self.kinds.iter().any(open);
        limited.then(|| self.kinds_by_name().collect())
    }

    /// The kinds that it names, whatever else it matches.
    pub fn kinds_by_name(&self) -> impl Iterator<Item = &str> {
        let kinds = self.kinds.iter().flat_map(|entry| &entry.kinds).map(String::as_str);
        kinds.filter(|kind| *kind != "*")
    }

    /// Whether it names this kind; a wildcard names nothing.
    #[must_use]
    pub fn names_kind(&self, group: &str, kind: &str) -> bool {
        let any_group =
            |list: &[String]| list.is_empty() || list.iter().any(|entry| entry == "*" || entry == group);
        self.kinds
            .iter()
            .any(|entry| any_group(&entry.groups) && entry.kinds.iter().any(|named| named == kind))
    }

    fn matches_scope(&self, object: &Candidate, namespace: Option<&Namespace>) -> bool {
        let cluster = object.is_namespace() || (object.namespace.is_empty() && namespace.is_none());
        self.allows_scope(!cluster)
    }

    fn matches_namespace_labels(
        &self,
        object: &Candidate,
        namespace: Option<&Namespace>,
    ) -> Result<bool, MatchError> {
        let Some(selector) = &self.namespace_selector else { return Ok(true) };
        match namespace {
            _ if object.is_namespace() => Ok(selector.matches(&object.labels)),
            Some(namespace) => Ok(selector.matches(&namespace.labels)),
            None if object.namespace.is_empty() => Ok(true),
            None => Err(MatchError::MissingNamespace(object.name.clone())),
        }
    }

    /// A generated name is known by its start only: patterns that are open at the end can match it.
    fn matches_name(&self, object: &Candidate) -> bool {
        let glob = NamespaceGlob::new(&self.name);
        self.name.is_empty()
            || glob.matches(&object.name)
            || (self.name.ends_with('*') && glob.matches(&object.generate_name))
    }
}

impl Kinds {
    fn parse(entry: &Value) -> Self {
        Self { groups: texts(&entry["apiGroups"]), kinds: texts(&entry["kinds"]) }
    }
}

fn listed(patterns: &[String], name: &str) -> bool {
    first_listed(patterns, name).is_some()
}

/// The first pattern that a name matches.
fn first_listed<'a>(patterns: &'a [String], name: &str) -> Option<&'a String> {
    patterns.iter().find(|pattern| NamespaceGlob::new(pattern).matches(name))
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

fn selector(spec: &Value, field: &str) -> Result<Option<LabelSelector>, SelectorError> {
    let selector = spec.get(field).map(LabelSelector::parse).transpose();
    selector.map_err(|error| SelectorError { pointer: format!("/{field}{}", error.pointer), ..error })
}
