//! `json.remove`, `json.filter` and `graph.reachable_paths`.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;

/// What paths name: all of a field, or parts of it.
#[derive(Default)]
struct Named(BTreeMap<Value, Option<Named>>);

impl Named {
    /// What some paths name.
    fn new(paths: &Value) -> Option<Self> {
        let mut named = Self::default();
        for path in elements(paths)? {
            named.add(&segments(&path)?);
        }
        Some(named)
    }

    /// A path inside of what is named as a whole says nothing more.
    fn add(&mut self, path: &[Value]) {
        match path {
            [] => {}
            [last] => drop(self.0.insert(last.clone(), None)),
            [first, rest @ ..] => {
                let inner = self.0.entry(first.clone()).or_insert_with(|| Some(Self::default()));
                if let Some(inner) = inner {
                    inner.add(rest);
                }
            }
        }
    }

    /// A value with what is named, or without it.
    fn of(&self, value: &Value, with: bool) -> Value {
        let kept = |key: &Value, value: &Value| match self.0.get(key) {
            None => (!with).then(|| value.clone()),
            Some(None) => with.then(|| value.clone()),
            Some(Some(inner)) => Some(inner.of(value, with)),
        };
        match value {
            Value::Object(fields) => {
                let field = |(key, value): (&Value, &Value)| Some((key.clone(), kept(key, value)?));
                fields.iter().filter_map(field).collect::<BTreeMap<_, _>>().into()
            }
            Value::Set(items) => {
                items.iter().filter_map(|item| kept(item, item)).collect::<BTreeSet<_>>().into()
            }
            Value::Array(items) => {
                // Places are texts.
                let item = |(at, item): (usize, &Value)| kept(&at.to_string().into(), item);
                items.iter().enumerate().filter_map(item).collect::<Vec<_>>().into()
            }
            other => other.clone(),
        }
    }
}

/// `json.remove(object, paths)`.
pub fn remove(v: &[Value]) -> Option<Value> {
    v[0].as_object().ok()?;
    Some(Named::new(&v[1])?.of(&v[0], false))
}

/// `json.filter(object, paths)`.
pub fn filter(v: &[Value]) -> Option<Value> {
    v[0].as_object().ok()?;
    Some(Named::new(&v[1])?.of(&v[0], true))
}

/// The keys of a path: a list of them, or a text with slashes.
fn segments(path: &Value) -> Option<Vec<Value>> {
    match path {
        Value::Array(keys) => Some(keys.iter().cloned().collect()),
        Value::String(text) if text.is_empty() => Some(vec![]),
        Value::String(text) => {
            let unescaped = |key: &str| Value::from(key.replace("~1", "/").replace("~0", "~"));
            Some(text.trim_start_matches('/').split('/').map(unescaped).collect())
        }
        _ => None,
    }
}

/// `graph.reachable_paths(graph, from)`: all ways, each to its end or to where it would come around.
pub fn reachable(v: &[Value]) -> Option<Value> {
    v[0].as_object().ok()?;
    let mut paths = BTreeSet::new();
    for node in elements(&v[1])? {
        let Some(next) = edges(&v[0], &node) else { continue };
        if next.is_empty() {
            paths.insert(vec![node.clone()].into());
        }
        // A node may be its own neighbour here, unlike below.
        for neighbour in next {
            walk(&v[0], &neighbour, std::slice::from_ref(&node), &mut paths);
        }
    }
    Some(paths.into())
}

fn walk(graph: &Value, node: &Value, path: &[Value], paths: &mut BTreeSet<Value>) {
    let Some(next) = edges(graph, node) else {
        paths.insert(path.to_vec().into());
        return;
    };
    let longer = [path, std::slice::from_ref(node)].concat();
    if next.is_empty() {
        paths.insert(longer.into());
        return;
    }
    for neighbour in next {
        if longer.contains(&neighbour) {
            paths.insert(longer.clone().into());
        } else {
            walk(graph, &neighbour, &longer, paths);
        }
    }
}

/// Where a node leads; none if it is not in the graph.
fn edges(graph: &Value, node: &Value) -> Option<Vec<Value>> {
    let edges = graph.as_object().ok()?.get(node)?;
    Some(elements(edges).unwrap_or_default())
}

fn elements(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) => Some(items.iter().cloned().collect()),
        Value::Set(items) => Some(items.iter().cloned().collect()),
        _ => None,
    }
}
