//! How one object of ours comes into the API, and out of it.

use std::sync::Arc;

use crate::judge::plan::{Action, Plan};
use crate::watch::desired::{Applied, Found, Prepared};
use crate::watch::kind::Id;
use crate::watch::last_applied::Observed;
use crate::watch::live::Obstacle;

/// How far an object is on its way into the API.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// It is there as it should be.
    Applied(Applied),
    /// It is being written, or was and is not seen yet.
    Writing,
    /// Somebody else's object stands in the way, or holds ours.
    Blocked(Obstacle),
}

/// Plans what makes an object as it should be. One that is as it was and is remembered so needs nothing.
pub(crate) fn bring(prepared: &Arc<Prepared>, seen: &Observed, plan: &mut Plan) -> Stage {
    if let Some(lag) = seen.lag {
        plan.look_again(lag);
        return Stage::Writing;
    }
    let is_remembered = seen.last_applied.as_ref() == Some(prepared);
    let prepared = || Arc::clone(prepared);
    match prepared().compare(seen.live.as_ref()) {
        Found::Applied(applied) => {
            if !is_remembered {
                plan.actions.push(Action::Remember(prepared()));
            }
            Stage::Applied(applied)
        }
        Found::Differs(write) => {
            plan.actions.push(Action::Apply { prepared: prepared(), write, repair: is_remembered });
            Stage::Writing
        }
        Found::Blocked(obstacle) => Stage::Blocked(obstacle),
    }
}

/// Plans the deletion of an object, if it is ours. One that others hold goes when they let go.
pub(crate) fn remove(id: &Id, seen: &Observed, plan: &mut Plan) {
    if let Some(lag) = seen.lag {
        plan.look_again(lag);
        return;
    }
    if let Some(live) = seen.live.as_ref().filter(|live| live.obstacle().is_none()) {
        plan.actions.push(Action::Delete { id: id.clone(), live: Arc::clone(live) });
    }
}

#[cfg(test)]
mod tests;
