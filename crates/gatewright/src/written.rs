//! Objects as `-o yaml` prints them.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;

use crate::foreign::is_obeyed;
use crate::input;

/// What is said of a policy with credentials.
pub const LEFT_OUT: &str = "dockerCfg is left out: credentials are never printed. Copy it from your policy";

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

/// YAML documents, with comments before each; of an object that is left out the comments alone.
///
/// # Errors
/// An object cannot be written.
pub fn documents(objects: &[(Vec<String>, Option<Value>)]) -> anyhow::Result<String> {
    let mut text = String::new();
    for (comments, object) in objects {
        text.push_str("---\n");
        for comment in comments {
            text.extend(["# ", comment, "\n"]);
        }
        if let Some(object) = object {
            text.push_str(&yaml(object)?);
        }
    }
    Ok(text)
}

/// Block scalars come with spaces on their blank lines, which say nothing and spoil diffs. What is printed is read
/// again as kubectl would, because a value that changes on the way would be another object. An object with characters that a
/// terminal would obey has quotes and braces, as JSON has them.
///
/// # Errors
/// YAML cannot hold the object.
pub fn yaml(object: &impl Serialize) -> anyhow::Result<String> {
    let text = serde_saphyr::to_string(object).context("cannot write an object as YAML")?;
    let meant = serde_json::to_value(object)?;
    let candidates = if text.contains(is_led) {
        vec![escaped(&meant)?]
    } else {
        vec![text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect(), text]
    };
    let same = |text: &String| input::value(text).is_ok_and(|value| value == meant);
    candidates.into_iter().find(same).context("YAML cannot hold this object; print it as JSON")
}

/// Ends of lines and tabs, which indent Rego, lead nobody.
fn is_led(c: char) -> bool {
    !matches!(c, '\n' | '\t') && is_obeyed(c)
}

/// Such characters stand in strings alone. YAML does not read the pairs with which JSON escapes what is beyond U+FFFF.
fn escaped(object: &Value) -> anyhow::Result<String> {
    let mut escaped = String::new();
    for c in serde_json::to_string_pretty(object)?.chars() {
        // Writing to a string cannot fail.
        let _ = match u32::from(c) {
            _ if !is_led(c) => write!(escaped, "{c}"),
            short @ ..=0xffff => write!(escaped, "\\u{short:04x}"),
            long => write!(escaped, "\\U{long:08x}"),
        };
    }
    Ok(escaped + "\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{cleaned, documents, has_credentials, yaml};

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_means_the_same() {
        let object = json!({"a": "x\u{202e}y\u{1b}", "b": ["\u{e0041}"], "c": "line\nline"});
        let text = yaml(&object).unwrap();
        assert!(
            text.contains(r"x\u202ey\u001b") && !text.contains(['\u{202e}', '\u{1b}', '\u{e0041}']),
            "{text}"
        );
        assert_eq!(crate::input::value(&text).unwrap(), object);
        // Tabs indent Rego.
        assert_eq!(yaml(&json!({"rego": "a {\n\tb\n}\n"})).unwrap(), "rego: |\n  a {\n  \tb\n  }\n");
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
        let text = documents(&[
            (vec!["one".to_owned()], Some(cleaned(&policy))),
            (vec!["left out".to_owned()], None),
        ])
        .unwrap();
        assert!(
            !text.contains("canary")
                && !text.contains("uid")
                && text.starts_with("---\n# one\napiVersion")
                && text.ends_with("---\n# left out\n"),
            "{text}"
        );
    }
}
