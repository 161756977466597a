//! Values in messages, as the Go programs print them.

use super::value::{Key, Value};

/// Go's `%v`.
pub fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => double(*number),
        Value::String(text) | Value::Type(text) | Value::Format(text) => text.to_string(),
        Value::Bytes(bytes) => {
            let bytes: Vec<_> = bytes.iter().map(u8::to_string).collect();
            format!("[{}]", bytes.join(" "))
        }
        Value::List(elements) => {
            let elements: Vec<_> = elements.iter().map(show).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Map(members) => {
            let member =
                |(key, value): (&Key, &Value)| format!("{}: {}", show(&key.clone().into()), show(value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Value::Duration(length) => super::time::spoken(*length),
        Value::Timestamp(moment) => moment.to_string(),
        Value::Optional(None) => "optional.none()".to_owned(),
        Value::Optional(Some(value)) => format!("optional({})", show(value)),
        Value::Quantity(quantity) => quantity.text.clone(),
        Value::Url(url) => url.text.clone(),
        Value::Ip(address) => address.to_string(),
        Value::Cidr(network) => network.to_string(),
        Value::Semver(version) => version.text.clone(),
    }
}

/// Go's `%g`: the shortest digits that are the number, with an exponent beyond six digits before the point.
pub fn double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{number:e}");
    let exponent: i32 =
        text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or_default();
    if (-4..6).contains(&exponent) { format!("{number}") } else { scientific(number, None) }
}

/// Go's `%e`, with a precision, or as many digits as there are.
pub fn scientific(number: f64, precision: Option<usize>) -> String {
    let text = match precision {
        Some(precision) => format!("{number:.precision$e}"),
        None => format!("{number:e}"),
    };
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// Go's `%q`.
pub fn quote(text: &str) -> String {
    gatewright_rego::quote(text, false)
}
