//! Objects as `-o yaml` prints them.

use std::fmt::Write as _;

use serde_json::Value;

use crate::foreign::is_obeyed;
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
        for field in OF_THE_SERVER {
            metadata.remove(field);
        }
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
        text.push_str(&harmless(object)?);
    }
    Ok(text)
}

/// An object as YAML; as JSON, which is YAML, where a terminal would obey a character that YAML leaves as it is.
fn harmless(object: &Value) -> anyhow::Result<String> {
    let text = yaml(object)?;
    let is_led = |c: char| c != '\n' && is_obeyed(c);
    if !text.contains(is_led) {
        return Ok(text);
    }
    // Such characters stand in strings alone.
    let mut escaped = String::new();
    for c in serde_json::to_string_pretty(object)?.chars() {
        if is_led(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    Ok(escaped + "\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{cleaned, documents, has_credentials};

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_means_the_same() {
        let object = json!({"a": "x\u{202e}y\u{1b}", "b": ["\u{e0041}"], "c": "line\nline"});
        let text = documents(&[(vec![], object.clone())]).unwrap();
        assert!(
            text.contains(r"x\u202ey\u001b") && !text.contains(['\u{202e}', '\u{1b}', '\u{e0041}']),
            "{text}"
        );
        assert_eq!(crate::input::value(&text).unwrap(), object);
    }

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
