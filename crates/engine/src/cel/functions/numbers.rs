//! Functions of quantities and semantic versions.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::cel::quantity::Quantity;
use crate::cel::semver::Version;
use crate::cel::value::{Failure, Outcome, Value};

/// A function that reads a text; none if there is none of that name here.
pub fn parse(name: &str, text: &str, arguments: &[Value]) -> Option<Outcome> {
    let lenient = matches!(arguments, [Value::Bool(true)]);
    Some(match name {
        "quantity" => Quantity::parse(text).map(|quantity| Value::Quantity(Arc::new(quantity))),
        "isQuantity" => Ok(Quantity::parse(text).is_ok().into()),
        "semver" => Version::parse(text, lenient).map(|version| Value::Semver(Arc::new(version))),
        "isSemver" => Ok(Version::parse(text, lenient).is_ok().into()),
        _ => return None,
    })
}

/// A function that is called on a quantity or a version, or takes it first; none if there is none of that name here.
pub fn call(name: &str, arguments: &[Value]) -> Option<Outcome> {
    match arguments {
        [Value::Quantity(quantity)] => of_quantity(name, quantity),
        [Value::Quantity(one), Value::Quantity(other)] => {
            calculate(name, one, other).or_else(|| ordered(name, one.compare(other)))
        }
        [Value::Quantity(one), Value::Int(other)] => calculate(name, one, &Quantity::from(*other)),
        [Value::Semver(version)] => of_version(name, version),
        [Value::Semver(one), Value::Semver(other)] => ordered(name, one.compare(other)),
        _ => None,
    }
}

fn of_quantity(name: &str, quantity: &Quantity) -> Option<Outcome> {
    Some(match name {
        "sign" => Ok(Value::Int(quantity.sign())),
        "isInteger" => Ok(quantity.integer().is_some().into()),
        "asInteger" => {
            let none = || Failure::new("cannot convert value to integer");
            quantity.integer().map(Value::Int).ok_or_else(none)
        }
        "asApproximateFloat" => Ok(Value::Double(quantity.approximate())),
        _ => return None,
    })
}

fn calculate(name: &str, one: &Quantity, other: &Quantity) -> Option<Outcome> {
    let quantity = match name {
        "add" => one.add(other),
        "sub" => one.subtract(other),
        _ => return None,
    };
    Some(Ok(Value::Quantity(Arc::new(quantity))))
}

fn ordered(name: &str, order: Ordering) -> Option<Outcome> {
    Some(Ok(match name {
        "isGreaterThan" => order.is_gt().into(),
        "isLessThan" => order.is_lt().into(),
        "compareTo" => Value::Int(order as i64),
        _ => return None,
    }))
}

fn of_version(name: &str, version: &Version) -> Option<Outcome> {
    let index = match name {
        "major" => 0,
        "minor" => 1,
        "patch" => 2,
        _ => return None,
    };
    Some(Ok(Value::Int(i64::try_from(version.numbers[index]).unwrap_or(i64::MAX))))
}
