//! Changes of a namespace's labels, as the command line writes them.

use std::str::FromStr;

use gatewright_api::text::{LabelKey, LabelValue};
use serde_json::{Value, json};

/// What some namespace's labels become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelEdit {
    /// The namespace.
    pub namespace: String,
    /// The labels with their new values; none for those that are removed.
    edits: Vec<(String, Option<String>)>,
}

/// How an edit is written.
const FORM: &str = "write ns=NAME,KEY=VALUE, or ns=NAME,KEY- to remove a label";

impl FromStr for LabelEdit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let namespace =
            parts.next().and_then(|first| first.strip_prefix("ns=")).filter(|name| !name.is_empty());
        let namespace = namespace.ok_or_else(|| format!("no namespace; {FORM}"))?;
        let edits = parts.map(edit).collect::<Result<Vec<_>, _>>()?;
        if edits.is_empty() {
            return Err(format!("no label; {FORM}"));
        }
        Ok(Self { namespace: namespace.to_owned(), edits })
    }
}

fn edit(text: &str) -> Result<(String, Option<String>), String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (text.strip_suffix('-').ok_or_else(|| format!("{text:?} changes no label; {FORM}"))?, None),
    };
    LabelKey::try_from(key.to_owned()).map_err(|error| error.to_string())?;
    let value = value.map(|value| LabelValue::try_from(value.to_owned()).map_err(|error| error.to_string()));
    Ok((key.to_owned(), value.transpose()?.map(|value| value.to_string())))
}

impl LabelEdit {
    /// Changes the labels of a Namespace.
    pub fn apply(&self, namespace: &mut Value) {
        if !namespace["metadata"]["labels"].is_object() {
            namespace["metadata"]["labels"] = json!({});
        }
        let Some(labels) = namespace["metadata"]["labels"].as_object_mut() else { return };
        for (key, value) in &self.edits {
            match value {
                Some(value) => drop(labels.insert(key.clone(), json!(value))),
                None => drop(labels.remove(key)),
            }
        }
    }
}

/// The Namespaces with all edits, and the edits of namespaces that are not there.
pub fn edited<'a>(namespaces: &[Value], edits: &'a [LabelEdit]) -> (Vec<Value>, Vec<&'a LabelEdit>) {
    let name = |namespace: &Value| namespace["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let mut all = namespaces.to_vec();
    let mut missing = vec![];
    for edit in edits {
        match all.iter_mut().find(|namespace| name(namespace) == edit.namespace) {
            Some(namespace) => edit.apply(namespace),
            None => missing.push(edit),
        }
    }
    (all, missing)
}

#[cfg(test)]
mod tests {
    use super::{LabelEdit, edited};
    use serde_json::json;

    #[test]
    fn edits_are_written_as_for_kubectl() {
        let long = format!("ns=shop,a={}", "x".repeat(64));
        for (text, expected) in [
            ("ns=shop,a=b", Ok(vec![("a", Some("b"))])),
            ("ns=shop,example.com/a=b,c-", Ok(vec![("example.com/a", Some("b")), ("c", None)])),
            ("ns=shop,a=", Ok(vec![("a", Some(""))])),
            ("ns=shop", Err("no label; ")),
            ("shop,a=b", Err("no namespace; ")),
            ("ns=,a=b", Err("no namespace; ")),
            ("ns=shop,a", Err("\"a\" changes no label; ")),
            ("ns=shop,=b", Err("\"\": ")),
            ("ns=shop, a.io/x=b", Err("\" a.io/x\" has white space: ")),
            ("ns=shop,/x=b", Err("\"/x\": ")),
            ("ns=shop,a=b c", Err("\"b c\" has white space: ")),
            ("ns=shop,a=-b", Err("\"-b\": ")),
            (long.as_str(), Err("\"xxx")),
        ] {
            let found = text.parse::<LabelEdit>();
            match expected {
                Ok(pairs) => {
                    let found = found.unwrap().edits;
                    let found: Vec<_> =
                        found.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
                    assert_eq!(found, pairs, "{text}");
                }
                Err(says) => {
                    let said = found.unwrap_err();
                    assert!(said.starts_with(says), "{text}: {said}");
                }
            }
        }
    }

    #[test]
    fn labels_are_set_replaced_and_removed() {
        let namespace = json!({"metadata": {"name": "shop", "labels": {"a": "1", "b": "2"}}});
        let bare = json!({"metadata": {"name": "bare"}});
        let edits: Vec<LabelEdit> = ["ns=shop,a=3,b-,c=4", "ns=bare,d=5", "ns=gone,e=6"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let (all, missing) = edited(&[namespace, bare], &edits);
        let labels: Vec<_> = all.iter().map(|it| &it["metadata"]["labels"]).collect();
        assert_eq!(labels, [&json!({"a": "3", "c": "4"}), &json!({"d": "5"})]);
        assert_eq!(missing.iter().map(|edit| edit.namespace.as_str()).collect::<Vec<_>>(), ["gone"]);
    }
}
