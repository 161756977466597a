//! Values as text.

use serde_json::Value;

use crate::scalar;

/// How deep lines stand.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// The spaces before a key or dash.
    pub indent: usize,
    /// How much deeper a map stands than its key.
    pub step: usize,
    /// How much deeper the dashes of a list stand than its key.
    pub dash: usize,
}

impl Style {
    fn deeper(self, by: usize) -> Self {
        Self { indent: self.indent + by, ..self }
    }
}

/// The lines of a field.
pub fn member(name: &str, value: &Value, style: Style) -> Vec<String> {
    let space = " ".repeat(style.indent);
    let key = key(name, false);
    match inline(value) {
        Some(scalar) => vec![format!("{space}{key}: {scalar}")],
        None => [vec![format!("{space}{key}:")], below(value, style)].concat(),
    }
}

/// The lines of a collection below its key, which stands as deep as the style says.
pub fn below(value: &Value, style: Style) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let style = style.deeper(style.step);
            fields.iter().flat_map(|(name, value)| member(name, value, style)).collect()
        }
        Value::Array(items) => {
            let style = style.deeper(style.dash);
            items.iter().flat_map(|value| item(value, style)).collect()
        }
        _ => vec![],
    }
}

/// The lines of an item of a list.
pub fn item(value: &Value, style: Style) -> Vec<String> {
    let space = " ".repeat(style.indent);
    if let Some(scalar) = inline(value) {
        return vec![format!("{space}- {scalar}")];
    }
    let inner = Style { indent: style.indent + 2, ..style };
    let mut lines = match value {
        Value::Object(fields) => fields.iter().flat_map(|(name, value)| member(name, value, inner)).collect(),
        Value::Array(items) => items.iter().flat_map(|value| item(value, inner)).collect(),
        _ => vec![],
    };
    if let Some(first) = lines.first_mut() {
        first.replace_range(..style.indent + 2, &format!("{space}- "));
    }
    lines
}

/// A value that needs no lines of its own.
pub fn inline(value: &Value) -> Option<String> {
    match value {
        Value::Object(fields) if !fields.is_empty() => None,
        Value::Array(items) if !items.is_empty() => None,
        _ => Some(flow(value, false)),
    }
}

/// A value on one line; with `quoted` as JSON.
pub fn flow(value: &Value, quoted: bool) -> String {
    match value {
        Value::String(text) => key(text, quoted),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| flow(item, quoted)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let member =
                |(name, value): (&String, &Value)| format!("{}: {}", key(name, quoted), flow(value, quoted));
            format!("{{{}}}", fields.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A text, in quotes where it would be something else without.
pub fn key(text: &str, quoted: bool) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-');
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(fits)
        && matches!(scalar::resolve(text), Ok(Value::String(_)));
    if plain && !quoted { text.to_owned() } else { Value::from(text).to_string() }
}
