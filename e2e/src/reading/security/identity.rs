//! Users and groups.

use serde_json::Value;

use crate::reading::object::{Object, Pod, items, whole};
use crate::reading::text::in_ranges;

/// Whether an id is refused. Of a controller none is required, because a defaulter may set it on the Pod, and of a
/// Windows Pod none, because it may not set one.
fn is_refused(rule: &Value, pod: &Pod<'_>, id: &Value) -> bool {
    match rule["rule"].as_str() {
        Some("MustRunAs") if id.is_null() => pod.is_bare() && !pod.is_windows(),
        Some("MustRunAs" | "MayRunAs") => {
            !id.is_null() && !in_ranges(&rule["ranges"], i64::from(i32::MAX), id)
        }
        _ => false,
    }
}

/// What a container says, else its Pod.
fn effective<'a>(pod: &Pod<'a>, container: &'a Value, field: &str) -> &'a Value {
    let own = &container["securityContext"][field];
    if own.is_null() { &pod.context()[field] } else { own }
}

pub fn user(rule: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    let non_root = rule["rule"] == "MustRunAsNonRoot";
    pod.each(|it| {
        let user = effective(&pod, it, "runAsUser");
        if non_root {
            let is_root = user.as_i64().is_some_and(|user| user < 1);
            is_root || user.is_null() && *effective(&pod, it, "runAsNonRoot") != true
        } else {
            is_refused(rule, &pod, user)
        }
    })
}

pub fn group(rule: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    pod.each(|it| is_refused(rule, &pod, effective(&pod, it, "runAsGroup")))
}

pub fn fs_group(rule: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    whole(is_refused(rule, &pod, &pod.context()["fsGroup"]))
}

pub fn supplemental_groups(rule: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    let groups = items(&pod.context()["supplementalGroups"]);
    let none = groups.is_empty() && is_refused(rule, &pod, &Value::Null);
    whole(none || groups.iter().any(|group| is_refused(rule, &pod, group)))
}
