//! The constraints of the Pod Security Standards.

use gatewright_api::Reason;

use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::enforcement::enforced;
use crate::judge::object::{bring, remove};
use crate::judge::plan::Plan;
use crate::watch::desired::Found;
use crate::watch::observe::{Gatekeeper, StandardSnapshot};

/// Brings a constraint into the API, or takes away one that the settings no longer want.
pub(crate) fn decide(snapshot: &StandardSnapshot, builtin: &Builtin) -> Plan {
    let mut plan = Plan::default();
    // The kind may be served by a template that is not ours, whose constraints would mean something else.
    if !snapshot.served || !snapshot.template.as_ref().is_some_and(|template| template.ours) {
        return plan;
    }
    match builtin.standard(&snapshot.id.name) {
        Some(standard) => drop(bring(&standard.prepared, &snapshot.constraint, &mut plan)),
        None => remove(&snapshot.id, &snapshot.constraint, &mut plan),
    }
    plan
}

/// What became of a constraint of the standards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// Whether it is in the API as it should be.
    pub(crate) applied: bool,
    /// Whether it is enforced.
    pub(crate) enforced: Judgement,
}

impl State {
    fn not_applied(enforced: Judgement) -> Self {
        Self { applied: false, enforced }
    }
}

/// What became of a constraint that the settings want.
pub(crate) fn judge(snapshot: &StandardSnapshot, builtin: &Builtin, gatekeeper: &Gatekeeper) -> State {
    let absent =
        || State::not_applied(Judgement::no(Reason::WaitingForGatekeeper, "the constraint is not there yet"));
    let Some(standard) = builtin.standard(&snapshot.id.name) else { return absent() };
    let Some(template) = snapshot.template.as_ref().filter(|template| template.ours) else { return absent() };
    match standard.prepared.compare(snapshot.constraint.live.as_ref()) {
        Found::Applied(applied) => {
            let routes = &builtin.standards_routes;
            State {
                applied: true,
                enforced: enforced(gatekeeper, &builtin.settings, template, &applied, routes),
            }
        }
        Found::Differs(_) if snapshot.constraint.live.is_none() => absent(),
        Found::Differs(_) => State::not_applied(Judgement::no(
            Reason::NotApplied,
            "the constraint is not as it should be; the log tells why",
        )),
        Found::Blocked(obstacle) => State::not_applied(Judgement::failed(&obstacle.error(&snapshot.id))),
    }
}

#[cfg(test)]
pub(crate) mod tests;
