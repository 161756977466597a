//! JSON for the Rego engine.

use serde_json::Value;

/// How a document's numbers came to OPA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// As integers where they are whole: parameters, in a cluster and in `gator verify` (not in `gator test`).
    Whole,
    /// Through Go's floats, which is how reviews and the inventory come. From a million on OPA then holds (and prints)
    /// them with an exponent.
    Floats,
}

/// A document as a value of the Rego engine.
#[must_use]
pub fn to_rego(value: &Value, numbers: Numbers) -> regorus::Value {
    match value {
        Value::Null => regorus::Value::Null,
        Value::Bool(truth) => regorus::Value::from(*truth),
        Value::Number(number) => to_number(number, numbers),
        Value::String(text) => regorus::Value::from(text.as_str()),
        Value::Array(elements) => {
            elements.iter().map(|element| to_rego(element, numbers)).collect::<Vec<_>>().into()
        }
        Value::Object(members) => {
            object(members.iter().map(|(key, value)| (key.as_str(), to_rego(value, numbers))))
        }
    }
}

/// An object of the Rego engine.
pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, regorus::Value)>) -> regorus::Value {
    let members: std::collections::BTreeMap<_, _> =
        members.into_iter().map(|(key, value)| (regorus::Value::from(key), value)).collect();
    members.into()
}

fn to_number(number: &serde_json::Number, numbers: Numbers) -> regorus::Value {
    let float = number.as_f64().unwrap_or_default();
    // Go's JSON writes whole floats without a point: on their way through it parameters become integers.
    let bound = if numbers == Numbers::Whole { 2_f64.powi(63) } else { 1e6 };
    let integer = match number.as_i64() {
        Some(integer) if numbers == Numbers::Whole || float.abs() < bound => Some(integer),
        #[allow(clippy::cast_possible_truncation)] // It is whole and fits.
        None if float.fract() == 0.0 && float.abs() < bound => Some(float as i64),
        _ => None,
    };
    integer.map_or_else(|| float.into(), Into::into)
}

/// A value as JSON, as Gatekeeper keeps `details`: sets are lists, and keys that are no texts are their JSON.
pub fn to_json(value: &regorus::Value) -> Value {
    let list = |items: &mut dyn Iterator<Item = &regorus::Value>| Value::Array(items.map(to_json).collect());
    match value {
        regorus::Value::Array(items) => list(&mut items.iter()),
        regorus::Value::Set(items) => list(&mut items.iter()),
        regorus::Value::Object(fields) => {
            let key = |key: &regorus::Value| match key {
                regorus::Value::String(text) => text.to_string(),
                other => to_json(other).to_string(),
            };
            Value::Object(fields.iter_sorted().map(|(name, value)| (key(name), to_json(value))).collect())
        }
        other => serde_json::to_value(other).unwrap_or_default(),
    }
}

/// What sort of value it is, with an article.
pub fn kind(value: &regorus::Value) -> &'static str {
    match value {
        regorus::Value::Null => "null",
        regorus::Value::Bool(_) => "a boolean",
        regorus::Value::Number(_) => "a number",
        regorus::Value::String(_) => "a string",
        regorus::Value::Array(_) => "an array",
        regorus::Value::Set(_) => "a set",
        regorus::Value::Object(_) => "an object",
        regorus::Value::Undefined => "undefined",
    }
}
