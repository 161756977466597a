//! The functions of Kubernetes' CEL.

mod addresses;
mod convert;
mod format;
mod lists;
mod names;
mod numbers;
mod patterns;
mod strings;

pub use format::check as check_format;
pub use lists::sort;
pub use patterns::check as check_pattern;

use super::arithmetic::missing;
use super::signatures::{Function, Overload};
use super::value::{Failure, Outcome, Value};

/// Calls a function: with the signature that the types of the arguments leave, if it is only one, else with the first
/// that takes the arguments.
///
/// # Errors
/// No signature takes the arguments, or what the function says.
pub fn call(function: &Function, only: Option<usize>, arguments: &[Value]) -> Outcome {
    // Lists of anything can be flattened, also where their type says that there is nothing to do.
    if let ("flatten", [Value::List(elements), depth @ ..]) = (function.name, arguments)
        && let Some(flat) = lists::call("flatten", &function.overloads[0], elements, depth)
    {
        return flat;
    }
    let overload = match only {
        Some(index) => function.overloads.get(index).filter(|overload| overload.takes(arguments)),
        None => function.overloads.iter().find(|overload| overload.takes(arguments)),
    };
    match overload {
        Some(overload) => apply(function.name, overload, arguments),
        None => Err(no_overload(function.name, arguments)),
    }
}

fn no_overload(name: &str, arguments: &[Value]) -> Failure {
    match (name, arguments) {
        ("contains" | "endsWith" | "startsWith", _) | ("matches", [Value::String(_), _]) => {
            Failure::no_overload()
        }
        ("size" | "sort", [value]) | ("matches", [value, _]) => missing(value, name),
        ("flatten", [value]) => Failure::new(format!("no such overload: {}.flatten()", with_parts(value))),
        ("flatten", [value, depth]) => {
            let (value, depth) = (with_parts(value), with_parts(depth));
            Failure::new(format!("no such overload: {value}.flatten({depth})"))
        }
        _ => {
            let types: Vec<_> = arguments.iter().map(Value::type_name).collect();
            Failure::new(format!("no such overload: {name}({})", types.join(", ")))
        }
    }
}

/// The name of a type with those of its elements, which are not known.
fn with_parts(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "list(dyn)",
        Value::Map(_) => "map(dyn, dyn)",
        other => other.type_name(),
    }
}

fn apply(name: &'static str, overload: &Overload, arguments: &[Value]) -> Outcome {
    if let Some(found) = convert::call(name, arguments) {
        return found;
    }
    if name.starts_with("get") && !matches!(arguments, [Value::Url(_)]) {
        return super::time::part(name, arguments);
    }
    let found = match arguments.first() {
        Some(Value::String(text)) => strings::call(name, text, &arguments[1..])
            .or_else(|| patterns::call(name, text, &arguments[1..]))
            .or_else(|| addresses::parse(name, text))
            .or_else(|| numbers::parse(name, text, &arguments[1..]))
            .or_else(|| names::named(name, text)),
        Some(Value::List(elements)) => lists::call(name, overload, elements, &arguments[1..]),
        Some(Value::Url(_) | Value::Ip(_) | Value::Cidr(_)) => addresses::call(name, arguments),
        Some(Value::Quantity(_) | Value::Semver(_)) => numbers::call(name, arguments),
        Some(Value::Format(format)) => names::call(name, format, &arguments[1..]),
        _ => None,
    };
    found.or_else(|| other(name, arguments)).unwrap_or_else(|| Err(no_overload(name, arguments)))
}

/// Functions of values of any type, or of none.
fn other(name: &str, arguments: &[Value]) -> Option<Outcome> {
    Some(Ok(match (name, arguments) {
        ("size", [Value::Bytes(bytes)]) => Value::length(bytes.len()),
        ("size", [Value::Map(members)]) => Value::length(members.len()),
        ("lists.range", [Value::Int(end)]) => return Some(lists::range(*end)),
        ("optional.none", []) => Value::Optional(None),
        ("optional.of", [value]) => Value::optional(Some(value.clone())),
        ("optional.ofNonZeroValue", [value]) => {
            Value::optional(Some(value.clone()).filter(|value| !value.is_zero()))
        }
        ("hasValue", [Value::Optional(value)]) => Value::Bool(value.is_some()),
        ("value", [Value::Optional(value)]) => {
            let none = || Failure::new("optional.none() dereference");
            return Some(value.as_deref().cloned().ok_or_else(none));
        }
        (_, []) => return names::format(name).map(Ok),
        _ => return None,
    }))
}
