//! `'%s'.format([value])`.

use std::fmt::Write;

use crate::cel::arithmetic::within_bounds;
use crate::cel::kind::Type;
use crate::cel::print::{double, quote, scientific};
use crate::cel::time::seconds;
use crate::cel::value::{Failure, Key, Outcome, Value};

/// A text with values put in.
///
/// # Errors
/// There are too few values, one does not fit its clause, or there is no such clause.
pub fn format(text: &str, values: &[Value]) -> Outcome<String> {
    let mut values = values.iter();
    let mut count = 0_usize;
    let formatted = each_clause(text, |clause| {
        let value = values.next().ok_or_else(|| format!("index {count} out of range"))?;
        count += 1;
        let clause = Clause::read(clause)?;
        clause.apply(value).map_err(|fault| format!("error during formatting: {fault}"))
    });
    let formatted = formatted.map_err(Failure::new)?;
    within_bounds(formatted.len())?;
    Ok(formatted)
}

/// What is wrong with a text that is written in an expression, for values of these types.
///
/// # Errors
/// What Kubernetes' compiler says of it.
pub fn check(text: &str, types: &[Type]) -> Result<(), String> {
    let mut count = 0_usize;
    each_clause(text, |clause| {
        let kind = types.get(count).ok_or_else(|| format!("index {count} out of range"))?;
        count += 1;
        let clause = Clause::read(clause)?;
        clause.check(kind).map_err(|fault| format!("error during formatting: {fault}"))?;
        Ok(String::new())
    })?;
    match types.len() {
        given if given > count => {
            Err(format!("too many arguments supplied to string.format (expected {count}, got {given})"))
        }
        _ => Ok(()),
    }
}

/// Replaces each clause by what `put` gives for it, and `%%` by `%`.
fn each_clause(text: &str, mut put: impl FnMut(&str) -> Result<String, String>) -> Result<String, String> {
    let mut formatted = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        formatted.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            formatted.push('%');
            rest = after;
            continue;
        }
        let end = after.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(after.len());
        let end = if after.starts_with('.') { end } else { 0 };
        let length = after[end..].chars().next().map_or(end, |c| end + c.len_utf8());
        formatted.push_str(&put(&after[..length])?);
        rest = &after[length..];
    }
    Ok(formatted + rest)
}

/// How a value is written.
struct Clause {
    letter: char,
    precision: usize,
}

impl Clause {
    fn read(clause: &str) -> Result<Self, String> {
        const UNREADABLE: &str = "could not parse formatting clause: ";
        let Some(letter) = clause.chars().last() else { return Err("unexpected end of string".to_owned()) };
        let mut precision = 6;
        if let Some(digits) = clause.strip_prefix('.') {
            if letter.is_ascii_digit() || digits.is_empty() {
                let fault = "error while parsing precision: could not find end of precision specifier";
                return Err(format!("{UNREADABLE}{fault}"));
            }
            let digits = &digits[..digits.len() - letter.len_utf8()];
            precision = digits.parse().map_err(|_| {
                let fault = "error while parsing precision: error while converting precision to integer";
                format!("{UNREADABLE}{fault}: strconv.Atoi: parsing {}: invalid syntax", quote(digits))
            })?;
        }
        if !"sdfebxXo".contains(letter) {
            return Err(format!("{UNREADABLE}unrecognized formatting clause \"{letter}\""));
        }
        Ok(Self { letter, precision: precision.min(1_000) })
    }

    fn apply(&self, value: &Value) -> Result<String, String> {
        let formatted = match (self.letter, value) {
            ('s', value) => return string(value),
            ('d', Value::Int(number)) => number.to_string(),
            ('d', Value::Uint(number)) => number.to_string(),
            ('f' | 'e', Value::Double(number)) => self.fixed(*number),
            ('f' | 'e', Value::String(text)) if is_special(text) => {
                self.fixed(text.to_lowercase().parse().unwrap_or(f64::NAN))
            }
            ('b', Value::Bool(truth)) => u8::from(*truth).to_string(),
            ('b', Value::Int(number)) => signed(*number, format!("{:b}", number.unsigned_abs())),
            ('b', Value::Uint(number)) => format!("{number:b}"),
            ('o', Value::Int(number)) => signed(*number, format!("{:o}", number.unsigned_abs())),
            ('o', Value::Uint(number)) => format!("{number:o}"),
            ('x' | 'X', Value::Int(number)) => signed(*number, format!("{:x}", number.unsigned_abs())),
            ('x' | 'X', Value::Uint(number)) => format!("{number:x}"),
            ('x' | 'X', Value::String(text)) => hex(text.as_bytes()),
            ('x' | 'X', Value::Bytes(bytes)) => hex(bytes),
            _ => return Err(self.refused(value.type_name())),
        };
        Ok(if self.letter == 'X' { formatted.to_uppercase() } else { formatted })
    }

