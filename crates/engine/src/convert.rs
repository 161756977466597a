//! JSON for the Rego engine.

use serde_json::Value;

/// A document as a value of the Rego engine. A float without a fraction becomes an integer: JSON and Rego do not
/// tell them apart.
pub fn to_rego(value: &Value) -> regorus::Value {
    match value {
        Value::Null => regorus::Value::Null,
        Value::Bool(truth) => regorus::Value::from(*truth),
        Value::Number(number) => to_number(number),
        Value::String(text) => regorus::Value::from(text.as_str()),
        Value::Array(elements) => elements.iter().map(to_rego).collect::<Vec<_>>().into(),
        Value::Object(members) => object(members.iter().map(|(key, value)| (key.as_str(), to_rego(value)))),
    }
}

/// An object of the Rego engine.
pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, regorus::Value)>) -> regorus::Value {
    let members: std::collections::BTreeMap<_, _> =
        members.into_iter().map(|(key, value)| (regorus::Value::from(key), value)).collect();
    members.into()
}

fn to_number(number: &serde_json::Number) -> regorus::Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Some(integer) = number.as_i64() {
        return integer.into();
    }
    if let Some(integer) = number.as_u64() {
        return integer.into();
    }
    let float = number.as_f64().unwrap_or_default();
    if float.fract() == 0.0 && float.abs() < EXACT {
        #[allow(clippy::cast_possible_truncation)] // It is whole and within what a float holds exactly.
        return (float as i64).into();
    }
    float.into()
}
