//! Functions of texts that regorus has in another way than Go.

use regorus::Value;

/// `strings.count(text, part)`: parts do not overlap; the empty one is between all characters.
pub fn count(v: &[Value]) -> Option<Value> {
    let (text, part): (&str, &str) = (v[0].as_string().ok()?, v[1].as_string().ok()?);
    let count = if part.is_empty() { text.chars().count() + 1 } else { text.matches(part).count() };
    Some(i64::try_from(count).ok()?.into())
}

/// The places of a part, in characters. There is none of the empty part.
fn places(v: &[Value]) -> Option<impl Iterator<Item = usize>> {
    let text: Vec<char> = v[0].as_string().ok()?.chars().collect();
    let part: Vec<char> = v[1].as_string().ok()?.chars().collect();
    let is_there = move |at: &usize| text[*at..].starts_with(&part);
    let (length, empty) = (v[0].as_string().ok()?.chars().count(), v[1].as_string().ok()?.is_empty());
    (!empty).then(|| (0..length).filter(is_there))
}

/// `indexof(text, part)`.
pub fn index_of(v: &[Value]) -> Option<Value> {
    let first = places(v)?.next();
    Some(first.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1).into())
}

/// `indexof_n(text, part)`.
pub fn indexes_of(v: &[Value]) -> Option<Value> {
    let places = places(v)?.filter_map(|at| i64::try_from(at).ok()).map(Value::from);
    Some(places.collect::<Vec<_>>().into())
}

/// `replace(text, old, new)`.
pub fn replace(v: &[Value]) -> Option<Value> {
    let (text, old, new): (&str, &str, &str) =
        (v[0].as_string().ok()?, v[1].as_string().ok()?, v[2].as_string().ok()?);
    Some(replaced(text, &[(old, new)]).into())
}

/// `strings.replace_n(patterns, text)`.
pub fn replace_n(v: &[Value]) -> Option<Value> {
    let text: &str = v[1].as_string().ok()?;
    let mut patterns: Vec<(&str, &str)> = vec![];
    for (old, new) in v[0].as_object().ok()?.iter() {
        patterns.push((old.as_string().ok()?, new.as_string().ok()?));
    }
    patterns.sort_unstable();
    Some(replaced(text, &patterns).into())
}

/// Go's `strings.NewReplacer`: at each place the first pattern that fits, and what was replaced is not looked at again.
/// The empty pattern fits between all bytes.
fn replaced(text: &str, patterns: &[(&str, &str)]) -> String {
    let bytes = text.as_bytes();
    let (mut written, mut at, mut after_empty) = (Vec::with_capacity(bytes.len()), 0, false);
    while at <= bytes.len() {
        let fits = |(old, _): &&(&str, &str)| {
            bytes[at..].starts_with(old.as_bytes()) && !(after_empty && old.is_empty())
        };
        if let Some((old, new)) = patterns.iter().find(fits) {
            written.extend_from_slice(new.as_bytes());
            at += old.len();
            after_empty = old.is_empty();
        } else {
            written.extend(bytes.get(at));
            at += 1;
            after_empty = false;
        }
    }
    String::from_utf8_lossy(&written).into_owned()
}
