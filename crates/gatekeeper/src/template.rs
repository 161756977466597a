//! `ConstraintTemplate`, as far as we write it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::{Value, json};

use crate::Operation;

/// The group of templates.
pub const TEMPLATE_GROUP: &str = "templates.gatekeeper.sh";
/// The storage version of templates; its schemas are structural.
pub const TEMPLATE_VERSION: &str = "v1";

/// A template: a Rego program and the schema of its constraints' parameters.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConstraintTemplate {
    api_version: String,
    kind: &'static str,
    /// Name, labels and annotations.
    pub metadata: ObjectMeta,
    /// What the template says.
    pub spec: Value,
}

/// Rego for Gatekeeper's engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegoSource {
    version: &'static str,
    rego: String,
    libs: Vec<String>,
}

impl RegoSource {
    /// Rego v1: an entry module that has a rule `violation`, and the modules that it imports. Any other word for the
    /// version would silently mean v0.
    #[must_use]
    pub fn v1(rego: String, libs: Vec<String>) -> Self {
        Self { version: "v1", rego, libs }
    }
}

impl ConstraintTemplate {
    /// A template for constraints of a kind. It judges these operations only: with none it would be asked about
    /// every CONNECT and DELETE that a webhook happens to route.
    #[must_use]
    pub fn new(
        kind: &str,
        title: &str,
        operations: &[Operation],
        parameters: &Value,
        source: &RegoSource,
    ) -> Self {
        let annotations = [("metadata.gatekeeper.sh/title".to_owned(), title.to_owned())];
        Self {
            api_version: format!("{TEMPLATE_GROUP}/{TEMPLATE_VERSION}"),
            kind: "ConstraintTemplate",
            metadata: ObjectMeta {
                name: Some(kind.to_lowercase()),
                annotations: Some(annotations.into()),
                ..ObjectMeta::default()
            },
            spec: json!({
                "crd": {"spec": {
                    "names": {"kind": kind},
                    "validation": {"legacySchema": false, "openAPIV3Schema": parameters},
                }},
                "targets": [{
                    "target": "admission.k8s.gatekeeper.sh",
                    "operations": operations,
                    "code": [{"engine": "Rego", "source": source}],
                }],
            }),
        }
    }
}
