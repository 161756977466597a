//! What is said of a change: what may break by it, and why there is none.

use serde_json::Value;

use super::change::{SYS_ADMIN, integer, is_privileged, nearest, security_context, texts};
use super::patch::value_at;
use super::pod::{below, in_spec};
use super::{Change, Found, Place, ids, profiles};

/// What may work no more after a change; `declared` is what is true of most.
pub fn may_break(change: Change, found: &Found<'_>, declared: &'static str) -> Vec<&'static str> {
    let one = match change {
        Change::ForbidEscalation => return [vec![declared], removed_beside(found)].concat(),
        Change::Clamp("replicas") if raises(found) => {
            "programs that may run only once, and an autoscaler that sets the number"
        }
        Change::RemoveItem("tolerations") if of_any_taint(found) => {
            "running on nodes with a taint, whatever it is"
        }
        Change::Remove(_) if ends_with(found, "hostProcess") => "access to the node",
        Change::AllowedProfile if !profiles::is_of_runtime(found) => "what the allowed profile forbids",
        _ => declared,
    };
    vec![one]
}

/// Why there is no change, or why it does not help.
pub fn why_not(change: Change, found: &Found<'_>) -> Option<&'static str> {
    match change {
        Change::AllowedProfile => Some("only you know which profile it needs"),
        Change::Ids if ids::is_only_root(found.details) => {
            Some("root's id is the only one that is allowed, and only you know whether it may run as root")
        }
        Change::Remove(["hostPort"]) if on_host_network(found) && found.details.get("control").is_none() => {
            Some("on the network of the host only you know which of the allowed ports is free")
        }
        _ => None,
    }
}

/// What goes with `allowPrivilegeEscalation`.
fn removed_beside(found: &Found<'_>) -> Vec<&'static str> {
    let contexts: Vec<Place> = found.places.iter().filter_map(security_context).collect();
    let at = |place: &Place| value_at(found.object, place);
    let adds = |context: &Place| {
        at(&below(context, &["capabilities", "add"]))
            .is_some_and(|add| texts(add).iter().any(|it| it == SYS_ADMIN))
    };
    let privileged = contexts.iter().any(|context| is_privileged(context, at));
    let privileged = privileged.then_some("access to devices of the node: privileged goes, too");
    let admin = contexts.iter().any(adds).then_some("what CAP_SYS_ADMIN is for, which goes, too");
    privileged.into_iter().chain(admin).collect()
}

fn raises(found: &Found<'_>) -> bool {
    let Found { details, .. } = found;
    let (old, new) = (integer(&details["found"]), nearest(&details["found"], &details["allowed"]));
    old < new.as_ref().and_then(integer)
}

/// Whether a toleration names no key: it tolerates every taint.
fn of_any_taint(found: &Found<'_>) -> bool {
    let key =
        |place: &Place| value_at(found.object, place)?.get("key")?.as_str().filter(|key| !key.is_empty());
    found.places.iter().any(|place| key(place).is_none())
}

fn ends_with(found: &Found<'_>, field: &str) -> bool {
    found.places.iter().any(|place| place.last().is_some_and(|last| last == field))
}

fn on_host_network(found: &Found<'_>) -> bool {
    let network = |place: &Place| value_at(found.object, &in_spec(place, &["hostNetwork"])?);
    found.places.iter().any(|place| network(place) == Some(&Value::Bool(true)))
}
