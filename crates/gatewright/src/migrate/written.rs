//! Objects as `-o yaml` prints them.

use serde_json::Value;

use crate::render::yaml;

/// What an API server keeps of an object, and nobody writes.
const OF_THE_SERVER: [&str; 7] = [
    "creationTimestamp",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The annotation in which kubectl keeps what it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object as somebody would write it: without its status, and without credentials of registries, which are never
/// printed.
pub fn cleaned(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        OF_THE_SERVER.iter().for_each(|field| drop(metadata.remove(*field)));
        let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut);
        let left = annotations.map(|annotations| {
            annotations.remove(LAST_APPLIED);
            annotations.len()
        });
        if left == Some(0) {
            metadata.remove("annotations");
        }
    }
    entries(&mut object).for_each(|entry| drop(entry.remove("dockerCfg")));
    object
}

/// Whether an object has credentials that are not printed.
pub fn has_credentials(object: &Value) -> bool {
    entries(&mut object.clone()).any(|entry| entry.contains_key("dockerCfg"))
}

fn entries(object: &mut Value) -> impl Iterator<Item = &mut serde_json::Map<String, Value>> {
    let entries = object.pointer_mut("/spec/policies/verifyImageSignatures").and_then(Value::as_array_mut);
    entries.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// YAML documents, with a comment before each.
///
/// # Errors
/// An object cannot be written.
pub fn documents(objects: &[(Vec<String>, Value)]) -> anyhow::Result<String> {
    let mut text = String::new();
    for (comments, object) in objects {
        text.push_str("---\n");
        for comment in comments {
            text.extend(["# ", comment, "\n"]);
        }
        text.push_str(&yaml(object)?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{cleaned, documents, has_credentials};

    #[test]
    fn what_the_server_wrote_and_credentials_are_left_out() {
        let policy = json!({
            "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "status": {"a": 1},
            "metadata": {"name": "a", "uid": "u", "generation": 1, "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "canary"}},
            "spec": {"policies": {"verifyImageSignatures": [{"reference": "r/*", "dockerCfg": "canary"}]}},
        });
        assert!(has_credentials(&policy));
        let text = documents(&[(vec!["one".to_owned()], cleaned(&policy))]).unwrap();
        assert!(
            !text.contains("canary") && !text.contains("uid") && text.starts_with("---\n# one\napiVersion"),
            "{text}"
        );
    }
}
