//! `time.parse_duration_ns`: Go's durations, and with OPA days, weeks and years.

use std::fmt::Write;

use regorus::Value;

/// The most nanoseconds below zero.
const MOST: u64 = 1 << 63;

/// `time.parse_duration_ns(text)`.
pub fn parse(v: &[Value]) -> Option<Value> {
    let text: &str = v[0].as_string().ok()?;
    let extended = text.contains(['d', 'w', 'y']).then(|| in_hours(text));
    let text = match &extended {
        Some(text) => text.as_deref()?,
        None => text,
    };
    nanoseconds(text).map(Value::from)
}

/// Days, weeks and years as hours; the other parts stay.
fn in_hours(text: &str) -> Option<String> {
    let mut rest = text.trim_start_matches(['+', '-']);
    let sign = &text[..text.len() - rest.len()];
    if sign.len() > 1 || rest.is_empty() {
        return None;
    }
    let mut written = sign.to_owned();
    while !rest.is_empty() {
        let (digits, behind) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let units = ["ms", "us", "µs", "ns"];
        let letter = || behind.get(..1).filter(|unit| unit.as_bytes()[0].is_ascii_lowercase());
        let unit = units.into_iter().find(|unit| behind.starts_with(unit)).or_else(letter)?;
        let hours = match unit {
            "d" => 24.0,
            "w" => 7.0 * 24.0,
            "y" => 365.0 * 24.0,
            _ => 0.0,
        };
        if hours > 0.0 {
            let _ = write!(written, "{}h", digits.parse::<f64>().ok()? * hours);
        } else {
            written.extend([digits, unit]);
        }
        rest = &behind[unit.len()..];
        if digits.is_empty() {
            return None;
        }
    }
    Some(written)
}

fn split(text: &str, inside: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !inside(c)).unwrap_or(text.len()))
}

/// Go's `time.ParseDuration`.
fn nanoseconds(text: &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    let mut sum = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (part, behind) = part(rest)?;
        sum = sum.checked_add(part).filter(|sum| *sum <= MOST)?;
        rest = behind;
    }
    if negative { 0_i64.checked_sub_unsigned(sum) } else { i64::try_from(sum).ok() }
}

/// The nanoseconds of a number with its unit, and what follows.
fn part(text: &str) -> Option<(u64, &str)> {
    let (whole, rest) = split(text, |c| c.is_ascii_digit());
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split(rest, |c| c.is_ascii_digit()),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, rest) = split(rest, |c| !c.is_ascii_digit() && c != '.');
    let unit = factor(unit)?;
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    let whole = whole.checked_mul(unit).filter(|whole| *whole <= MOST)?;
    let sum = whole.checked_add(below(fraction, unit)).filter(|sum| *sum <= MOST)?;
    Some((sum, rest))
}

/// The nanoseconds of what stands behind the point, computed as Go does.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Go's own floats"
)]
fn below(fraction: &str, unit: u64) -> u64 {
    let (mut digits, mut scale) = (0_u64, 1.0_f64);
    for digit in fraction.bytes() {
        let more = digits.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(digit - b'0')));
        let Some(more) = more.filter(|more| *more <= MOST) else { break };
        (digits, scale) = (more, scale * 10.0);
    }
    (digits as f64 * (unit as f64 / scale)) as u64
}

fn factor(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}
