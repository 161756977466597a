//! The CRDs, as the API server gets them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt as _;
use serde_json::json;

use crate::{ConditionType, GatewrightStatus, PolicyKind, Reason};

/// The CRDs of all kinds, in the order in which they are documented.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    let policies = PolicyKind::ALL.iter().map(|kind| with_policy_type!(kind, P => pending(P::crd())));
    policies.chain([without_spec(GatewrightStatus::crd())]).map(readable).collect()
}

fn schemas(crd: &mut CustomResourceDefinition) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let schemas = crd.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut());
    schemas.filter_map(|schema| schema.open_api_v3_schema.as_mut())
}

/// A policy that no operator has looked at says so itself: the API server fills in the status where there is none.
/// The default has to stand at both levels, since a default of a field counts only in an object that is there.
fn pending(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let condition = json!({
        "type": ConditionType::Ready.as_str(), "status": "Unknown", "reason": Reason::Pending.as_str(),
        "message": "no operator has looked at this policy yet", "lastTransitionTime": "1970-01-01T00:00:00Z",
    });
    for schema in schemas(&mut crd) {
        let Some(status) = property(schema, "status") else { continue };
        status.default = Some(JSON(json!({})));
        if let Some(conditions) = property(status, "conditions") {
            conditions.default = Some(JSON(json!([condition])));
        }
    }
    crd
}

fn property<'a>(schema: &'a mut JSONSchemaProps, name: &str) -> Option<&'a mut JSONSchemaProps> {
    schema.properties.as_mut()?.get_mut(name)
}

/// Of an object that only reports there is nothing to specify.
fn without_spec(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for schema in schemas(&mut crd) {
        schema.required = None;
        if let Some(properties) = &mut schema.properties {
            properties.remove("spec");
        }
    }
    crd
}

/// `kubectl explain` wraps lines itself and knows no Markdown.
fn readable(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    schemas(&mut crd).for_each(unwrap_descriptions);
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
    use crate::PolicyStatus;
    use serde_json::json;

    #[test]
    fn a_new_policy_is_pending_and_its_status_parses() {
        for crd in &json!(crds()).as_array().unwrap()[..2] {
            let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/status").unwrap();
            assert_eq!(schema["default"], json!({}), "without a status its fields have no default");
            let conditions = schema.pointer("/properties/conditions/default").unwrap();
            let status: PolicyStatus = serde_json::from_value(json!({"conditions": conditions})).unwrap();
            let [ready] = &status.conditions[..] else { panic!("{conditions}") };
            let said = (ready.type_.as_str(), ready.status.as_str(), ready.reason.as_str());
            assert_eq!(said, ("Ready", "Unknown", "Pending"));
        }
        assert_eq!(
            json!(crds())[2].to_string().matches("\"default\":[").count(),
            0,
            "nothing else is pending"
        );
    }

    #[test]
    fn descriptions_are_plain_text_for_people() {
        let text = serde_json::to_string(&crds()).unwrap();
        for line in text.split("\"description\":\"").skip(1) {
            let description = line.split("\",").next().unwrap();
            assert!(!description.contains('`') && !description.contains("\\n"), "{description}");
        }
    }
}
