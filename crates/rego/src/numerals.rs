//! Numbers that are written in texts, and rounding, as OPA has them.

use num_bigint::{BigInt, BigUint};
use regorus::Value;

use super::limits::exceed;

/// How far bits are shifted, and how large an exponent of a number of bytes is.
const MOST: u64 = 10_000;

/// A decimal number: whether it is negative, its digits, and the power of ten that they count.
struct Decimal {
    negative: bool,
    digits: String,
    power: i64,
}

impl Decimal {
    /// Digits with at most one point, and an exponent.
    fn parse(text: &str) -> Option<Self> {
        let number = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (mantissa, exponent) = match number.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (number, None),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let power = exponent.unwrap_or("0");
        if !is_number(&digits) || !is_number(power.strip_prefix(['+', '-']).unwrap_or(power)) {
            return None;
        }
        let limit = i64::from(i32::MAX);
        let power: i64 = power.parse().unwrap_or(if power.starts_with('-') { -limit } else { limit });
        let power = power - i64::try_from(fraction.len()).ok()?;
        Some(Self { negative: text.starts_with('-'), digits, power })
    }

    fn text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let digits = self.digits.trim_start_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits };
        if self.power == 0 { format!("{sign}{digits}") } else { format!("{sign}{digits}e{}", self.power) }
    }
}

/// `to_number(value)`.
pub fn to_number(v: &[Value]) -> Option<Value> {
    match &v[0] {
        Value::Null => Some(0.into()),
        Value::Bool(truth) => Some(i64::from(*truth).into()),
        Value::Number(_) => Some(v[0].clone()),
        Value::String(text) => parsed(text),
        _ => None,
    }
}

/// Go's `strconv.ParseFloat`, without what is no number.
fn parsed(text: &str) -> Option<Value> {
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let hexadecimal = number.strip_prefix("0x").or_else(|| number.strip_prefix("0X"));
    if !underscores_fit(hexadecimal.map_or(number, |_| &number[1..]), hexadecimal.is_some()) {
        return None;
    }
    if let Some(number) = hexadecimal {
        let float = from_hexadecimal(&number.replace('_', ""))?;
        return Some(whole_or(if text.starts_with('-') { -float } else { float }));
    }
    let decimal = Decimal::parse(&text.replace('_', ""))?;
    let float: f64 = text.replace('_', "").parse().ok()?;
    if !float.is_finite() {
        return None;
    }
    if decimal.power == 0 {
        return Value::from_numeric_string(&decimal.text()).ok();
    }
    Some(whole_or(float))
}

/// Underscores stand between digits, or between `0x` and a digit.
fn underscores_fit(number: &str, hexadecimal: bool) -> bool {
    let digit = |byte: Option<&u8>| {
        byte.is_some_and(|byte| {
            byte.is_ascii_digit() || hexadecimal && (byte.is_ascii_hexdigit() || matches!(byte, b'x' | b'X'))
        })
    };
    let bytes = number.as_bytes();
    let fits = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let after = bytes.get(at + 1).filter(|byte| !matches!(byte, b'x' | b'X'));
        digit(before) && digit(after)
    };
    bytes.iter().enumerate().all(|(at, byte)| *byte != b'_' || fits(at))
}

/// `1.8p1`: digits to the base 16, and the power of two that they count.
fn from_hexadecimal(number: &str) -> Option<f64> {
    let (mantissa, power) = number.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let unsigned = power.strip_prefix(['+', '-']).unwrap_or(power);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let limited = (digits.trim_start_matches('0').len() <= 13).then(|| u64::from_str_radix(&digits, 16));
    let Some(Ok(digits)) = limited else {
        return exceed("to_number: a number to the base 16 with more than 13 digits");
    };
    let power = power.parse::<i32>().ok()?.checked_sub(i32::try_from(4 * fraction.len()).ok()?)?;
    #[expect(clippy::cast_precision_loss, reason = "at most 52 bits")]
    let float = digits as f64 * 2_f64.powi(power);
    float.is_finite().then_some(float)
}

/// A float, or the integer that it is: that is written without an exponent.
fn whole_or(float: f64) -> Value {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and fits")]
    if float.fract() == 0.0 && float.abs() < LIMIT { (float as i64).into() } else { float.into() }
}

/// `ceil(number)`; OPA makes 1 of what is between -1 and 0.
pub fn ceil(v: &[Value]) -> Option<Value> {
    rounded(&v[0], |float| if -1.0 < float && float < 0.0 { 1.0 } else { float.ceil() })
}

/// `floor(number)`; OPA makes 0 of what is between -1 and 0.
pub fn floor(v: &[Value]) -> Option<Value> {
    rounded(&v[0], |float| if -1.0 < float && float < 0.0 { 0.0 } else { float.floor() })
}

fn rounded(value: &Value, round: impl Fn(f64) -> f64) -> Option<Value> {
    let number = value.as_number().ok()?;
    if number.is_integer() {
        return Some(integer(value).map_or_else(|| value.clone(), |integer| from_digits(&integer)));
    }
    Some(whole_or(round(number.as_f64()?)))
}

