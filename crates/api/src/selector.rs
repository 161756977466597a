//! What a policy applies to: `spec.match`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{LabelKey, LabelValue, NamespacePattern};
use crate::{Field, List};

/// What the policy applies to. All given parts must hold. To Gatekeeper an empty list or selector means
/// everything, so empty parts are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.namespaceSelector) || has(self.labelSelector)")
    .message("match selects nothing: give namespaceSelector, labelSelector or both"))]
pub struct Match {
    /// The namespaces that the policy reaches. System namespaces are reached only where matchNames names them.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub namespace_selector: Field<NamespaceSelector>,
    /// The object's own labels. For a Deployment these are the Deployment's, not those of its Pods.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub label_selector: Field<LabelSelector>,
}

/// Namespaces by name and by label. All given parts must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.matchNames) || has(self.excludeNames) || has(self.labelSelector)")
    .message("namespaceSelector is empty: give at least one of matchNames, excludeNames and labelSelector"))]
pub struct NamespaceSelector {
    /// Names or globs (* at either end) of the namespaces to reach.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[x_kube(validation = Rule::new("self.size() > 0")
        .message("matchNames is empty: list at least one namespace, or leave the field out"))]
    pub match_names: Field<List<NamespacePattern>>,
    /// Names or globs (* at either end) of the namespaces to leave out.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[x_kube(validation = Rule::new("self.size() > 0")
        .message("excludeNames is empty: list at least one namespace, or leave the field out"))]
    pub exclude_names: Field<List<NamespacePattern>>,
    /// The labels of the namespaces to reach.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub label_selector: Field<LabelSelector>,
}

/// A label selector of Kubernetes, which must not be empty. All parts must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new(
        "(has(self.matchLabels) && self.matchLabels.size() > 0) || (has(self.matchExpressions) && self.matchExpressions.size() > 0)")
    .message("labelSelector is empty: give at least one label or expression"))]
pub struct LabelSelector {
    /// Labels that the object must have, with these values.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(schema_with = "match_labels_schema")]
    pub match_labels: Field<BTreeMap<LabelKey, LabelValue>>,
    /// Requirements on labels.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub match_expressions: Field<List<LabelSelectorRequirement, 64>>,
}

/// Keys of a map have no schema of their own, so the rule on them stands on the map.
fn match_labels_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "nullable": true,
        "maxProperties": 64,
        "additionalProperties": generator.subschema_for::<LabelValue>(),
        "x-kubernetes-validations": [{
            "rule": format!("self.all(key, key.matches(r'{}'))", LabelKey::PATTERN),
            "message": "a label key is a name of at most 63 letters, digits, dashes, dots and underscores, \
                        with an optional DNS prefix and a slash before it",
        }],
    })
}

/// One requirement on a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("self.operator in ['In', 'NotIn'] ? (has(self.values) && self.values.size() > 0) : !has(self.values) || self.values.size() == 0")
    .message("In and NotIn need values, Exists and DoesNotExist take none"))]
pub struct LabelSelectorRequirement {
    /// The label's key.
    pub key: LabelKey,
    /// How the label's value relates to the values.
    pub operator: SelectorOperator,
    /// The values of In and NotIn.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub values: Field<List<LabelValue, 64>>,
}

/// How a label's value relates to a requirement's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::AsRefStr)]
pub enum SelectorOperator {
    /// The label is there with one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl From<&LabelSelector> for meta::LabelSelector {
    fn from(selector: &LabelSelector) -> Self {
        let labels = |labels: &BTreeMap<LabelKey, LabelValue>| {
            labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
        };
        Self {
            match_labels: selector.match_labels.value().map(labels),
            match_expressions: selector
                .match_expressions
                .value()
                .map(|list| list.iter().map(Into::into).collect()),
        }
    }
}

impl From<&LabelSelectorRequirement> for meta::LabelSelectorRequirement {
    fn from(requirement: &LabelSelectorRequirement) -> Self {
        Self {
            key: requirement.key.to_string(),
            operator: requirement.operator.as_ref().to_owned(),
            values: requirement.values.value().map(|values| values.iter().map(ToString::to_string).collect()),
        }
    }
}