    fn fixed(&self, number: f64) -> String {
        let precision = self.precision;
        match self.letter {
            _ if number.is_nan() => "NaN".to_owned(),
            _ if number.is_infinite() => if number > 0.0 { "∞" } else { "-∞" }.to_owned(),
            'f' => grouped(&format!("{number:.precision$}")),
            // The API server takes the precision for the width.
            _ => {
                let text = scientific(number, Some(6));
                let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "+00"));
                format!("{:>precision$}", format!("{mantissa}×10{}", raised(exponent)))
            }
        }
    }

    fn check(&self, kind: &Type) -> Result<(), String> {
        let fits = match self.letter {
            _ if *kind == Type::Dyn => true,
            's' => !matches!(kind, Type::Opaque(_)),
            'd' | 'o' => matches!(kind, Type::Int | Type::Uint),
            'f' | 'e' => matches!(kind, Type::Double | Type::String),
            'b' => matches!(kind, Type::Bool | Type::Int | Type::Uint),
            _ => matches!(kind, Type::Bytes | Type::Int | Type::String | Type::Uint),
        };
        if fits { Ok(()) } else { Err(self.refused(&kind.to_string())) }
    }

    fn refused(&self, given: &str) -> String {
        let what = match self.letter {
            'd' => "decimal clause can only be used on integers",
            'f' => "fixed-point clause can only be used on doubles",
            'e' => "scientific clause can only be used on doubles",
            'b' => "only integers and bools can be formatted as binary",
            'o' => "octal clause can only be used on integers",
            'x' | 'X' => "only integers, byte buffers, and strings can be formatted as hex",
            _ => return string_refused(given),
        };
        format!("{what}, was given {given}")
    }
}

fn string_refused(given: &str) -> String {
    let what = "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps";
    format!("{what}, was given {given}")
}

fn is_special(text: &str) -> bool {
    ["NaN", "Infinity", "-Infinity"].contains(&text)
}

fn signed(number: i64, digits: String) -> String {
    if number < 0 { format!("-{digits}") } else { digits }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A number with a comma for each three digits, as in English.
fn grouped(text: &str) -> String {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) =
        unsigned.split_once('.').map_or((unsigned, None), |(whole, part)| (whole, Some(part)));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    fraction.map_or_else(|| format!("{sign}{grouped}"), |part| format!("{sign}{grouped}.{part}"))
}

/// An exponent in raised digits.
fn raised(exponent: &str) -> String {
    let digits = exponent.trim_start_matches('+');
    digits
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            '9' => '⁹',
            _ => '⁰',
        })
        .collect()
}

fn string(value: &Value) -> Result<String, String> {
    Ok(match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => double(*number),
        Value::String(text) | Value::Type(text) => text.to_string(),
        Value::Duration(length) => seconds(*length),
        Value::Timestamp(moment) => moment.to_string(),
        Value::Bytes(bytes) => {
            let fault = "invalid UTF-8 in bytes, cannot convert to string";
            let refused = |_| format!("could not convert argument {} to string", quote(fault));
            std::str::from_utf8(bytes).map(str::to_owned).map_err(refused)?
        }
        Value::List(elements) => {
            let elements: Result<Vec<_>, _> = elements.iter().map(literal).collect();
            format!("[{}]", elements?.join(", "))
        }
        Value::Map(members) => {
            let member = |(key, value): (&Key, &Value)| {
                Ok(format!("{}:{}", literal(&key.clone().into())?, literal(value)?))
            };
            let mut members: Vec<String> = members.iter().map(member).collect::<Result<_, String>>()?;
            members.sort();
            format!("{{{}}}", members.join(", "))
        }
        _ => return Err(string_refused(value.type_name())),
    })
}

/// A value as an expression would write it.
fn literal(value: &Value) -> Result<String, String> {
    Ok(match value {
        Value::String(text) => quote(text),
        Value::Bytes(_) => format!("b{}", quote(&string(value)?)),
        Value::Double(number) if !number.is_finite() => quote(&format!("{number:.6}").replace("inf", "+Inf")),
        Value::Double(number) => format!("{number:.6}"),
        Value::Duration(_) => format!("duration({})", quote(&string(value)?)),
        Value::Timestamp(_) => format!("timestamp({})", quote(&string(value)?)),
        Value::Optional(_)
        | Value::Quantity(_)
        | Value::Url(_)
        | Value::Ip(_)
        | Value::Cidr(_)
        | Value::Semver(_)
        | Value::Format(_) => return Err(format!("no formatting function for {}", value.type_name())),
        _ => string(value)?,
    })
}
