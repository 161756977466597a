//! What a change makes of a value.

use serde_json::Value;

use super::Change;

/// Changes a value; none if there is no such place.
pub fn apply(root: &mut Value, place: &[String], change: &Change) -> Option<()> {
    if let Change::Append(item) = change {
        at(root, place)?.as_array_mut()?.push(item.clone());
        return Some(());
    }
    let (last, above) = place.split_last()?;
    match (at(root, above)?, change) {
        (Value::Object(fields), Change::Set(value)) => drop(fields.insert(last.clone(), value.clone())),
        (Value::Object(fields), _) => drop(fields.remove(last)?),
        (Value::Array(items), Change::Set(value)) => {
            *items.get_mut(last.parse::<usize>().ok()?)? = value.clone();
        }
        (Value::Array(items), _) => {
            let index = last.parse::<usize>().ok().filter(|index| *index < items.len())?;
            items.remove(index);
        }
        _ => return None,
    }
    Some(())
}

fn at<'v>(root: &'v mut Value, place: &[String]) -> Option<&'v mut Value> {
    place.iter().try_fold(root, |value, part| match value {
        Value::Object(fields) => fields.get_mut(part),
        Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
        _ => None,
    })
}
