//! Equality, order and membership of values.

use std::cmp::Ordering;

use super::value::{Failure, Key, Outcome, Value};

/// Whether two values are equal. Numbers of different types are, where they are the same number.
pub fn equal(one: &Value, other: &Value) -> bool {
    equality(one, other) == Some(true)
}

/// What `one == other` is.
///
/// # Errors
/// `one` has a type of Kubernetes' own, and `other` has another type.
pub fn equals(one: &Value, other: &Value) -> Outcome<bool> {
    equality(one, other).ok_or_else(Failure::no_overload)
}

/// Whether two values are equal; none where the first has a type of Kubernetes' own, which can be compared with its like
/// alone. In a list or a map such a pair counts as equal, as it does there.
fn equality(one: &Value, other: &Value) -> Option<bool> {
    use Value::{
        Bool, Bytes, Cidr, Double, Duration, Format, Int, Ip, List, Map, Null, Optional, Quantity, Semver,
        String, Timestamp, Type, Uint, Url,
    };
    let found = match (one, other) {
        (Null, Null) => true,
        (Bool(one), Bool(other)) => one == other,
        (Int(_) | Uint(_) | Double(_), Int(_) | Uint(_) | Double(_)) => {
            numbers(one, other) == Some(Ordering::Equal)
        }
        (String(one), String(other)) | (Type(one), Type(other)) | (Format(one), Format(other)) => {
            one == other
        }
        (Bytes(one), Bytes(other)) => one == other,
        (Duration(one), Duration(other)) => one == other,
        (Timestamp(one), Timestamp(other)) => one == other,
        (List(one), List(other)) => {
            one.len() == other.len()
                && one.iter().zip(other.iter()).all(|(one, other)| equality(one, other) != Some(false))
        }
        (Map(one), Map(whole)) => {
            let has = |(key, value): (&Key, &Value)| {
                member(other, &key.clone().into()).is_some_and(|other| equality(value, other) != Some(false))
            };
            one.len() == whole.len() && one.iter().all(has)
        }
        (Optional(one), Optional(other)) => match (one, other) {
            (Some(one), Some(other)) => return equality(one, other),
            (one, other) => one.is_none() && other.is_none(),
        },
        (Quantity(one), Quantity(other)) => one.compare(other) == Ordering::Equal,
        (Semver(one), Semver(other)) => one.compare(other) == Ordering::Equal,
        (Url(one), Url(other)) => one.text == other.text,
        (Ip(one), Ip(other)) => one == other,
        (Cidr(one), Cidr(other)) => one == other,
        (_, Null) => false,
        (Quantity(_) | Semver(_) | Url(_) | Ip(_) | Cidr(_) | Format(_), _) => return None,
        _ => false,
    };
    Some(found)
}

/// The order of two values.
///
/// # Errors
/// They have none.
pub fn compare(one: &Value, other: &Value) -> Outcome<Ordering> {
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => Ok(one.cmp(other)),
        (Value::String(one), Value::String(other)) => Ok(one.cmp(other)),
        (Value::Bytes(one), Value::Bytes(other)) => Ok(one.cmp(other)),
        (Value::Duration(one), Value::Duration(other)) => Ok(one.cmp(other)),
        (Value::Timestamp(one), Value::Timestamp(other)) => Ok(one.cmp(other)),
        (
            Value::Int(_) | Value::Uint(_) | Value::Double(_),
            Value::Int(_) | Value::Uint(_) | Value::Double(_),
        ) => numbers(one, other).ok_or_else(|| Failure::new("NaN values cannot be ordered")),
        (Value::Double(one), _) if one.is_nan() => Err(Failure::new("NaN values cannot be ordered")),
        _ => Err(Failure::no_overload()),
    }
}

/// Whether values of this one's type have an order.
pub const fn is_ordered(value: &Value) -> bool {
    matches!(
        value,
        Value::Bool(_)
            | Value::Bytes(_)
            | Value::Double(_)
            | Value::Duration(_)
            | Value::Int(_)
            | Value::String(_)
            | Value::Timestamp(_)
            | Value::Uint(_)
    )
}

fn numbers(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Double(one), Value::Double(other)) => one.partial_cmp(other),
        (Value::Double(one), other) => with_double(&integer(other)?, *one).map(Ordering::reverse),
        (one, Value::Double(other)) => with_double(&integer(one)?, *other),
        (one, other) => Some(integer(one)?.cmp(&integer(other)?)),
    }
}

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::Uint(number) => Some(i128::from(*number)),
        _ => None,
    }
}

/// What is beyond all integers is compared by that, and everything else as doubles, as Kubernetes does.
#[allow(clippy::cast_precision_loss, reason = "the API server compares in this way")]
fn with_double(integer: &i128, double: f64) -> Option<Ordering> {
    (*integer as f64).partial_cmp(&double)
}

/// The value of a key in a map. A key that is another type of number with the same value is as good.
pub fn member<'a>(map: &'a Value, key: &Value) -> Option<&'a Value> {
    let Value::Map(members) = map else { return None };
    let of = |key: Key| members.get(&key);
    let number = match key {
        Value::Double(number) => whole(*number)?,
        Value::Int(number) => i128::from(*number),
        Value::Uint(number) => i128::from(*number),
        _ => return of(key.key()?),
    };
    let signed = || i64::try_from(number).ok().and_then(|number| of(Key::Int(number)));
    let unsigned = || u64::try_from(number).ok().and_then(|number| of(Key::Uint(number)));
    signed().or_else(unsigned)
}

/// A double that is an integer of 64 bits.
#[allow(clippy::cast_possible_truncation, reason = "it is checked before")]
pub fn whole(number: f64) -> Option<i128> {
    (number.trunc() - number == 0.0 && number.abs() <= 18_446_744_073_709_551_616.0).then_some(number as i128)
}

/// `one in whole`.
///
/// # Errors
/// The whole is neither a list nor a map.
pub fn contains(whole: &Value, one: &Value) -> Outcome<bool> {
    match whole {
        Value::List(elements) => Ok(elements.iter().any(|element| equal(one, element))),
        Value::Map(_) => Ok(member(whole, one).is_some()),
        _ => Err(Failure::no_overload()),
    }
}
