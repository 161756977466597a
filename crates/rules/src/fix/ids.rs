//! Users and groups.

use serde_json::{Value, json};

use super::change::integer;
use super::pod::{below, in_spec};
use super::{Found, Patching, Place};

/// Where what is not set belongs: to the Pod, for all containers that set nothing.
fn settled(place: &Place, patching: &Patching) -> Option<Place> {
    if patching.get(place).is_some() {
        return Some(place.clone());
    }
    match in_spec(place, &["securityContext", place.last()?]) {
        Some(of_pod) => Some(of_pod),
        None => Some(place.clone()),
    }
}

/// Demands that the image does not run as root.
pub fn non_root(place: &Place, patching: &mut Patching) -> Option<()> {
    (place.last()? == "runAsNonRoot").then_some(())?;
    let place = settled(place, patching)?;
    patching.set(&place, json!(true))
}

/// Sets an id that is allowed. Where every user but root is, the image decides which.
pub fn set(found: &Found<'_>, place: &Place, patching: &mut Patching) -> Option<()> {
    let ranges = ranges(&found.details["allowed"]);
    match place.last()?.as_str() {
        "runAsNonRoot" => non_root(place, patching),
        "runAsUser" if is_not_root(&ranges) => {
            patching.get(place)?;
            let (_, above) = place.split_last()?;
            patching.set(&below(above, &["runAsNonRoot"]), json!(true))?;
            patching.remove(place)
        }
        "supplementalGroups" => groups(place, &ranges, patching),
        "runAsUser" | "runAsGroup" | "fsGroup" => {
            let place = settled(place, patching)?;
            patching.set(&place, json!(first(&ranges)?))
        }
        _ => None,
    }
}

/// The first id that is allowed and not root's: nobody gets root by a fix, and the kubelet refuses user 0 beside
/// `runAsNonRoot`.
fn first(ranges: &[(i64, i64)]) -> Option<i64> {
    ranges.iter().find(|(_, max)| *max > 0).map(|(min, _)| (*min).max(1))
}

/// Whether root's is the only id that a violation allows.
pub fn is_only_root(details: &Value) -> bool {
    let ranges = ranges(&details["allowed"]);
    !ranges.is_empty() && first(&ranges).is_none()
}

/// Keeps the groups that are allowed; one that is, if none is left.
fn groups(place: &Place, ranges: &[(i64, i64)], patching: &mut Patching) -> Option<()> {
    let fits = |id: &Value| {
        integer(id).is_some_and(|id| ranges.iter().any(|(min, max)| (*min..=*max).contains(&id)))
    };
    let groups = patching.get(place).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let outside = groups.iter().enumerate().filter(|(_, id)| !fits(id)).map(|(index, _)| index);
    let (all, mut outside) = (groups.len(), outside.collect::<Vec<_>>());
    if all == 0 {
        return patching.set(place, json!([first(ranges)?]));
    }
    let item = |index: usize| below(place, &[&index.to_string()]);
    if outside.len() == all {
        patching.set(&item(outside.remove(0)), json!(first(ranges)?))?;
    }
    outside.iter().rev().try_for_each(|index| patching.remove(&item(*index)))
}

fn ranges(allowed: &Value) -> Vec<(i64, i64)> {
    let ranges = allowed.as_array().map(Vec::as_slice).unwrap_or_default();
    ranges.iter().filter_map(|range| Some((integer(&range["min"])?, integer(&range["max"])?))).collect()
}

/// Whether every id but 0 is allowed, as by `MustRunAsNonRoot`.
fn is_not_root(ranges: &[(i64, i64)]) -> bool {
    /// The highest id that Kubernetes takes.
    const HIGHEST: i64 = i32::MAX as i64;
    ranges == [(1, HIGHEST)]
}
