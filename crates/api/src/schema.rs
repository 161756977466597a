//! What a served CRD lacks of what this version knows.

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

/// What every object has; the API server describes it elsewhere.
const COMMON: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// The fields that the CRD has and the schema that the API server serves of its kind has not: the API server would drop
/// them from objects. The paths are as people write them (`spec.policies.allowPrivileged`, items of a list as `[]`),
/// sorted; of a field that is lacking its own fields are not named.
#[must_use]
pub fn lacking(served: &Value, crd: &CustomResourceDefinition) -> Vec<String> {
    let version = crd.spec.versions.first().and_then(|version| version.schema.as_ref());
    let own = serde_json::json!(version.and_then(|schema| schema.open_api_v3_schema.as_ref()));
    let mut found = BTreeSet::new();
    compare("", &own, served, &mut found);
    found.into_iter().collect()
}

fn compare(path: &str, own: &Value, served: &Value, found: &mut BTreeSet<String>) {
    if served["x-kubernetes-preserve-unknown-fields"] == true {
        return;
    }
    for (name, schema) in own["properties"].as_object().into_iter().flatten() {
        if path.is_empty() && COMMON.contains(&name.as_str()) {
            continue;
        }
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        below(path, schema, served["properties"].get(name), found);
    }
    for (keyword, suffix) in [("items", "[]"), ("additionalProperties", ".*")] {
        if let Some(schema) = own.get(keyword).filter(|schema| schema.is_object()) {
            below(format!("{path}{suffix}"), schema, served.get(keyword), found);
        }
    }
}

fn below(path: String, own: &Value, served: Option<&Value>, found: &mut BTreeSet<String>) {
    match served {
        Some(served) => compare(&path, own, served, found),
        None => drop(found.insert(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::lacking;
    use crate::crds;
    use serde_json::{Value, json};

    fn policies()
    -> (Value, k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition)
    {
        let crd = crds().into_iter().find(|crd| crd.spec.names.kind == "SecurityPolicy").unwrap();
        let schema = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.clone();
        (json!(schema), crd)
    }

    #[test]
    fn what_is_served_as_it_is_lacks_nothing() {
        for crd in crds() {
            let schema = json!(crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema);
            assert_eq!(lacking(&schema, &crd), Vec::<String>::new(), "{}", crd.spec.names.kind);
        }
    }

    #[test]
    fn each_field_that_is_not_served_is_named() {
        type Edit = fn(&mut Value);
        let rows: [(Edit, &[&str]); 5] = [
            (
                |it| drop(remove(it, "/properties/spec/properties/policies/properties", "allowPrivileged")),
                &["spec.policies.allowPrivileged"],
            ),
            // Of a field that is lacking its own fields are not named.
            (|it| drop(remove(it, "/properties/spec/properties", "policies")), &["spec.policies"]),
            (
                |it| {
                    let items =
                        "/properties/spec/properties/policies/properties/allowedHostPaths/items/properties";
                    drop(remove(it, items, "readOnly"));
                    drop(remove(it, "/properties/status/properties", "namespaces"));
                },
                &["spec.policies.allowedHostPaths[].readOnly", "status.namespaces"],
            ),
            // A newer CRD has more.
            (|it| it["properties"]["spec"]["properties"]["later"] = json!({"type": "string"}), &[]),
            (|it| it["properties"]["spec"] = json!({"x-kubernetes-preserve-unknown-fields": true}), &[]),
        ];
        for (edit, expected) in rows {
            let (mut served, crd) = policies();
            edit(&mut served);
            assert_eq!(lacking(&served, &crd), expected);
        }
    }

    fn remove(schema: &mut Value, pointer: &str, name: &str) -> Value {
        schema.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(name).unwrap()
    }
}
