//! Fields and indexes of values.

use super::compare::{member, whole};
use super::print::{double, show};
use super::value::{Failure, Outcome, Value};

/// `value.field`, `value[index]`, and the optional forms of both: what is missing is none there. What is selected from
/// an optional value is optional.
///
/// # Errors
/// There is no such member, or the value has none.
pub fn select(value: &Value, index: &Value, optional: bool) -> Outcome {
    match value {
        Value::Optional(None) => Ok(Value::Optional(None)),
        Value::Optional(Some(value)) => find(value, index).map(Value::optional),
        _ if optional => find(value, index).map(Value::optional),
        _ => find(value, index)?.ok_or_else(|| missing(value, index)),
    }
}

/// `has(value.field)`.
///
/// # Errors
/// The value is a list.
pub fn has(value: &Value, field: &Value) -> Outcome<bool> {
    match value {
        Value::Optional(None) => Ok(false),
        Value::Optional(Some(value)) => has(value, field),
        _ => Ok(find(value, field)?.is_some()),
    }
}

fn find(value: &Value, index: &Value) -> Outcome<Option<Value>> {
    if !is_index(index) {
        let found = match index {
            Value::Null => "<nil>",
            Value::List(_) => "[]interface {}",
            Value::Map(_) => "map[string]interface {}",
            other => other.internal_type_name(),
        };
        return Err(Failure::new(format!("invalid qualifier type: {found}")));
    }
    match value {
        Value::Map(_) => Ok(member(value, index).cloned()),
        Value::List(elements) => {
            let position = usize::try_from(position(index)?).ok();
            Ok(position.and_then(|position| elements.get(position)).cloned())
        }
        _ => Ok(None),
    }
}

const fn is_index(index: &Value) -> bool {
    matches!(index, Value::Bool(_) | Value::Double(_) | Value::Int(_) | Value::String(_) | Value::Uint(_))
}

fn position(index: &Value) -> Outcome<i64> {
    let unsupported = |shown: String| Failure::new(format!("unsupported index value {shown} in list"));
    match index {
        Value::Int(number) => Ok(*number),
        Value::Uint(number) => i64::try_from(*number).map_err(|_| unsupported(number.to_string())),
        Value::Double(number) => {
            let whole = whole(*number).and_then(|number| i64::try_from(number).ok());
            whole.ok_or_else(|| unsupported(double(*number)))
        }
        _ => Err(Failure::new(format!("unsupported index type '{}' in list", index.type_name()))),
    }
}

fn missing(value: &Value, index: &Value) -> Failure {
    match value {
        Value::List(_) => Failure::new(format!("index out of bounds: {}", show(index))),
        _ => Failure::new(format!("no such key: {}", show(index))),
    }
}