/// A number without a fraction.
fn integer(value: &Value) -> Option<BigInt> {
    let number = value.as_number().ok()?;
    number.is_integer().then(|| number.format_decimal().parse().ok())?
}

fn from_digits(number: &BigInt) -> Value {
    Value::from_numeric_string(&number.to_string()).unwrap_or(Value::Undefined)
}

/// `bits.lsh(number, bits)`.
pub fn shift_left(v: &[Value]) -> Option<Value> {
    let (number, bits) = (integer(&v[0])?, integer(&v[1])?);
    match u64::try_from(&bits) {
        Ok(bits) if bits <= MOST => Some(from_digits(&(number << bits))),
        Ok(_) => exceed("bits.lsh: a number of more than 10,000 bits"),
        Err(_) => None,
    }
}

/// `numbers.range_step(from, to, step)`.
pub fn range_step(v: &[Value]) -> Option<Value> {
    let number = |value: &Value| i128::try_from(integer(value)?).ok();
    let (from, to, step) = (number(&v[0])?, number(&v[1])?, number(&v[2])?);
    if step <= 0 {
        return None;
    }
    let mut numbers = vec![];
    let mut at = from;
    while if from <= to { at <= to } else { at >= to } {
        numbers.push(from_digits(&at.into()));
        at = if from <= to { at.checked_add(step)? } else { at.checked_sub(step)? };
    }
    Some(numbers.into())
}

/// `units.parse_bytes(text)`: OPA computes with 64 bits and cuts off what is behind the point.
pub fn parse_bytes(v: &[Value]) -> Option<Value> {
    let text = v[0].as_string().ok()?.to_lowercase().replace('"', "");
    let (number, unit) = text.split_at(unit_of(&text)?);
    let factor = factor(unit)?;
    let decimal = Decimal::parse(number)?;
    if decimal.power.unsigned_abs() > MOST {
        return exceed("units.parse_bytes: an exponent of more than 10,000");
    }
    let (mantissa, exponent) = binary(&decimal)?;
    let (mantissa, more) = shortened(BigUint::from(mantissa) * factor, false);
    let bytes = shifted(mantissa, exponent + more);
    let bytes = BigInt::from(bytes);
    Some(from_digits(&if decimal.negative { -bytes } else { bytes }))
}

/// Where the unit begins; none if the exponent has more digits than OPA takes.
fn unit_of(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'0'..=b'9' | b'.' | b'+' | b'-' => {}
            b'e' if bytes.get(at + 1).is_some_and(|next| matches!(next, b'0'..=b'9' | b'+' | b'-')) => {
                let digits = text[at + 1..].trim_start_matches(['+', '-']);
                let count = digits.len() - digits.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                if count > 6 {
                    return None;
                }
            }
            _ => break,
        }
        at += 1;
    }
    Some(at)
}

fn factor(unit: &str) -> Option<u64> {
    let (prefix, base) = match unit.strip_suffix('b').filter(|prefix| !prefix.is_empty()).unwrap_or(unit) {
        "" => return Some(1),
        prefix => prefix.strip_suffix('i').map_or((prefix, 1000_u64), |prefix| (prefix, 1024)),
    };
    let power = "kmgtpe".find(prefix).filter(|_| prefix.len() == 1)?;
    base.checked_pow(u32::try_from(power).ok()? + 1)
}

/// A decimal number as a mantissa of 64 bits and a power of two.
fn binary(decimal: &Decimal) -> Option<(u64, i64)> {
    let digits: BigUint = decimal.digits.parse().ok()?;
    let power = BigUint::from(10_u32).pow(u32::try_from(decimal.power.unsigned_abs()).ok()?);
    if decimal.power >= 0 {
        return Some(shortened(digits * power, false));
    }
    let shift = power.bits() + 128;
    let (dividend, rest) =
        (digits << shift, |quotient: &BigUint, dividend: &BigUint| quotient * &power != *dividend);
    let quotient = &dividend / &power;
    let (mantissa, exponent) = shortened(quotient.clone(), rest(&quotient, &dividend));
    Some((mantissa, exponent - i64::try_from(shift).ok()?))
}

/// The first 64 bits, rounded to the nearest or even number, and how many bits stand behind them.
fn shortened(number: BigUint, is_more: bool) -> (u64, i64) {
    let Some(excess) = number.bits().checked_sub(64).filter(|excess| *excess > 0) else {
        return (u64::try_from(number).unwrap_or_default(), 0);
    };
    let (mut kept, half) = (&number >> excess, BigUint::from(1_u32) << (excess - 1));
    let behind = &number - (&kept << excess);
    if behind > half || behind == half && (is_more || kept.bit(0)) {
        kept += 1_u32;
    }
    let excess = i64::try_from(excess).unwrap_or_default();
    match u64::try_from(&kept) {
        Ok(kept) => (kept, excess),
        Err(_) => (1 << 63, excess + 1),
    }
}

fn shifted(mantissa: u64, exponent: i64) -> BigUint {
    let (number, bits) = (BigUint::from(mantissa), exponent.unsigned_abs());
    if exponent < 0 { number >> bits } else { number << bits }
}
