//! Why a constraint's `spec.match` leaves an object out.

use strum::{Display, IntoStaticStr};

use super::{Candidate, Kinds, Matcher, Namespace, Scope, Source, first_listed};

/// A part of `spec.match`. As a text it is the name of the field in a constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, IntoStaticStr)]
#[strum(serialize_all = "camelCase")]
pub enum MatchField {
    /// The kind of the object.
    Kinds,
    /// Whether the object stands in a namespace.
    Scope,
    /// The name of the namespace.
    Namespaces,
    /// The name of the namespace, which must not be listed.
    ExcludedNamespaces,
    /// The labels of the object.
    LabelSelector,
    /// The labels of the namespace.
    NamespaceSelector,
    /// The name of the object.
    Name,
    /// Where the object comes from.
    Source,
}

impl MatchField {
    /// The field of a constraint.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The same below `spec.match` of our policies, which have other names for some fields.
    #[must_use]
    pub fn of_policy(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaceSelector.matchNames",
            Self::ExcludedNamespaces => "namespaceSelector.excludeNames",
            Self::NamespaceSelector => "namespaceSelector.labelSelector",
            Self::Kinds | Self::Scope | Self::LabelSelector | Self::Name | Self::Source => self.name(),
        }
    }
}

/// Why an object is left out, the first part of `spec.match` that does not hold for it; or which part chose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyNot {
    /// The part.
    pub field: MatchField,
    /// What would do, each of it alone. Of excluded namespaces the pattern that leaves the object out.
    pub wants: Vec<String>,
    /// What the object, or its namespace, has.
    pub has: String,
}

impl Matcher {
    /// Why an object is not matched; none exactly where it is. Where [`Matcher::matches`] fails, because the Namespace is
    /// needed and not known, that is the reason.
    #[must_use]
    pub fn why_not(
        &self,
        object: &Candidate,
        namespace: Option<&Namespace>,
        source: Source,
    ) -> Option<WhyNot> {
        match self.first_miss(object, namespace, source) {
            Ok(None) => None,
            Ok(Some(field)) => Some(self.explained(field, object, namespace, source)),
            Err(_) => Some(WhyNot {
                field: MatchField::NamespaceSelector,
                wants: vec!["the labels of the namespace".to_owned()],
                has: "a namespace that is not known".to_owned(),
            }),
        }
    }

    /// Which part chose an object that is matched: the narrowest of those that are given, beside kinds and scope; none where
    /// there is no such part.
    #[must_use]
    pub fn chosen_by(&self, object: &Candidate, namespace: Option<&Namespace>) -> Option<WhyNot> {
        let judged = object.judged_namespace(namespace);
        let labels = namespace.filter(|_| !object.is_namespace()).map(|namespace| &namespace.labels);
        let by_labels = |field, selector: &crate::LabelSelector, labels| {
            let (wants, has) = selector.explained(labels);
            (!wants.is_empty()).then(|| WhyNot { field, wants: vec![wants], has })
        };
        let of_object = self
            .label_selector
            .as_ref()
            .and_then(|selector| by_labels(MatchField::LabelSelector, selector, &object.labels));
        let of_namespace = || {
            let labels = labels.unwrap_or(&object.labels);
            by_labels(MatchField::NamespaceSelector, self.namespace_selector.as_ref()?, labels)
        };
        let named = || {
            let pattern = first_listed(&self.namespaces, judged?)?.clone();
            Some(WhyNot { field: MatchField::Namespaces, wants: vec![pattern], has: judged?.to_owned() })
        };
        of_object.or_else(of_namespace).or_else(named)
    }

