//! How each change is made.

use serde_json::{Value, json};

use super::pod::{below, container, in_spec};
use super::{Capabilities, Change, Found, Literal, Patching, Place, ids, profiles};

/// Changes the object; none where the change does not fit what was found.
pub fn make(change: Change, found: &Found<'_>, patching: &mut Patching) -> Option<()> {
    match change {
        Change::Remove(fields) => each(found, |place| {
            named(place, fields)?;
            patching.remove(place)
        }),
        Change::RemoveItem(list) => remove_items(found, list, patching),
        Change::Set(field, literal) => each(found, |place| {
            named(place, &[field])?;
            patching.set(place, value(literal))
        }),
        Change::SetAllowed(fields) => each(found, |place| {
            named(place, fields)?;
            patching.set(place, found.details["allowed"].get(0)?.clone())
        }),
        Change::Clamp(field) => each(found, |place| {
            named(place, &[field])?;
            patching.set(place, nearest(&found.details["found"], &found.details["allowed"])?)
        }),
        Change::ForbidEscalation => each(found, |place| forbid_escalation(place, patching)),
        Change::WithoutToken => each(found, |place| without_token(place, patching)),
        Change::Capabilities(which) => each(found, |place| capabilities(which, found, place, patching)),
        Change::AllowedProfile => each(found, |place| profiles::set(found, place, patching)),
        Change::NonRoot => each(found, |place| ids::non_root(place, patching)),
        Change::Ids => each(found, |place| ids::set(found, place, patching)),
    }
}

/// Does something with each place; none if one of them does not fit, or there are none.
fn each(found: &Found<'_>, change: impl FnMut(&Place) -> Option<()>) -> Option<()> {
    (!found.places.is_empty()).then_some(())?;
    found.places.iter().try_for_each(change)
}

fn named(place: &[String], fields: &[&str]) -> Option<()> {
    fields.contains(&place.last()?.as_str()).then_some(())
}

fn value(literal: Literal) -> Value {
    match literal {
        Literal::Bool(value) => json!(value),
        Literal::Text(text) => json!(text),
    }
}

/// The last items first, so that the numbers of the others stay.
fn remove_items(found: &Found<'_>, list: &str, patching: &mut Patching) -> Option<()> {
    let item = |place: &Place| {
        let at = place.iter().position(|part| part == list)?;
        let index = place.get(at + 1)?.parse::<usize>().ok()?;
        Some((index, place[..=at + 1].to_vec()))
    };
    let mut items: Vec<_> = found.places.iter().map(item).collect::<Option<_>>()?;
    items.sort();
    items.dedup();
    items.iter().rev().try_for_each(|(_, place)| patching.remove(place))
}

/// The number within the bounds, of which either may be absent.
pub fn nearest(found: &Value, allowed: &Value) -> Option<Value> {
    let bound = |names: [&str; 2]| names.iter().find_map(|name| integer(allowed.get(name)?));
    let (min, max) = (bound(["min", "minReplicas"]), bound(["max", "maxReplicas"]));
    let number = integer(found)?;
    let number = number.max(min.unwrap_or(number));
    Some(json!(number.min(max.unwrap_or(number))))
}

/// A whole number, however the engine writes it.
pub fn integer(value: &Value) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "numbers of Kubernetes' fields are whole and far smaller"
    )]
    let whole = |number: f64| (number.fract() == 0.0).then_some(number as i64);
    value.as_i64().or_else(|| whole(value.as_f64()?))
}

/// The API server takes `allowPrivilegeEscalation: false` neither beside `privileged: true` nor beside `CAP_SYS_ADMIN`. The
/// field is set first, so that the map in which all of them stand is never empty.
fn forbid_escalation(place: &Place, patching: &mut Patching) -> Option<()> {
    named(place, &["allowPrivilegeEscalation"])?;
    let context = security_context(place)?;
    patching.set(place, json!(false))?;
    let privileged = below(&context, &["privileged"]);
    if is_privileged(&context, |place| patching.get(place)) {
        patching.remove(&privileged)?;
    }
    remove_texts(&below(&context, &["capabilities", "add"]), patching, |name| name == SYS_ADMIN)
}

/// What counts as an escalation of privileges by itself.
pub const SYS_ADMIN: &str = "CAP_SYS_ADMIN";

/// The security context of the container in which a field stands.
pub fn security_context(place: &Place) -> Option<Place> {
    Some(below(container(place)?, &["securityContext"]))
}

/// Whether a security context makes its container privileged.
pub fn is_privileged<'v>(context: &Place, value: impl Fn(&Place) -> Option<&'v Value>) -> bool {
    value(&below(context, &["privileged"])) == Some(&json!(true))
}

fn without_token(place: &Place, patching: &mut Patching) -> Option<()> {
    const FIELD: &str = "automountServiceAccountToken";
    match in_spec(place, &[FIELD]) {
        Some(of_pod) => patching.set(&of_pod, json!(false)),
        None => named(place, &[FIELD]).and_then(|()| patching.set(place, json!(false))),
    }
}

fn capabilities(
    which: Capabilities,
    found: &Found<'_>,
    place: &Place,
    patching: &mut Patching,
) -> Option<()> {
    match (place.last()?.as_str(), which) {
        ("add", Capabilities::OfViolation) => {
            let extra = texts(&found.details["found"]);
            remove_texts(place, patching, |name| extra.contains(&canonical(name)))
        }
        ("add", Capabilities::Only(kept)) => remove_texts(place, patching, |name| !kept.contains(&name)),
        ("drop", Capabilities::OfViolation) => {
            drop_all(&texts(&found.details["allowed"]), str::to_uppercase, place, patching)
        }
        ("drop", Capabilities::Only(_)) => drop_all(&["ALL".to_owned()], str::to_owned, place, patching),
        _ => None,
    }
}

/// As the rule compares what is added: upper case, without `CAP_`.
fn canonical(name: &str) -> String {
    let upper = name.to_uppercase();
    upper.strip_prefix("CAP_").map(str::to_owned).unwrap_or(upper)
}

/// The texts of a list.
pub fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// Removes the texts of a list of which something holds.
fn remove_texts(list: &Place, patching: &mut Patching, goes: impl Fn(&str) -> bool) -> Option<()> {
    let texts = patching.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let goes = |(at, text): (usize, &Value)| text.as_str().is_some_and(&goes).then(|| at.to_string());
    let indexes: Vec<_> = texts.iter().enumerate().filter_map(goes).collect();
    indexes.iter().rev().try_for_each(|index| patching.remove(&below(list, &[index])))
}

/// `ALL` is enough where it is asked for. `read` is how names that are there count.
fn drop_all(
    wanted: &[String],
    read: fn(&str) -> String,
    place: &Place,
    patching: &mut Patching,
) -> Option<()> {
    let dropped = texts(patching.get(place).unwrap_or(&Value::Null));
    let wanted = wanted.iter().filter(|name| *name == "ALL" || !wanted.iter().any(|it| it == "ALL"));
    let missing = wanted.filter(|name| !dropped.iter().any(|it| read(it) == **name));
    missing.cloned().try_for_each(|name| patching.append(place, json!(name)))
}
