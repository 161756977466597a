//! `regex.*` with the regular expressions of Go.

use std::fmt::Write;
use std::rc::Rc;

use gatewright_re2::{Pattern, cached};
use regorus::Value;

fn compiled(pattern: &Value) -> Option<Rc<Pattern>> {
    cached(pattern.as_string().ok()?).ok()
}

/// `regex.match(pattern, text)`.
pub fn is_match(v: &[Value]) -> Option<Value> {
    let text: &str = v[1].as_string().ok()?;
    Some(compiled(&v[0])?.is_match(text).into())
}

/// `regex.is_valid(pattern)`.
pub fn is_valid(pattern: &Value) -> bool {
    compiled(pattern).is_some()
}

/// `regex.split(pattern, text)`: an empty match at the start splits nothing.
pub fn split(v: &[Value]) -> Option<Value> {
    let text: &str = v[1].as_string().ok()?;
    let regex = compiled(&v[0])?;
    let pattern: &str = v[0].as_string().ok()?;
    if !pattern.is_empty() && text.is_empty() {
        return Some(vec![Value::from("")].into());
    }
    let (mut parts, mut begin, mut end) = (vec![], 0, 0);
    for found in regex.find_iter(text) {
        end = found.start;
        if found.end != 0 {
            parts.push(part(&text.as_bytes()[begin..end]));
        }
        begin = found.end;
    }
    if end != text.len() {
        parts.push(part(&text.as_bytes()[begin..]));
    }
    Some(parts.into())
}

fn part(bytes: &[u8]) -> Value {
    Value::from(String::from_utf8_lossy(bytes).into_owned())
}

/// `regex.replace(text, pattern, replacement)`.
pub fn replace(v: &[Value]) -> Option<Value> {
    let (text, replacement) = (v[0].as_string().ok()?, v[2].as_string().ok()?);
    Some(compiled(&v[1])?.replace_all(text, replacement).into())
}

/// How many matches are asked for: all if the number is negative.
fn limit(number: &Value) -> Option<usize> {
    Some(usize::try_from(number.as_i64().ok()?).unwrap_or(usize::MAX))
}

/// `regex.find_n(pattern, text, number)`.
pub fn find_n(v: &[Value]) -> Option<Value> {
    let text: &str = v[1].as_string().ok()?;
    let (regex, limit) = (compiled(&v[0])?, limit(&v[2])?);
    Some(
        regex
            .find_iter(text)
            .take(limit)
            .map(|found| part(&text.as_bytes()[found]))
            .collect::<Vec<_>>()
            .into(),
    )
}

/// `regex.find_all_string_submatch_n(pattern, text, number)`.
pub fn find_all_string_submatch_n(v: &[Value]) -> Option<Value> {
    let text: &str = v[1].as_string().ok()?;
    let (regex, limit) = (compiled(&v[0])?, limit(&v[2])?);
    let matches = regex.captures_iter(text).take(limit).map(|groups| {
        let groups = groups.into_iter().map(|group| part(group.unwrap_or_default()));
        Value::from(groups.collect::<Vec<_>>())
    });
    Some(matches.collect::<Vec<_>>().into())
}

/// `regex.template_match(template, text, start, end)`: what stands between the delimiters is a regular expression, and
/// the rest is text.
pub fn template_match(v: &[Value]) -> Option<Value> {
    let delimiter = |value: &Value| match value.as_string().ok()?.as_bytes() {
        [delimiter] => Some(*delimiter),
        _ => None,
    };
    let template: &str = v[0].as_string().ok()?;
    let (start, end) = (delimiter(&v[2])?, delimiter(&v[3])?);
    let (mut pattern, mut begin) = (String::from("^"), 0);
    for (from, to) in marked(template.as_bytes(), start, end)? {
        let part = &template[from + 1..to - 1];
        compiled(&format!("^{part}$").into())?;
        let _ = write!(pattern, "{}({part})", quoted(&template[begin..from]));
        begin = to;
    }
    pattern.push_str(&quoted(&template[begin..]));
    pattern.push('$');
    is_match(&[pattern.into(), v[1].clone()])
}

/// Where delimiters and what is between them stand; none if one of them is alone.
fn marked(template: &[u8], start: u8, end: u8) -> Option<Vec<(usize, usize)>> {
    let (mut found, mut open, mut from) = (vec![], 0_u32, 0);
    for (at, byte) in template.iter().enumerate() {
        if *byte == start {
            open += 1;
            if open == 1 {
                from = at;
            }
        } else if *byte == end {
            open = open.checked_sub(1)?;
            if open == 0 {
                found.push((from, at + 1));
            }
        }
    }
    (open == 0).then_some(found)
}

/// A text as a pattern that it alone matches.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}
