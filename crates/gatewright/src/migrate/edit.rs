//! Changes of an object, as people read them and as a JSON patch.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::policies::field;

/// One change of a field.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Edit {
    /// The field gets a value; what stood there is replaced.
    Add {
        /// The field, as a JSON pointer.
        path: String,
        /// The value.
        value: Value,
    },
    /// The field goes.
    Remove {
        /// The field, as a JSON pointer.
        path: String,
    },
}

impl Edit {
    /// A field of `spec.policies` gets a value.
    pub fn set(field: &str, value: impl Into<Value>) -> Self {
        Self::Add { path: format!("/spec/policies/{field}"), value: value.into() }
    }

    /// A field of `spec.policies` goes.
    pub fn remove(field: &str) -> Self {
        Self::Remove { path: format!("/spec/policies/{field}") }
    }

    /// The change as a line of YAML, or as an order.
    pub fn text(&self) -> String {
        match self {
            Self::Add { path, value } => format!("{}: {}", field(path), shown(value)),
            Self::Remove { path } => format!("remove {}", field(path)),
        }
    }

    /// Carries it out. A path of which the parent is missing changes nothing.
    pub fn apply(&self, object: &mut Value) {
        let (Self::Add { path, .. } | Self::Remove { path }) = self;
        let Some((parent, key)) = path.rsplit_once('/') else { return };
        let Some(parent) = object.pointer_mut(parent) else { return };
        match (self, parent) {
            (Self::Add { value, .. }, Value::Object(fields)) => {
                fields.insert(key.to_owned(), value.clone());
            }
            (Self::Remove { .. }, Value::Object(fields)) => {
                fields.remove(key);
            }
            (Self::Add { value, .. }, Value::Array(items)) => {
                if let Some(item) = key.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                    *item = value.clone();
                }
            }
            _ => {}
        }
    }
}

/// The object with all changes.
pub fn applied(object: &Value, edits: &[Edit]) -> Value {
    let mut object = object.clone();
    for edit in edits {
        edit.apply(&mut object);
    }
    object
}

/// A value in YAML's flow style, as far as the values here need it.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{key}: {}", shown(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::String(text) if is_plain(text) => text.clone(),
        other => json!(other).to_string(),
    }
}

/// Whether YAML reads the text as it is.
fn is_plain(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let word = !matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    starts && word && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Edit, applied};

    #[test]
    fn edits_are_said_and_carried_out() {
        let policy = json!({"spec": {"policies": {"a": [], "b": {"ranges": [{"min": 1}]}}}});
        let edits = [
            Edit::set("allowPrivileged", false),
            Edit::set("requiredDropCapabilities", json!(["ALL"])),
            Edit::set("b/ranges", json!([{"min": 0, "max": 0}])),
            Edit::set("allowedRepos", json!(["registry.example.com*"])),
            Edit::remove("a"),
        ];
        let said: Vec<_> = edits.iter().map(Edit::text).collect();
        assert_eq!(
            said,
            [
                "spec.policies.allowPrivileged: false",
                "spec.policies.requiredDropCapabilities: [ALL]",
                "spec.policies.b.ranges: [{max: 0, min: 0}]",
                "spec.policies.allowedRepos: [\"registry.example.com*\"]",
                "remove spec.policies.a",
            ]
        );
        let expected = json!({"spec": {"policies": {
            "allowPrivileged": false, "requiredDropCapabilities": ["ALL"], "b": {"ranges": [{"min": 0, "max": 0}]},
            "allowedRepos": ["registry.example.com*"],
        }}});
        assert_eq!(applied(&policy, &edits), expected);
    }

    #[test]
    fn an_item_of_a_list_is_replaced_and_what_is_not_there_stays_away() {
        let policy = json!({"spec": {"policies": {"list": [{"reference": "a"}]}}});
        let changed =
            applied(&policy, &[Edit::set("list/0/reference", "b"), Edit::set("none/0/reference", "b")]);
        assert_eq!(changed, json!({"spec": {"policies": {"list": [{"reference": "b"}]}}}));
    }
}
