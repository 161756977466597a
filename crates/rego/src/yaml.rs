//! `yaml.unmarshal` and `yaml.is_valid`: YAML as Kubernetes reads it, of which the first document counts.

use regorus::Value;
use serde_json::Value as Json;

use super::limits::exceed;
use super::{Numbers, to_rego};

/// `yaml.unmarshal(text)`.
pub fn unmarshal(v: &[Value]) -> Option<Value> {
    read(v[0].as_string().ok()?).map(|value| to_rego(&value, Numbers::Whole))
}

/// `yaml.is_valid(text)`.
pub fn is_valid(value: &Value) -> bool {
    value.as_string().is_ok_and(|text| read(text).is_some())
}

fn read(text: &str) -> Option<Json> {
    match gatewright_input::first(text) {
        Ok(value) => Some(value),
        Err(error) if error.is_limit => {
            exceed("yaml.unmarshal: a text that is nested too deep, or stands for too much")
        }
        Err(_) => None,
    }
}