    fn explained(
        &self,
        field: MatchField,
        object: &Candidate,
        namespace: Option<&Namespace>,
        source: Source,
    ) -> WhyNot {
        let judged = object.judged_namespace(namespace).unwrap_or_default();
        let (wants, has) = match field {
            MatchField::Kinds => self.kinds_for(object),
            MatchField::Scope => scopes(self.scope),
            MatchField::Namespaces => (self.namespaces.clone(), judged.to_owned()),
            MatchField::ExcludedNamespaces => {
                let pattern = first_listed(&self.excluded_namespaces, judged);
                (pattern.into_iter().cloned().collect(), judged.to_owned())
            }
            MatchField::LabelSelector => {
                one(self.label_selector.as_ref().and_then(|selector| selector.why_not(&object.labels)))
            }
            MatchField::NamespaceSelector => {
                let labels = namespace.filter(|_| !object.is_namespace()).map(|namespace| &namespace.labels);
                let labels = labels.unwrap_or(&object.labels);
                one(self.namespace_selector.as_ref().and_then(|selector| selector.why_not(labels)))
            }
            MatchField::Name if object.name.is_empty() => {
                (vec![self.name.clone()], format!("{}*", object.generate_name))
            }
            MatchField::Name => (vec![self.name.clone()], object.name.clone()),
            MatchField::Source => (self.source.iter().map(ToString::to_string).collect(), source.to_string()),
        };
        WhyNot { field, wants, has }
    }

    /// The kinds that are matched, and that of the object: in the plural, or with their groups where the group makes the
    /// difference.
    fn kinds_for(&self, object: &Candidate) -> (Vec<String>, String) {
        let same_kind = |entry: &Kinds| entry.kinds.iter().any(|kind| *kind == object.kind || kind == "*");
        let by_group = self.kinds.iter().any(|entry| entry.kinds.is_empty() || same_kind(entry));
        let has = if by_group { qualified(&object.group, &object.kind) } else { plural(&object.kind) };
        let mut wants = vec![];
        for entry in &self.kinds {
            for word in entry.words(by_group) {
                if !wants.contains(&word) {
                    wants.push(word);
                }
            }
        }
        (wants, has)
    }
}

impl Kinds {
    fn words(&self, by_group: bool) -> Vec<String> {
        let any = vec!["*".to_owned()];
        let kinds = if self.kinds.is_empty() { &any } else { &self.kinds };
        if !by_group {
            return kinds.iter().map(|kind| plural(kind)).collect();
        }
        let groups = if self.groups.is_empty() { &any } else { &self.groups };
        groups.iter().flat_map(|group| kinds.iter().map(move |kind| qualified(group, kind))).collect()
    }
}

fn qualified(group: &str, kind: &str) -> String {
    if group.is_empty() { format!("core {kind}") } else { format!("{group}/{kind}") }
}

/// Several objects of a kind, as people write it.
fn plural(kind: &str) -> String {
    if kind.ends_with("ss") || kind.ends_with('x') {
        return format!("{kind}es");
    }
    match kind.strip_suffix('y') {
        _ if kind.ends_with('s') || kind == "*" => kind.to_owned(),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{kind}s"),
    }
}

fn scopes(wanted: Scope) -> (Vec<String>, String) {
    let (inside, outside) = ("objects in namespaces", "objects outside of namespaces");
    let (wants, has) = if wanted == Scope::Cluster { (outside, inside) } else { (inside, outside) };
    (vec![wants.to_owned()], has.to_owned())
}

