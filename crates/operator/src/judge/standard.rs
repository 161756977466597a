//! The constraints of the Pod Security Standards.

use std::sync::Arc;

use gatewright_api::Reason;
use gatewright_rules::Owner;

use crate::judge::builtin::{Builtin, Standard};
use crate::judge::conditions::Judgement;
use crate::judge::enforcement::enforced;
use crate::judge::object::{bring, remove};
use crate::judge::ownership::{owned, owners};
use crate::judge::plan::Plan;
use crate::watch::desired::{Found, Prepared};
use crate::watch::observe::{Gatekeeper, StandardSnapshot};

/// Brings a constraint into the API, or takes away one that the settings no longer want.
pub(crate) fn decide(snapshot: &StandardSnapshot, builtin: &Builtin) -> Plan {
    let mut plan = Plan::default();
    // The kind may be served by a template that is not ours, whose constraints would mean something else.
    if !snapshot.served || !snapshot.template.as_ref().is_some_and(|template| template.ours) {
        return plan;
    }
    match builtin.standard(&snapshot.id.name) {
        Some(standard) => {
            drop(bring(&prepared(standard, snapshot, builtin), &snapshot.constraint, &mut plan));
        }
        None => remove(&snapshot.id, &snapshot.constraint, &mut plan),
    }
    plan
}

/// The constraint as it should be.
fn prepared(standard: &Standard, snapshot: &StandardSnapshot, builtin: &Builtin) -> Arc<Prepared> {
    let (on_uninstall, release) = (builtin.settings.on_uninstall, snapshot.release.as_ref());
    owned(&standard.prepared, owners(Owner::Standards, on_uninstall, release, &[]))
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
    match prepared(standard, snapshot, builtin).compare(snapshot.constraint.live.as_ref()) {
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
            "the constraint is not as it should be; the log says why",
        )),
        Found::Blocked(obstacle) => State::not_applied(Judgement::failed(&obstacle.error(&snapshot.id))),
    }
}

#[cfg(test)]
pub(crate) mod tests;
