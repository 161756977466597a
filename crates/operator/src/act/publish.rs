//! Publishes what a plan says, where it is new.

use gatewright_api::with_policy_type;
use gatewright_compiler::Compile;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use tracing::{info, warn};

use crate::act::status::replace;
use crate::act::writer::Writer;
use crate::judge::conditions::turned;
use crate::judge::draft::Draft;
use crate::judge::plan::{Status, SystemDraft, Warning};
use crate::watch::kind::{Id, Kind};
use crate::watch::published::{ReportsOutcome, RoutingOutcome};
use crate::{Error, act};

/// Publishes the status.
///
/// # Errors
/// It could not be written.
pub(crate) async fn publish(writer: &Writer, status: Status) -> Result<(), Error> {
    match status {
        Status::Nothing => Ok(()),
        Status::Policy(draft) => with_policy_type!(draft.kind, P => policy::<P>(writer, &draft).await),
        Status::Routing(outcome) => {
            routing(writer, &outcome);
            Ok(())
        }
        Status::System(draft) => system(writer, *draft).await,
        Status::Warnings(warnings) => {
            warn(writer, warnings);
            Ok(())
        }
    }
}

/// Writes the status if anything but time changed. The write fails if the policy changed in between.
async fn policy<P: Compile>(writer: &Writer, draft: &Draft) -> Result<(), Error> {
    let Some(status) = draft.status(&Time(Timestamp::now())) else { return Ok(()) };
    let name = draft.policy.name.as_deref().unwrap_or_default();
    for of in [P::TEMPLATE].into_iter().chain(P::SIGNATURES) {
        writer.world.last_applied.published(&Id::new(Kind::Constraint(of), name));
    }
    if draft.previous.as_ref() == Some(&status) {
        return Ok(());
    }
    match replace::<P>(&writer.world.client, &draft.policy, &status).await {
        Err(error) if error.is_not_found() => return Ok(()),
        result => result?,
    }
    if let Some(ready) = turned(draft.previous.as_ref(), &status) {
        let kind = P::KIND;
        info!(%kind, name, ready = ready.status, reason = ready.reason, because = ready.message, "policy");
        writer.events.turned::<P>(&draft.policy, ready);
    }
    Ok(())
}

/// Keeps the outcome for whoever asks, and logs what is new in it, once.
fn routing(writer: &Writer, new: &RoutingOutcome) {
    let old = writer.world.routing.get().unwrap_or_default();
    if writer.world.routing.publish(new.clone()) {
        log(&old, new);
        writer.world.wake_system();
    }
}

async fn system(writer: &Writer, draft: SystemDraft) -> Result<(), Error> {
    let mut logged = writer.world.logged.get().unwrap_or_default();
    logged.extend(draft.log.iter().cloned());
    writer.world.logged.publish(logged);
    act::system::publish(&writer.world.client, &writer.events, draft).await
}

/// Says what has become of the reports, and lets the status of the system follow.
pub(crate) fn reports(writer: &Writer, before: Option<&ReportsOutcome>, now: ReportsOutcome) {
    act::reports::say(&writer.events, before, &now);
    if writer.world.reports.outcome.publish(now) {
        writer.world.wake_system();
    }
}

fn warn(writer: &Writer, warnings: Vec<Warning>) {
    for Warning { namespace, reason, note } in warnings {
        warn!(namespace, reason, because = note, "a namespace has a label that somebody should look at");
        writer.events.warn(&namespace, reason, &note);
    }
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
