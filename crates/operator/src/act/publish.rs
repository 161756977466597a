//! Publishes what a plan says, where it is new.

use gatewright_api::{Policy, with_policy_type};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use tracing::{info, warn};

use crate::Error;
use crate::act::status::replace;
use crate::judge::conditions::turned;
use crate::judge::draft::Draft;
use crate::judge::plan::Status;
use crate::watch::published::RoutingOutcome;
use crate::watch::world::World;

/// Publishes the status.
///
/// # Errors
/// It could not be written.
pub(crate) async fn publish(world: &World, status: Status) -> Result<(), Error> {
    match status {
        Status::Nothing => Ok(()),
        Status::Policy(draft) => with_policy_type!(draft.kind, P => policy::<P>(world, &draft).await),
        Status::Routing(outcome) => {
            routing(world, *outcome);
            Ok(())
        }
    }
}

/// Writes the status if anything but time changed. The write fails if the policy changed in between.
async fn policy<P: Policy>(world: &World, draft: &Draft) -> Result<(), Error> {
    let Some(status) = draft.status(&Time(Timestamp::now())) else { return Ok(()) };
    world.last_applied.published(&draft.id);
    if draft.previous.as_ref() == Some(&status) {
        return Ok(());
    }
    match replace::<P>(&world.client, &draft.policy, &status).await {
        Err(error) if error.is_not_found() => return Ok(()),
        result => result?,
    }
    if let Some(ready) = turned(draft.previous.as_ref(), &status) {
        let (kind, name) = (P::KIND, &draft.id.name);
        info!(%kind, name, ready = ready.status, reason = ready.reason, because = ready.message, "policy");
        world.events.turned::<P>(&draft.policy, ready);
    }
    Ok(())
}

/// Keeps the outcome for whoever asks, and logs what is new in it, once.
fn routing(world: &World, new: RoutingOutcome) {
    world.routing.send_if_modified(|old| {
        let changed = old.as_ref() != Some(&new);
        if changed {
            log(old.as_ref().unwrap_or(&RoutingOutcome::default()), &new);
            *old = Some(new);
            world.wake_system();
        }
        changed
    });
}

fn log(old: &RoutingOutcome, new: &RoutingOutcome) {
    if old.guard != new.guard {
        info!(stands = new.guard, "exec guard");
    }
    for finding in new.findings.iter().filter(|finding| !old.findings.contains(finding)) {
        warn!(reason = finding.reason(), "{finding}");
    }
    for finding in old.findings.iter().filter(|finding| !new.findings.contains(finding)) {
        info!(reason = finding.reason(), "no longer so: {finding}");
    }
    for (what, old, new) in [
        ("exec guard", &old.guard_problem, &new.guard_problem),
        ("routing", &old.routing_problem, &new.routing_problem),
    ] {
        if let Some(problem) = new.as_ref().filter(|_| old != new) {
            warn!(because = problem, "{what} is not as it should be");
        }
    }
}
