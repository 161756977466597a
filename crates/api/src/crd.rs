//! The CRDs, as the API server gets them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt as _;

use crate::{GatewrightStatus, PolicyKind, with_policy_type};

/// The CRDs of all kinds, in the order in which they are documented.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    let policies = PolicyKind::ALL.iter().map(|kind| with_policy_type!(kind, P => P::crd()));
    policies.chain([without_spec(GatewrightStatus::crd())]).map(readable).collect()
}

/// Of an object that only reports there is nothing to specify.
fn without_spec(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let schemas = crd.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut());
    for schema in schemas.filter_map(|schema| schema.open_api_v3_schema.as_mut()) {
        schema.required = None;
        if let Some(properties) = &mut schema.properties {
            properties.remove("spec");
        }
    }
    crd
}

/// `kubectl explain` wraps lines itself and knows no Markdown.
fn readable(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let schemas = crd.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut());
    schemas.filter_map(|schema| schema.open_api_v3_schema.as_mut()).for_each(unwrap_descriptions);
    crd
}

fn unwrap_descriptions(schema: &mut JSONSchemaProps) {
    if let Some(description) = &mut schema.description {
        *description = description.replace('`', "").replace('\n', " ");
    }
    schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(unwrap_descriptions);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        unwrap_descriptions(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        unwrap_descriptions(values);
    }
}

#[cfg(test)]
mod tests {
    use super::crds;

    #[test]
    fn descriptions_are_plain_text_for_people() {
        let text = serde_json::to_string(&crds()).unwrap();
        for line in text.split("\"description\":\"").skip(1) {
            let description = line.split("\",").next().unwrap();
            assert!(!description.contains('`') && !description.contains("\\n"), "{description}");
        }
    }
}
