//! Conversions from type to type.

use std::sync::Arc;

use crate::cel::print::double;
use crate::cel::time::{Moment, duration, seconds};
use crate::cel::value::{Failure, Outcome, Value};

/// A conversion; none if it is none, or not from this type.
pub fn call(name: &str, arguments: &[Value]) -> Option<Outcome> {
    let [value] = arguments else { return None };
    match name {
        "dyn" => Some(Ok(value.clone())),
        "type" => Some(Ok(Value::Type(value.type_name().into()))),
        "bool" => Some(to_bool(value)),
        "bytes" => Some(to_bytes(value)),
        "double" => Some(to_double(value)),
        "int" => Some(to_int(value)),
        "uint" => Some(to_uint(value)),
        "string" => Some(to_string(value)),
        "duration" => Some(to_duration(value)),
        "timestamp" => Some(to_timestamp(value)),
        _ => None,
    }
}

fn refused(value: &Value, wanted: &str) -> Failure {
    Failure::new(format!("type conversion error from '{}' to '{wanted}'", value.type_name()))
}

fn to_bool(value: &Value) -> Outcome {
    match value {
        Value::Bool(_) => Ok(value.clone()),
        Value::String(text) => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true.into()),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false.into()),
            _ => Err(refused(value, "bool")),
        },
        _ => Err(refused(value, "bool")),
    }
}

fn to_bytes(value: &Value) -> Outcome {
    match value {
        Value::Bytes(_) => Ok(value.clone()),
        Value::String(text) => Ok(Value::Bytes(text.as_bytes().into())),
        _ => Err(refused(value, "bytes")),
    }
}

#[allow(clippy::cast_precision_loss, reason = "the conversion is so defined")]
fn to_double(value: &Value) -> Outcome {
    match value {
        Value::Double(_) => Ok(value.clone()),
        Value::Int(number) => Ok(Value::Double(*number as f64)),
        Value::Uint(number) => Ok(Value::Double(*number as f64)),
        Value::String(text) => float(text).map(Value::Double).ok_or_else(|| refused(value, "double")),
        _ => Err(refused(value, "double")),
    }
}

/// Go's texts of numbers: Rust's, without its other names of infinity, and hexadecimal ones.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.to_ascii_lowercase().starts_with("0x") {
        return hexadecimal(text.starts_with('-'), &unsigned[2..]);
    }
    let number: f64 = text.parse().ok()?;
    // Where Rust goes to infinity, Go says that it is out of range.
    (number.is_finite() || unsigned.starts_with(['i', 'I', 'n', 'N'])).then_some(number)
}

/// `1.8p1`: the exponent, of two, must be there.
fn hexadecimal(negative: bool, text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let digits = u64::from_str_radix(&digits, 16).ok().filter(|digits| *digits < 1 << 53)?;
    let exponent: i32 = exponent.parse().ok()?;
    #[allow(clippy::cast_precision_loss, reason = "it has at most 53 bits")]
    let number = digits as f64 * 2_f64.powi(exponent - 4 * i32::try_from(fraction.len()).ok()?);
    number.is_finite().then_some(if negative { -number } else { number })
}

#[allow(clippy::cast_possible_truncation, reason = "it is checked before")]
fn to_int(value: &Value) -> Outcome {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    match value {
        Value::Int(_) => Ok(value.clone()),
        Value::Uint(number) => {
            i64::try_from(*number).map(Value::Int).map_err(|_| Failure::new("integer overflow"))
        }
        Value::Double(number) if -LIMIT < *number && *number < LIMIT => Ok(Value::Int(*number as i64)),
        Value::Double(_) => Err(Failure::new("integer overflow")),
        Value::Duration(length) => Ok(Value::Int(*length)),
        Value::Timestamp(moment) => Ok(Value::Int(moment.seconds())),
        Value::String(text) => text.parse().map(Value::Int).map_err(|_| refused(value, "int")),
        _ => Err(refused(value, "int")),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is checked before")]
fn to_uint(value: &Value) -> Outcome {
    const LIMIT: f64 = 18_446_744_073_709_551_616.0;
    match value {
        Value::Uint(_) => Ok(value.clone()),
        Value::Int(number) => {
            u64::try_from(*number).map(Value::Uint).map_err(|_| Failure::new("unsigned integer overflow"))
        }
        Value::Double(number) if 0.0 <= *number && *number < LIMIT => Ok(Value::Uint(*number as u64)),
        Value::Double(_) => Err(Failure::new("unsigned integer overflow")),
        Value::String(text) => {
            let number = text.parse().ok().filter(|_| !text.starts_with('+'));
            number.map(Value::Uint).ok_or_else(|| refused(value, "uint"))
        }
        _ => Err(refused(value, "uint")),
    }
}

fn to_string(value: &Value) -> Outcome {
    Ok(match value {
        Value::String(_) => value.clone(),
        Value::Bool(truth) => truth.to_string().into(),
        Value::Int(number) => number.to_string().into(),
        Value::Uint(number) => number.to_string().into(),
        Value::Double(number) => double(*number).into(),
        Value::Duration(length) => seconds(*length).into(),
        Value::Timestamp(moment) => moment.to_string().into(),
        Value::Ip(address) => address.to_string().into(),
        Value::Cidr(network) => network.to_string().into(),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::String(Arc::from(text)),
            Err(_) => return Err(Failure::new("invalid UTF-8 in bytes, cannot convert to string")),
        },
        _ => return Err(refused(value, "string")),
    })
}

fn to_duration(value: &Value) -> Outcome {
    match value {
        Value::Duration(_) => Ok(value.clone()),
        Value::String(text) => duration(text).map(Value::Duration),
        _ => Err(refused(value, "google.protobuf.Duration")),
    }
}

fn to_timestamp(value: &Value) -> Outcome {
    match value {
        Value::Timestamp(_) => Ok(value.clone()),
        Value::Int(seconds) => Moment::from_seconds(*seconds).map(Value::Timestamp),
        Value::String(text) => Moment::parse(text).map(Value::Timestamp),
        _ => Err(refused(value, "google.protobuf.Timestamp")),
    }
}
