//! Changes of a JSON value, written down as a patch.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// An operation of a JSON patch (RFC 6902).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Edit {
    /// What is done.
    pub op: Op,
    /// Where: a JSON pointer; `-` at its end is the end of a list.
    pub path: String,
    /// The new value; none where a field is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Adds a field, or an item of a list.
    Add,
    /// Replaces a value.
    Replace,
    /// Removes a field, or an item of a list.
    Remove,
}

/// A value that is being changed, and what was changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Patching {
    object: Value,
    edits: Vec<Edit>,
}

impl Patching {
    /// Nothing is changed yet.
    #[must_use]
    pub const fn new(object: Value) -> Self {
        Self { object, edits: vec![] }
    }

    /// The value as it is now.
    #[must_use]
    pub const fn object(&self) -> &Value {
        &self.object
    }

    /// What was changed, in order.
    #[must_use]
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// Goes on with what another one has changed.
    pub fn extend(&mut self, other: Self) {
        self.object = other.object;
        self.edits.extend(other.edits);
    }

    /// The value at a place; none if there is none, or null.
    #[must_use]
    pub fn get(&self, place: &[String]) -> Option<&Value> {
        value_at(&self.object, place)
    }

    /// Sets a field. Maps above it that are not there are made. None if there is no room for it.
    pub fn set(&mut self, place: &[String], value: Value) -> Option<()> {
        if self.get(place) == Some(&value) {
            return Some(());
        }
        let depth = (0..place.len()).find(|depth| self.get(&place[..=*depth]).is_none());
        let depth = depth.unwrap_or(place.len() - 1);
        let (at, below) = place.split_at(depth + 1);
        let nested = |value, part: &String| Value::Object(Map::from_iter([(part.clone(), value)]));
        let value = below.iter().rev().fold(value, nested);
        let (last, above) = at.split_last()?;
        let parent = value_mut(&mut self.object, above)?;
        let op = match parent {
            Value::Object(fields) => {
                fields.insert(last.clone(), value.clone()).map_or(Op::Add, |_| Op::Replace)
            }
            Value::Array(items) => {
                *items.get_mut(last.parse::<usize>().ok()?)? = value.clone();
                Op::Replace
            }
            _ => return None,
        };
        self.edits.push(Edit { op, path: pointer(at), value: Some(value) });
        Some(())
    }

    /// Adds an item at the end of a list, which is made if it is not there.
    pub fn append(&mut self, list: &[String], value: Value) -> Option<()> {
        if self.get(list).is_none() {
            return self.set(list, json!([value]));
        }
        value_mut(&mut self.object, list)?.as_array_mut()?.push(value.clone());
        self.edits.push(Edit { op: Op::Add, path: format!("{}/-", pointer(list)), value: Some(value) });
        Some(())
    }

    /// Removes a field or an item, and what is empty then above it. None if it is not there.
    pub fn remove(&mut self, place: &[String]) -> Option<()> {
        self.get(place)?;
        let goes = |depth: &usize| self.is_alone_in(&place[..*depth]);
        let depth = (1..place.len()).rev().take_while(goes).last().unwrap_or(place.len());
        let (last, above) = place[..depth].split_last()?;
        match value_mut(&mut self.object, above)? {
            Value::Object(fields) => drop(fields.remove(last)?),
            Value::Array(items) => {
                let index = last.parse::<usize>().ok().filter(|index| *index < items.len())?;
                items.remove(index);
            }
            _ => return None,
        }
        self.edits.push(Edit { op: Op::Remove, path: pointer(&place[..depth]), value: None });
        Some(())
    }

    /// Whether a field holds one thing alone, so that it may go with that. An item of a list stays, and so does what every
    /// object has.
    fn is_alone_in(&self, field: &[String]) -> bool {
        let stays = |part: &String| part == "spec" || part == "metadata" || part.parse::<usize>().is_ok();
        let one = match self.get(field) {
            Some(Value::Object(fields)) => fields.len() == 1,
            Some(Value::Array(items)) => items.len() == 1,
            _ => false,
        };
        one && !field.last().is_some_and(stays)
    }
}

/// The value at a place; none if there is none, or null.
pub fn value_at<'v>(value: &'v Value, place: &[String]) -> Option<&'v Value> {
    place.iter().try_fold(value, |value, part| child(value, part)).filter(|value| !value.is_null())
}

fn child<'v>(value: &'v Value, part: &str) -> Option<&'v Value> {
    match value {
        Value::Object(fields) => fields.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    }
}

fn value_mut<'v>(value: &'v mut Value, place: &[String]) -> Option<&'v mut Value> {
    place.iter().try_fold(value, |value, part| match value {
        Value::Object(fields) => fields.get_mut(part),
        Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
        _ => None,
    })
}

fn pointer(place: &[String]) -> String {
    place.iter().fold(String::new(), |path, part| path + "/" + &part.replace('~', "~0").replace('/', "~1"))
}
