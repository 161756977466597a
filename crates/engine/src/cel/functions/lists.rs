//! Functions of lists.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::cel::arithmetic::{Operator, within_bounds};
use crate::cel::compare::{compare, equal, is_ordered};
use crate::cel::kind::Type;
use crate::cel::print::show;
use crate::cel::signatures::Overload;
use crate::cel::value::{Failure, Outcome, Value};

/// A function that is called on a list, or takes it first; none if there is none of that name here.
pub fn call(name: &str, overload: &Overload, list: &Arc<Vec<Value>>, arguments: &[Value]) -> Option<Outcome> {
    Some(match (name, arguments) {
        ("size", []) => Ok(Value::length(list.len())),
        ("isSorted", []) => is_sorted(list),
        ("sum", []) => sum(&overload.result, list),
        ("min", []) => extreme("min", Ordering::Greater, list),
        ("max", []) => extreme("max", Ordering::Less, list),
        ("indexOf", [item]) => Ok(index(list.iter().position(|element| equal(element, item)))),
        ("lastIndexOf", [item]) => Ok(index(list.iter().rposition(|element| equal(element, item)))),
        ("join", []) => join(list, ""),
        ("join", [Value::String(separator)]) => join(list, separator),
        ("slice", [Value::Int(start), Value::Int(end)]) => slice(list, *start, *end),
        ("flatten", []) => flatten(list, 1),
        ("flatten", [Value::Int(depth)]) => flatten(list, *depth),
        ("sort", []) => sort(list, list),
        ("reverse", []) => Ok(list.iter().rev().cloned().collect()),
        ("distinct", []) => Ok(distinct(list)),
        ("first", []) => Ok(Value::optional(list.first().cloned())),
        ("last", []) => Ok(Value::optional(list.last().cloned())),
        ("optional.unwrap" | "unwrapOpt", []) => unwrap(list),
        ("sets.contains", [Value::List(other)]) => Ok(covers(list, other).into()),
        ("sets.equivalent", [Value::List(other)]) => Ok((covers(list, other) && covers(other, list)).into()),
        ("sets.intersects", [Value::List(other)]) => {
            Ok(list.iter().any(|one| other.iter().any(|other| equal(one, other))).into())
        }
        _ => return None,
    })
}

/// `lists.range`.
///
/// # Errors
/// It has no length, or a longer one than the API server would let it have.
pub fn range(end: i64) -> Outcome {
    if end < 0 {
        return Err(Failure::new(format!("lists.range: size must be non-negative, got {end}")));
    }
    within_bounds(usize::try_from(end).unwrap_or(0).saturating_mul(10))?;
    Ok((0..end).collect())
}

fn index(position: Option<usize>) -> Value {
    position.map_or(Value::Int(-1), Value::length)
}

fn is_sorted(list: &[Value]) -> Outcome {
    if !list.iter().all(is_ordered) {
        return Err(Failure::no_overload());
    }
    // What cannot be compared is in order.
    let falls = |pair: &[Value]| compare(&pair[0], &pair[1]) == Ok(Ordering::Greater);
    Ok((!list.windows(2).any(falls)).into())
}

fn sum(kind: &Type, list: &[Value]) -> Outcome {
    let zero = match kind {
        Type::Uint => Value::Uint(0),
        Type::Double => Value::Double(0.0),
        Type::Duration => Value::Duration(0),
        _ => Value::Int(0),
    };
    list.iter().try_fold(zero, |sum, next| match next {
        Value::Bool(_) | Value::Null | Value::Map(_) => Err(Failure::no_overload()),
        _ => Operator::Add.apply(&sum, next),
    })
}

fn extreme(name: &str, worse: Ordering, list: &[Value]) -> Outcome {
    if !list.iter().all(is_ordered) {
        return Err(Failure::no_overload());
    }
    let mut elements = list.iter();
    let first = elements.next().ok_or_else(|| Failure::new(format!("{name} called on empty list")))?;
    Ok(elements.fold(first, |best, next| if compare(best, next) == Ok(worse) { next } else { best }).clone())
}

fn join(list: &[Value], separator: &str) -> Outcome {
    let mut texts = vec![];
    let mut length = 0;
    for element in list {
        let Value::String(text) = element else {
            return Err(Failure::new(format!("join: invalid input: {}", show(element))));
        };
        length += text.len() + separator.len();
        within_bounds(length)?;
        texts.push(&**text);
    }
    Ok(texts.join(separator).into())
}

fn slice(list: &[Value], start: i64, end: i64) -> Outcome {
    let refused = |why: &str| Err(Failure::new(format!("cannot slice({start}, {end}), {why}")));
    let (Ok(from), Ok(to)) = (usize::try_from(start), usize::try_from(end)) else {
        return refused("negative indexes not supported");
    };
    if from > to {
        return refused("start index must be less than or equal to end index");
    }
    match list.get(from..to) {
        Some(elements) => Ok(elements.iter().cloned().collect()),
        None => refused(&format!("list is length {}", list.len())),
    }
}

fn flatten(list: &[Value], depth: i64) -> Outcome {
    let mut depth = u64::try_from(depth).map_err(|_| Failure::new("level must be non-negative"))?;
    let mut elements = list.to_vec();
    while depth > 0 && elements.iter().any(|element| matches!(element, Value::List(_))) {
        let parts = elements.into_iter().flat_map(|element| match element {
            Value::List(parts) => parts.to_vec(),
            single => vec![single],
        });
        elements = parts.collect();
        within_bounds(elements.len().saturating_mul(8))?;
        depth -= 1;
    }
    Ok(elements.into_iter().collect())
}

/// The elements in the order of their keys.
///
/// # Errors
/// The keys cannot be compared.
pub fn sort(list: &[Value], keys: &[Value]) -> Outcome {
    let Some(first) = keys.first() else { return Ok(list.iter().cloned().collect()) };
    if !is_ordered(first) {
        return Err(Failure::new("list elements must be comparable"));
    }
    if keys.iter().any(|key| key.type_name() != first.type_name()) {
        return Err(Failure::new("list elements must have the same type"));
    }
    let mut order: Vec<_> = (0..list.len().min(keys.len())).collect();
    order.sort_by(|one, other| compare(&keys[*one], &keys[*other]).unwrap_or(Ordering::Equal));
    Ok(order.into_iter().map(|index| list[index].clone()).collect())
}

fn distinct(list: &[Value]) -> Value {
    let mut found: Vec<Value> = vec![];
    for element in list {
        if !found.iter().any(|known| equal(known, element)) {
            found.push(element.clone());
        }
    }
    found.into_iter().collect()
}

fn unwrap(list: &[Value]) -> Outcome {
    let mut found = vec![];
    for element in list {
        match element {
            Value::Optional(value) => found.extend(value.as_deref().cloned()),
            _ => return Err(Failure::new(format!("value {} is not optional", show(element)))),
        }
    }
    Ok(found.into_iter().collect())
}

fn covers(list: &[Value], part: &[Value]) -> bool {
    part.iter().all(|one| list.iter().any(|other| equal(one, other)))
}
