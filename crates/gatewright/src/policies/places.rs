//! What to say of a field that stands where none of its name is: perhaps it belongs elsewhere.

use gatewright_typed::{nearest, no_such_field};
use serde_json::Value;

/// A name that stands in more places is too common to say where it belongs.
const MOST_PLACES: usize = 3;

/// A kind of policies, with the schema of its objects.
pub struct Kind<'a> {
    /// Its name.
    pub name: &'a str,
    /// The schema.
    pub schema: &'a Value,
}

/// The words for a field that its object does not have. `object` is the object's path, as people write it, and `known`
/// are its fields.
pub fn said(name: &str, object: &str, known: &[&str], own: &Kind<'_>, others: &[Kind<'_>]) -> String {
    let object = generalized(object);
    let here = |kind: &&Kind<'_>| all(kind.schema, name).contains(&object);
    if let Some(other) = others.iter().find(here) {
        return format!("is a field of {}", other.name);
    }
    if nearest(name, known.iter().copied()).is_some() {
        return no_such_field(name, known);
    }
    if let Some(place) = place(own.schema, name, &object) {
        return format!("there is no such field here; it belongs {place}");
    }
    let elsewhere = others.iter().find_map(|other| Some((other.name, place(other.schema, name, &object)?)));
    match elsewhere {
        Some((other, place)) => format!("is a field of {other}; there it belongs {place}"),
        None => no_such_field(name, known),
    }
}

/// Where a field belongs that stands in an object where it does not: inside of this object, if it is known there.
fn place(schema: &Value, name: &str, object: &str) -> Option<String> {
    let places = all(schema, name);
    let inside = |place: &&String| place.starts_with(&format!("{object}."));
    let nearer: Vec<_> = places.iter().filter(inside).cloned().collect();
    let places = if nearer.is_empty() { places } else { nearer };
    match places.as_slice() {
        [] => None,
        [top] if top.is_empty() => Some("at the top level".to_owned()),
        places if places.len() > MOST_PLACES => None,
        places => Some(format!("under {}", places.join(" or "))),
    }
}

/// The paths of all objects that have a field of this name; lists end in `[]`, and the object itself is empty.
fn all(schema: &Value, name: &str) -> Vec<String> {
    let mut found = vec![];
    walk(schema, "", name, &mut found);
    found
}

fn walk(schema: &Value, path: &str, name: &str, found: &mut Vec<String>) {
    let fields = schema["properties"].as_object();
    if fields.is_some_and(|fields| fields.contains_key(name)) {
        found.push(path.to_owned());
    }
    for (field, schema) in fields.into_iter().flatten() {
        let path = if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
        walk(schema, &path, name, found);
    }
    if let Some(items) = schema.get("items") {
        walk(items, &format!("{path}[]"), name, found);
    }
}

/// `a[2].b` as `a[].b`.
fn generalized(path: &str) -> String {
    let mut parts = path.split('[');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |path, part| format!("{path}[]{}", part.split_once(']').map_or("", |(_, rest)| rest)))
}

#[cfg(test)]
mod tests {
    use super::{all, generalized};
    use serde_json::json;

    #[test]
    fn places_are_paths() {
        let leaf = json!({"type": "string"});
        let range = json!({"properties": {"min": leaf}});
        let schema = json!({"properties": {"min": leaf, "a": {"properties": {"b": {"items": range}}}}});
        assert_eq!(all(&schema, "min"), ["", "a.b[]"]);
        assert_eq!(all(&schema, "b"), ["a"]);
        assert_eq!(generalized("a.b[12].c[0]"), "a.b[].c[]");
    }
}