fn one(found: Option<(String, String)>) -> (Vec<String>, String) {
    found.map(|(wants, has)| (vec![wants], has)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::{Candidate, Matcher, Namespace, Source, labels};
    use super::MatchField;

    fn object(object: &Value) -> Candidate {
        Candidate::new(object)
    }

    fn pod() -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop", "labels": {"app": "web"}}})
    }

    fn shop() -> Namespace {
        Namespace { name: "shop".to_owned(), labels: labels(&json!({"tier": "web"})) }
    }

    #[test]
    fn the_part_that_leaves_an_object_out_is_named_with_what_it_wants_and_what_there_is() {
        let selector = |expression: Value| json!({"matchExpressions": [expression]});
        let rbac =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}});
        let other_group =
            json!({"apiVersion": "x.io/v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}});
        for (of, matcher, expected) in [
            (pod(), json!({}), None),
            (
                rbac,
                json!({"kinds": [{"apiGroups": [""], "kinds": ["Pod", "Ingress", "NetworkPolicy", "Gateway"]}]}),
                Some("kinds: Pods, Ingresses, NetworkPolicies, Gateways / ConfigMaps"),
            ),
            (
                other_group,
                json!({"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}),
                Some("kinds: core Pod / x.io/Pod"),
            ),
            (
                pod(),
                json!({"scope": "Cluster"}),
                Some("scope: objects outside of namespaces / objects in namespaces"),
            ),
            (pod(), json!({"namespaces": ["a", "b-*"]}), Some("namespaces: a, b-* / shop")),
            (pod(), json!({"excludedNamespaces": ["a", "sh*"]}), Some("excludedNamespaces: sh* / shop")),
            (
                pod(),
                json!({"labelSelector": {"matchLabels": {"app": "db"}}}),
                Some("labelSelector: app=db / app=web"),
            ),
            (
                pod(),
                json!({"namespaceSelector": {"matchLabels": {"tier": "pci"}}}),
                Some("namespaceSelector: tier=pci / tier=web"),
            ),
            (
                pod(),
                json!({"labelSelector": selector(json!({"key": "app", "operator": "NotIn", "values": ["web", "x"]}))}),
                Some("labelSelector: app notin (web, x) / app=web"),
            ),
            (
                pod(),
                json!({"labelSelector": selector(json!({"key": "team", "operator": "Exists"}))}),
                Some("labelSelector: a label team / no label team"),
            ),
            (
                pod(),
                json!({"labelSelector": selector(json!({"key": "app", "operator": "DoesNotExist"}))}),
                Some("labelSelector: no label app / app=web"),
            ),
            (pod(), json!({"name": "db-*"}), Some("name: db-* / web-0")),
            (pod(), json!({"source": "Generated"}), Some("source: Generated / Original")),
        ] {
            let matcher = Matcher::parse(&matcher).unwrap();
            let found = matcher.why_not(&object(&of), Some(&shop()), Source::Original);
            let said =
                found.map(|found| format!("{}: {} / {}", found.field, found.wants.join(", "), found.has));
            assert_eq!(said.as_deref(), expected, "{matcher:?}");
        }
    }

    #[test]
    fn the_narrowest_part_that_chose_an_object_is_named() {
        let by_label = json!({"matchLabels": {"app": "web"}});
        let of_namespace =
            json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["pci"]}]});
        for (matcher, expected) in [
            (json!({"kinds": [{"apiGroups": ["*"], "kinds": ["*"]}], "scope": "Namespaced"}), None),
            (json!({"namespaces": ["a", "sh*"]}), Some("namespaces: sh* / shop")),
            (
                json!({"namespaces": ["shop"], "namespaceSelector": of_namespace}),
                Some("namespaceSelector: tier!=pci / tier=web"),
            ),
            (
                json!({"namespaces": ["shop"], "namespaceSelector": of_namespace, "labelSelector": by_label}),
                Some("labelSelector: app=web / app=web"),
            ),
            (json!({"labelSelector": {}, "namespaces": ["shop"]}), Some("namespaces: shop / shop")),
        ] {
            let matcher = Matcher::parse(&matcher).unwrap();
            let found = matcher.chosen_by(&object(&pod()), Some(&shop()));
            let said =
                found.map(|found| format!("{}: {} / {}", found.field, found.wants.join(", "), found.has));
            assert_eq!(said.as_deref(), expected, "{matcher:?}");
        }
    }

    #[test]
    fn a_namespace_is_judged_by_its_own_labels() {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"tier": "db"}}});
        let matcher =
            Matcher::parse(&json!({"namespaceSelector": {"matchLabels": {"tier": "pci"}}})).unwrap();
        let found = matcher.why_not(&object(&namespace), None, Source::Original).unwrap();
        assert_eq!((found.field, found.has.as_str()), (MatchField::NamespaceSelector, "tier=db"));
    }

    #[test]
    fn an_unknown_namespace_is_a_reason_as_it_is_an_error() {
        let matcher =
            Matcher::parse(&json!({"namespaceSelector": {"matchLabels": {"tier": "pci"}}})).unwrap();
        assert!(matcher.matches(&object(&pod()), None, Source::Original).is_err());
        let found = matcher.why_not(&object(&pod()), None, Source::Original).unwrap();
        assert_eq!(found.has, "a namespace that is not known");
    }

    /// The words of a small world, in which much matches and much does not.
    fn word() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["a", "b", "ab", "a*", "*b", "*", "Namespace", "Pod"])
    }

    fn words() -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(word(), 0..3)
    }

    fn label_selector() -> impl Strategy<Value = Value> {
        let operator = prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist"]);
        (prop::sample::select(vec!["a", "b"]), operator, prop::sample::select(vec!["x", "y"])).prop_map(
            |(key, operator, value)| {
                let values = if operator.ends_with("In") { vec![value] } else { vec![] };
                json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]})
            },
        )
    }

    fn matchers() -> impl Strategy<Value = Value> {
        let kinds =
            (words(), words()).prop_map(|(groups, kinds)| json!([{"apiGroups": groups, "kinds": kinds}]));
        let scope = prop::sample::select(vec!["*", "Cluster", "Namespaced"]);
        let source = prop::sample::select(vec!["All", "Original", "Generated"]);
        let selectors = (prop::option::of(label_selector()), prop::option::of(label_selector()));
        (prop::option::of(kinds), scope, words(), words(), selectors, prop::option::of(word()), source)
            .prop_map(|(kinds, scope, namespaces, excluded, (labels, of_namespace), name, source)| {
                let mut matcher = json!({
                    "kinds": kinds.unwrap_or_else(|| json!([])), "scope": scope, "namespaces": namespaces,
                    "excludedNamespaces": excluded, "name": name, "source": source,
                });
                for (field, selector) in [("labelSelector", labels), ("namespaceSelector", of_namespace)] {
                    if let Some(selector) = selector {
                        matcher[field] = selector;
                    }
                }
                matcher
            })
    }

    fn object_labels() -> impl Strategy<Value = Value> {
        prop::collection::btree_map("[ab]", "[xy]", 0..3).prop_map(|labels| json!(labels))
    }

    fn objects() -> impl Strategy<Value = Value> {
        let kind = prop::sample::select(vec!["Pod", "Namespace", "a"]);
        (prop::sample::select(vec!["v1", "a/v1"]), kind, "a?b?", "a?b?", object_labels()).prop_map(
            |(api_version, kind, name, namespace, labels)| {
                let metadata = json!({"name": name, "namespace": namespace, "labels": labels});
                json!({"apiVersion": api_version, "kind": kind, "metadata": metadata})
            },
        )
    }

    proptest! {
        #[test]
        fn there_is_no_reason_exactly_where_it_matches(
            matcher in matchers(),
            of in objects(),
            namespace in prop::option::of(("[ab]{1,2}", object_labels())),
            generated in any::<bool>(),
        ) {
            let matcher = Matcher::parse(&matcher).unwrap();
            let source = if generated { Source::Generated } else { Source::Original };
            let namespace = namespace.map(|(name, of)| Namespace { name, labels: labels(&of) });
            let matches = matcher.matches(&object(&of), namespace.as_ref(), source);
            let found = matcher.why_not(&object(&of), namespace.as_ref(), source);
            prop_assert_eq!(found.is_none(), matches == Ok(true));
            if let Some(found) = found {
                prop_assert!(!found.wants.is_empty(), "{:?}", found);
            }
        }
    }
}
