//! What a YAML scalar means to Kubernetes: YAML 1.1, as Go's `yaml.v2` understands it.
//!
//! Any other reading would judge another object than the one that `kubectl apply` sends: to it `on` is true, `010`
//! is eight and `1_000` a thousand.

use serde_json::{Number, Value};

/// A plain scalar, or one with a tag of a type. Most are texts: an owned one is moved, not copied.
///
/// # Errors
/// What is wrong, without the text: it may be a secret.
pub fn resolve<T: AsRef<str> + Into<Value>>(scalar: T) -> Result<Value, &'static str> {
    let text = scalar.as_ref();
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => return Err("a number that JSON does not have: not a number, or infinite"),
        _ => {
            let number = match text.as_bytes()[0] {
                b'.' => float(text),
                b'+' | b'-' | b'0'..=b'9' if text.contains('_') => number(&text.replace('_', "")),
                b'+' | b'-' | b'0'..=b'9' => number(text),
                _ => None,
            };
            number.unwrap_or_else(|| scalar.into())
        }
    })
}

/// A scalar with one of YAML's own tags, such as `!!int`; tags of others say nothing.
///
/// # Errors
/// What is wrong, without the text: it may be a secret.
pub fn tagged(tag: &str, text: &str) -> Result<Value, &'static str> {
    let (fits, wrong): (fn(&Value) -> bool, _) = match tag {
        "bool" => (Value::is_boolean, "the value is not a boolean (!!bool)"),
        "int" => (|value| value.is_i64() || value.is_u64(), "the value is not an integer (!!int)"),
        "float" => (Value::is_number, "the value is not a number (!!float)"),
        "null" => (Value::is_null, "the value is not null (!!null)"),
        "binary" => return Err("!!binary is nothing that Kubernetes has a use for"),
        _ => return Ok(text.into()),
    };
    let found = resolve(text)?;
    if fits(&found) { Ok(found) } else { Err(wrong) }
}

/// The text of a key: JSON knows no others.
///
/// # Errors
/// What is wrong, without the key.
pub fn key(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) if number.is_i64() => Ok(number.to_string()),
        Value::Number(number) => number
            .as_f64()
            .filter(|_| !number.is_u64())
            .map(short_float)
            .ok_or("a number of more than 63 bits cannot be a key; write it in quotes"),
        Value::Null => Err("a key that is empty or null"),
        Value::Array(_) | Value::Object(_) => Err("a key that is not a text"),
    }
}

fn number(text: &str) -> Option<Value> {
    integer(text).or_else(|| float(text))
}

/// Go's `strconv.ParseInt` and `ParseUint` with base 0.
fn integer(text: &str) -> Option<Value> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("+", &text[1..]),
        _ => ("", text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().all(|byte| char::from(byte).is_digit(radix)) {
        return None;
    }
    let size = u64::from_str_radix(digits, radix).ok()?;
    match sign {
        "-" => 0_i64.checked_sub_unsigned(size).map(Into::into),
        "+" => i64::try_from(size).ok().map(Into::into),
        _ => Some(size.into()),
    }
}

/// Digits with at most one point and an exponent.
fn float(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mantissa = digits.split(['e', 'E']).next().unwrap_or_default();
    let wrong = |c: char| !c.is_ascii_digit() && c != '.';
    if mantissa.is_empty() || mantissa.contains(wrong) {
        return None;
    }
    text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number)
}

/// A number as it is after its way through JSON: whole numbers lose their point, those that need more than 63 bits
/// their last digits.
#[expect(clippy::cast_possible_truncation, reason = "only whole numbers of at most 63 bits are cast")]
pub fn through_json(value: Value) -> Value {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let number = match &value {
        Value::Number(number) if !number.is_i64() => number.as_f64().unwrap_or_default(),
        _ => return value,
    };
    if number.fract() == 0.0 && -LIMIT < number && number < LIMIT {
        (number as i64).into()
    } else {
        number.into()
    }
}

/// Go's shortest form of a number of single precision, which is what becomes of a fraction as a key.
#[expect(clippy::cast_possible_truncation, reason = "keys have single precision there")]
fn short_float(number: f64) -> String {
    let scientific = format!("{:e}", number as f32);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{}", number as f32),
    }
}
