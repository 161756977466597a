//! `+`, `-`, `*`, `/`, `%`, and the sign.

use std::sync::Arc;

use super::value::{Failure, Outcome, Value};

/// Texts, bytes and lists that an expression may build. The API server ends an evaluation by its cost before it builds
/// larger ones.
const LARGEST: usize = 10_000_000;

/// An operator with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Operator {
    /// As Kubernetes calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "_+_",
            Self::Subtract => "_-_",
            Self::Multiply => "_*_",
            Self::Divide => "_/_",
            Self::Modulo => "_%_",
        }
    }

    /// Whether it can have this value on its left.
    const fn takes(self, value: &Value) -> bool {
        match self {
            Self::Add => matches!(
                value,
                Value::Bytes(_)
                    | Value::Double(_)
                    | Value::Duration(_)
                    | Value::Int(_)
                    | Value::List(_)
                    | Value::String(_)
                    | Value::Timestamp(_)
                    | Value::Uint(_)
            ),
            Self::Subtract => matches!(
                value,
                Value::Double(_) | Value::Duration(_) | Value::Int(_) | Value::Timestamp(_) | Value::Uint(_)
            ),
            Self::Multiply | Self::Divide => {
                matches!(value, Value::Double(_) | Value::Int(_) | Value::Uint(_))
            }
            Self::Modulo => matches!(value, Value::Int(_) | Value::Uint(_)),
        }
    }

    /// Its value.
    ///
    /// # Errors
    /// The operands do not fit, the result is too large, or a division is by zero.
    pub fn apply(self, left: &Value, right: &Value) -> Outcome {
        if !self.takes(left) {
            return Err(missing(left, self.name()));
        }
        match (left, right) {
            (Value::Int(left), Value::Int(right)) => self.integers(*left, *right).map(Value::Int),
            (Value::Uint(left), Value::Uint(right)) => self.unsigned(*left, *right).map(Value::Uint),
            (Value::Double(left), Value::Double(right)) => Ok(Value::Double(self.doubles(*left, *right))),
            _ if self == Self::Add => add(left, right),
            _ => subtract(left, right),
        }
    }

    fn integers(self, left: i64, right: i64) -> Outcome<i64> {
        let result = match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide if right == 0 => return Err(Failure::new("division by zero")),
            Self::Modulo if right == 0 => return Err(Failure::new("modulus by zero")),
            Self::Divide => left.checked_div(right),
            Self::Modulo => left.checked_rem(right),
        };
        result.ok_or_else(|| Failure::new("integer overflow"))
    }

    fn unsigned(self, left: u64, right: u64) -> Outcome<u64> {
        let result = match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide if right == 0 => return Err(Failure::new("division by zero")),
            Self::Modulo if right == 0 => return Err(Failure::new("modulus by zero")),
            Self::Divide => left.checked_div(right),
            Self::Modulo => left.checked_rem(right),
        };
        result.ok_or_else(|| Failure::new("unsigned integer overflow"))
    }

    fn doubles(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Modulo => left % right,
        }
    }
}

/// What is said of a value for which there is no such function. Texts, times and durations have a say of their own.
pub fn missing(value: &Value, function: &str) -> Failure {
    match value {
        Value::String(_) | Value::Timestamp(_) | Value::Duration(_) => Failure::no_overload(),
        _ => Failure::new(format!("no such overload: {function}")),
    }
}

fn add(left: &Value, right: &Value) -> Outcome {
    match (left, right) {
        (Value::String(left), Value::String(right)) => {
            within_bounds(left.len() + right.len())?;
            Ok(Value::from([&**left, &**right].concat()))
        }
        (Value::Bytes(left), Value::Bytes(right)) => {
            within_bounds(left.len() + right.len())?;
            Ok(Value::Bytes([&**left, &**right].concat().into()))
        }
        (Value::List(left), Value::List(right)) => {
            within_bounds((left.len() + right.len()).saturating_mul(8))?;
            Ok(Value::List(Arc::new(left.iter().chain(right.iter()).cloned().collect())))
        }
        (Value::Duration(left), Value::Duration(right)) => overflowing(left.checked_add(*right)),
        (Value::Timestamp(moment), Value::Duration(length))
        | (Value::Duration(length), Value::Timestamp(moment)) => {
            moment.add(i128::from(*length)).map(Value::Timestamp)
        }
        _ => Err(Failure::no_overload()),
    }
}

fn subtract(left: &Value, right: &Value) -> Outcome {
    match (left, right) {
        (Value::Duration(left), Value::Duration(right)) => overflowing(left.checked_sub(*right)),
        (Value::Timestamp(moment), Value::Duration(length)) => {
            moment.add(-i128::from(*length)).map(Value::Timestamp)
        }
        (Value::Timestamp(left), Value::Timestamp(right)) => {
            overflowing(i64::try_from(left.since(right)).ok())
        }
        _ => Err(Failure::no_overload()),
    }
}

fn overflowing(length: Option<i64>) -> Outcome {
    length.map(Value::Duration).ok_or_else(|| Failure::new("integer overflow"))
}

/// `-value`.
///
/// # Errors
/// It is no number, or there is no such number.
pub fn negate(value: &Value) -> Outcome {
    match value {
        Value::Int(number) => {
            number.checked_neg().map(Value::Int).ok_or_else(|| Failure::new("integer overflow"))
        }
        Value::Double(number) => Ok(Value::Double(-number)),
        Value::Duration(length) => overflowing(length.checked_neg()),
        Value::Bool(_) => Err(Failure::no_overload()),
        _ => Err(missing(value, "-_")),
    }
}

/// Ends the evaluation where something grows larger than the API server would let it.
///
/// # Errors
/// It does.
pub fn within_bounds(size: usize) -> Outcome<()> {
    if size > LARGEST {
        return Err(Failure::new("operation cancelled: actual cost limit exceeded"));
    }
    Ok(())
}
