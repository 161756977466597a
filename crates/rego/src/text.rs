//! Values as text, as OPA writes them.

use std::fmt::Write;

use regorus::Value;

use super::float::general;

/// A value as Rego.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(string) => quote(string, false),
        Value::Number(_) => number(value),
        Value::Array(items) => format!("[{}]", list(items.iter())),
        Value::Set(items) if items.iter().next().is_none() => "set()".into(),
        Value::Set(items) => format!("{{{}}}", list(items.iter())),
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter_sorted().map(|(key, value)| format!("{}: {}", text(key), text(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// A number as it is written in JSON: what came as a float has an exponent where Go writes one.
pub fn number(value: &Value) -> String {
    let Ok(number) = value.as_number() else { return String::new() };
    float(value).map_or_else(
        || number.format_decimal(),
        |float| {
            let sign = if float.is_sign_negative() { "-" } else { "" };
            sign.to_owned() + &general(float.abs(), None)
        },
    )
}

/// The number, if it is held as a float: a whole one too. Only those are written with decimals.
pub fn float(value: &Value) -> Option<f64> {
    let number = value.as_number().ok()?;
    let is_float = !number.is_integer() || number.format_decimal_with_width(1).contains('.');
    number.as_f64().filter(|_| is_float)
}

fn list<'a>(items: impl Iterator<Item = &'a Value>) -> String {
    items.map(text).collect::<Vec<_>>().join(", ")
}

/// Go's `strconv.Quote`, or `QuoteToASCII`: what Go's programs put into messages.
#[must_use]
pub fn quote(text: &str, ascii: bool) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            ' '..='~' => quoted.push(c),
            _ if !ascii && is_printable(c) => quoted.push(c),
            _ if c < ' ' || c == '\u{7f}' => drop(write!(quoted, "\\x{:02x}", u32::from(c))),
            _ if u32::from(c) < 0x1_0000 => drop(write!(quoted, "\\u{:04x}", u32::from(c))),
            _ => drop(write!(quoted, "\\U{:08x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

/// Letters, marks, numbers, punctuation, symbols: what Rust's debug form does not escape.
fn is_printable(c: char) -> bool {
    !c.is_whitespace() && (c.escape_debug().len() == 1 || is_mark(c))
}

/// Combining marks are printable, though Rust escapes them where they stand alone.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}')
}
