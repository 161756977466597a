//! Random policies: each field absent, empty or filled.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gatewright_api::PolicyKind;
use proptest::collection::vec;
use proptest::option;
use proptest::sample::{select, subsequence};
use proptest::strategy::{BoxedStrategy, Strategy, Union};
use serde::Deserialize;
use serde_json::{Value, json};

/// The tables of `policies.yaml`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Tables {
    actions: Vec<String>,
    /// The fields of each kind, by its name.
    fields: BTreeMap<String, BTreeMap<String, Choice>>,
    namespace_selectors: Vec<Value>,
    label_selectors: Vec<Value>,
}

/// The values that a field can have.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Choice {
    /// One of these.
    One(Vec<Value>),
    /// A list of any of these, in any order.
    Some(Vec<Value>),
}

#[expect(clippy::expect_used, reason = "a part of the program; a test reads it")]
static TABLES: LazyLock<Tables> =
    LazyLock::new(|| serde_saphyr::from_str(include_str!("policies.yaml")).expect("policies.yaml"));

/// A policy without a name.
#[derive(Clone, Debug)]
pub struct RandomPolicy {
    /// Its kind.
    pub kind: PolicyKind,
    /// Its `spec`.
    pub spec: Value,
}

/// Random policies of a kind, as the API server accepts them and as they compile.
pub fn policies(kind: PolicyKind) -> impl Strategy<Value = RandomPolicy> {
    let actions = select(TABLES.actions.clone());
    (actions, matches(), rules(&TABLES.fields[kind.name()])).prop_map(move |(action, r#match, rules)| {
        RandomPolicy { kind, spec: json!({"enforcementAction": action, "match": r#match, "policies": rules}) }
    })
}

impl RandomPolicy {
    /// The policy under a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Value {
        json!({
            "apiVersion": "deckhouse.io/v1alpha1", "kind": self.kind.as_ref(),
            "metadata": {"name": name}, "spec": self.spec,
        })
    }
}

/// One to six fields.
fn rules(fields: &BTreeMap<String, Choice>) -> impl Strategy<Value = Value> + use<> {
    let field = Union::new(fields.iter().map(|(name, choice)| {
        let name = name.clone();
        choice.values().prop_map(move |value| (name.clone(), value))
    }));
    vec(field, 1..=6).prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

impl Choice {
    fn values(&self) -> BoxedStrategy<Value> {
        match self {
            Self::One(values) => select(values.clone()).boxed(),
            Self::Some(entries) => subsequence(entries.clone(), 0..=entries.len().min(4))
                .prop_shuffle()
                .prop_map(Value::Array)
                .boxed(),
        }
    }
}

/// Most policies reach the objects; the others show that they do not.
fn matches() -> impl Strategy<Value = Value> {
    let everything = select(TABLES.namespace_selectors[..1].to_vec());
    let namespaces =
        Union::new_weighted(vec![(2, everything), (1, select(TABLES.namespace_selectors.clone()))]);
    let labels = option::weighted(0.2, select(TABLES.label_selectors.clone()));
    (namespaces, labels).prop_map(|(namespaces, labels)| {
        let mut r#match = json!({"namespaceSelector": namespaces});
        if let Some(labels) = labels {
            r#match["labelSelector"] = labels;
        }
        r#match
    })
}
