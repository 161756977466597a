//! Patterns, paths and numbers.

use serde_json::Value;

/// Whether a text is what a pattern describes, in which `*` is any characters.
pub fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().any(|at| glob(rest, &text[at..]))
        }),
    }
}

/// Whether a text equals an entry, or begins as an entry that ends in `*`.
pub fn begins(entry: &str, text: &str) -> bool {
    entry.strip_suffix('*').map_or(entry == text, |prefix| text.starts_with(prefix))
}

/// The segments of a path; without empty ones and dots.
pub fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !["", "."].contains(segment)).collect()
}

/// The segments of a path after `..` was followed, as the kernel would without links.
pub fn followed(path: &str) -> Vec<&str> {
    let mut left = vec![];
    for segment in segments(path) {
        if segment == ".." {
            left.pop();
        } else {
            left.push(segment);
        }
    }
    left
}

/// Whether a number lies in one of the ranges, both ends included, a missing one open. What the API server never takes,
/// below 0 or above the highest number, is in no range.
pub fn in_ranges(ranges: &Value, highest: i64, number: &Value) -> bool {
    let bound = |range: &Value, name: &str, open: i64| range[name].as_i64().unwrap_or(open);
    let is_in = |number: i64| {
        let holds =
            |range: &Value| bound(range, "min", 0) <= number && number <= bound(range, "max", highest);
        super::object::items(ranges).iter().any(holds)
    };
    number.as_i64().is_some_and(is_in)
}
