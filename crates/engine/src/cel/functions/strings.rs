//! Functions of texts. Positions count code points.

use crate::cel::arithmetic::within_bounds;
use crate::cel::value::{Failure, Outcome, Value};

/// A function that is called on a text, or takes it first; none if there is none of that name here.
pub fn call(name: &str, text: &str, arguments: &[Value]) -> Option<Outcome> {
    Some(match (name, arguments) {
        ("size", []) => Ok(Value::length(text.chars().count())),
        ("startsWith", [Value::String(part)]) => Ok(text.starts_with(&**part).into()),
        ("endsWith", [Value::String(part)]) => Ok(text.ends_with(&**part).into()),
        ("contains", [Value::String(part)]) => Ok(text.contains(&**part).into()),
        ("charAt", [Value::Int(index)]) => char_at(text, *index),
        ("indexOf", [Value::String(part)]) => index_of(text, part, 0),
        ("indexOf", [Value::String(part), Value::Int(start)]) => index_of(text, part, *start),
        ("lastIndexOf", [Value::String(part)]) => last_index_of(text, part, None),
        ("lastIndexOf", [Value::String(part), Value::Int(end)]) => last_index_of(text, part, Some(*end)),
        ("lowerAscii", []) => Ok(text.to_ascii_lowercase().into()),
        ("upperAscii", []) => Ok(text.to_ascii_uppercase().into()),
        ("trim", []) => Ok(text.trim_matches(char::is_whitespace).into()),
        ("replace", [Value::String(old), Value::String(new)]) => replace(text, old, new, -1),
        ("replace", [Value::String(old), Value::String(new), Value::Int(count)]) => {
            replace(text, old, new, *count)
        }
        ("split", [Value::String(separator)]) => Ok(split(text, separator, -1)),
        ("split", [Value::String(separator), Value::Int(count)]) => Ok(split(text, separator, *count)),
        ("substring", [Value::Int(start)]) => substring(text, *start, None),
        ("substring", [Value::Int(start), Value::Int(end)]) => substring(text, *start, Some(*end)),
        ("strings.quote", []) => Ok(quoted(text).into()),
        ("format", [Value::List(values)]) => super::format::format(text, values).map(Value::from),
        _ => return None,
    })
}

fn out_of_range(index: i64) -> Failure {
    Failure::new(format!("index out of range: {index}"))
}

fn char_at(text: &str, index: i64) -> Outcome {
    let length = text.chars().count();
    let position = usize::try_from(index).ok().filter(|position| *position <= length);
    let position = position.ok_or_else(|| out_of_range(index))?;
    Ok(text.chars().nth(position).map(String::from).unwrap_or_default().into())
}

fn index_of(text: &str, part: &str, start: i64) -> Outcome {
    if part.is_empty() {
        return Ok(Value::Int(start));
    }
    let offset = usize::try_from(start).map_err(|_| out_of_range(start))?;
    let Some((begin, _)) = text.char_indices().nth(offset) else { return Ok(Value::Int(-1)) };
    let found = text[begin..].find(part);
    Ok(found.map_or(Value::Int(-1), |at| Value::length(text[..begin + at].chars().count())))
}

fn last_index_of(text: &str, part: &str, end: Option<i64>) -> Outcome {
    let length = text.chars().count();
    if part.is_empty() {
        return Ok(end.map_or_else(|| Value::length(length), Value::Int));
    }
    if end.is_none() && text.is_empty() {
        return Ok(Value::Int(-1));
    }
    let last = match end {
        None => length - 1,
        Some(end) => usize::try_from(end).map_err(|_| out_of_range(end))?,
    };
    if last >= length {
        return Ok(Value::Int(-1));
    }
    // What is found must begin at that position or before.
    let begin = text.char_indices().nth(last).map_or(text.len(), |(at, _)| at);
    let limit = (begin + part.len()).min(text.len());
    let limit = (limit..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let found = text[..limit].rfind(part).filter(|at| *at <= begin);
    let found = found.or_else(|| text[..begin].rfind(part));
    Ok(found.map_or(Value::Int(-1), |at| Value::length(text[..at].chars().count())))
}

fn replace(text: &str, old: &str, new: &str, count: i64) -> Outcome {
    let most = text.len() + 1;
    let count = usize::try_from(count).map_or(most, |count| count.min(most));
    let found = if old.is_empty() { most } else { text.len() / old.len() };
    within_bounds(text.len().saturating_add(found.min(count).saturating_mul(new.len())))?;
    Ok(text.replacen(old, new, count).into())
}

fn split(text: &str, separator: &str, count: i64) -> Value {
    if count == 0 {
        return Value::from_iter::<[Value; 0]>([]);
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if !separator.is_empty() {
        return text.splitn(count, separator).collect();
    }
    // One character each; the last takes what is left.
    let mut parts = vec![];
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if parts.len() + 1 == count { rest.len() } else { c.len_utf8() };
        parts.push(&rest[..length]);
        rest = &rest[length..];
    }
    parts.into_iter().collect()
}

fn substring(text: &str, start: i64, end: Option<i64>) -> Outcome {
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if let Some(end) = end
        && start > end
    {
        return Err(Failure::new(format!("invalid substring range. start: {start}, end: {end}")));
    }
    let position = |index: i64| {
        let position = usize::try_from(index).ok().filter(|_| index <= length);
        position.ok_or_else(|| out_of_range(index))
    };
    let start = position(start)?;
    let end = position(end.unwrap_or(length))?;
    Ok(text.chars().skip(start).take(end - start).collect::<String>().into())
}

/// A text as an expression would write it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\\' | '"' => quoted.extend(['\\', c]),
            _ => quoted.push(c),
        }
    }
    quoted + "\""
}
