//! Reconciles one policy: validate, build, apply, report; or sweep what a policy left behind.

use gatewright_api::{ConditionType, Guarded, PolicyStatus, Reason};
use gatewright_compiler::{Compiled, compile};
use gatewright_gatekeeper::{Constraint, Route};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::core::DynamicObject;
use serde_json::json;
use std::time::Duration;
use tracing::info;

use crate::apply::{self, Desired};
use crate::conditions::{Facts, Judgement, Report, find};
use crate::enforcement::{Gatekeeper, OURS, rejected};
use crate::error::request;
use crate::live::Live;
use crate::queue::Next;
use crate::world::{Snapshot, Watched, World};
use crate::{Error, status, template};

/// How long a cache may lag before a deletion is looked at again.
const CACHE_LAG: Duration = Duration::from_millis(200);

/// Reconciles the policy of this name with its constraint, whether they exist or not.
pub(crate) async fn reconcile<P: Watched>(world: &World, name: &str) -> Result<Next, Error> {
    let Some(snapshot) = Snapshot::<P>::take(world, name) else { return Ok(Next::Change) };
    let Some(policy) = &snapshot.policy else {
        return sweep(world, &snapshot, name).await;
    };
    let validated = validate(policy, world);
    let mut written = None;
    let (report, result) = match validated {
        Ok(Compiled { constraint: Some(constraint), routes, notes, .. }) => {
            let outcome = ensure(world, &snapshot, constraint).await;
            let report = outcome.report(world, &snapshot, policy, compiles(&notes), &routes);
            if report.enforced.reason == Reason::NotEnforcedBy
                && let Some(rest) = world.kept.settles(P::TEMPLATE.kind(), name)
            {
                return Ok(Next::After(rest));
            }
            world.kept.told(P::TEMPLATE.kind(), name);
            written = outcome.live().cloned();
            (report, outcome.into_result())
        }
        Ok(Compiled { constraint: None, .. }) => {
            let result = clear::<P>(world, snapshot.constraint.as_deref(), name).await;
            (nothing_to_enforce(policy), result)
        }
        Err(judgement) => (invalid(world, &snapshot, policy, judgement), Ok(())),
    };
    if let Err(error) = &result
        && error.is_stale()
    {
        return result.map(|()| Next::Change);
    }
    let constraint = written.as_ref().or(snapshot.constraint.as_deref()).filter(|live| live.ours);
    let facts = facts(world, policy, constraint);
    write_status::<P>(world, policy, &report, &facts).await?;
    result.map(|()| Next::Change)
}

/// Parses and compiles. What is wrong becomes the `Valid` condition.
fn validate<P: Watched>(policy: &Guarded<P>, world: &World) -> Result<Compiled, Judgement> {
    let parsed = policy.parsed.as_ref().map_err(|error| Judgement::no(Reason::Invalid, error))?;
    compile(&**parsed, &world.settings)
        .map_err(|invalid| Judgement::no(invalid.reason(), invalid.to_string()))
}

/// What became of a constraint that should be in the API.
enum Outcome {
    /// It is, exactly as desired.
    Applied(Box<Live>),
    /// It cannot be yet.
    Waiting(Judgement),
    /// It could not be written.
    Failed(Error),
}

async fn ensure<P: Watched>(world: &World, snapshot: &Snapshot<P>, constraint: Constraint) -> Outcome {
    // The kind may be served by a template that is not ours, whose constraints would mean something else.
    let ours = snapshot.template.as_ref().is_some_and(|template| template.ours);
    if !snapshot.constraints_served || !ours {
        return Outcome::Waiting(waiting(snapshot));
    }
    // What is remembered of policies that are no longer served may be gone: what is there stays, but nothing is made
    // that the garbage collector would remove again.
    if !snapshot.policies_served && snapshot.constraint.is_none() {
        let message = format!("the API server does not serve {}, or not to the operator", P::KIND);
        return Outcome::Waiting(Judgement::no(Reason::NotServed, message));
    }
    let object = match serde_json::from_value::<DynamicObject>(json!(constraint)) {
        Ok(object) => object,
        Err(error) => return Outcome::Waiting(Judgement::no(Reason::ApplyFailed, error.to_string())),
    };
    let desired = Desired { api: &world.constraint_api(P::TEMPLATE), kind: P::TEMPLATE.kind(), object };
    match world.ensure(&desired, snapshot.constraint.as_deref()).await {
        Ok(live) => Outcome::Applied(Box::new(live)),
        Err(error) => Outcome::Failed(error),
    }
}

/// Why the constraint cannot be applied yet.
fn waiting<P: Watched>(snapshot: &Snapshot<P>) -> Judgement {
    let kind = P::TEMPLATE.kind();
    let wait = |message: String| Judgement::no(Reason::WaitingForGatekeeper, message);
    if !snapshot.templates_served {
        return wait("the API server serves no ConstraintTemplates: install Gatekeeper".to_owned());
    }
    let Some(template) = &snapshot.template else {
        let name = P::TEMPLATE.name();
        return wait(format!(
            "the ConstraintTemplate {name} is not there yet; if this lasts, the operator's log tells why"
        ));
    };
    if let Some(obstacle) = template.obstacle(template::KIND, &P::TEMPLATE.name()) {
        return Judgement::failed(&obstacle);
    }
    let everyone = template.reports.iter().map(|report| report.id.clone()).collect();
    match template.subject().rejection(&everyone) {
        Some(error) => rejected(&error, OURS),
        None => wait(format!(
            "Gatekeeper has not made the kind {kind} from our template; a process with the operation generate does that"
        )),
    }
}

impl Outcome {
    fn report<P: Watched>(
        &self,
        world: &World,
        snapshot: &Snapshot<P>,
        policy: &Guarded<P>,
        valid: Judgement,
        routes: &[Route],
    ) -> Report {
        let generation = policy.metadata.generation.unwrap_or_default();
        let applied = match self {
            Self::Applied(_) => Judgement::yes(Reason::Applied, "the constraint is in the API as desired"),
            Self::Waiting(judgement) => judgement.clone(),
            Self::Failed(error) => Judgement::failed(error),
        };
        let enforced = match self {
            Self::Applied(live) => enforced(world, snapshot, live, routes),
            Self::Waiting(_) | Self::Failed(_) => applied.clone(),
        };
        Report { generation, applied_generation: generation, valid, applied, enforced, desired: 1 }
    }

    fn live(&self) -> Option<&Live> {
        if let Self::Applied(live) = self { Some(live) } else { None }
    }

    /// An obstacle goes by itself; everything else is tried again.
    fn into_result(self) -> Result<(), Error> {
        match self {
            Self::Failed(error) if !error.is_obstacle() => Err(error),
            Self::Applied(_) | Self::Waiting(_) | Self::Failed(_) => Ok(()),
        }
    }
}

fn enforced<P: Watched>(world: &World, snapshot: &Snapshot<P>, live: &Live, routes: &[Route]) -> Judgement {
    match &snapshot.template {
        Some(template) if template.ours => Gatekeeper::seen(world).judge(template, live, routes),
        _ => waiting(snapshot),
    }
}

/// With what the policy cannot do, if there is such a thing.
fn compiles(notes: &[String]) -> Judgement {
    let told: Vec<_> =
        std::iter::once("the policy compiles").chain(notes.iter().map(String::as_str)).collect();
    Judgement::yes(Reason::Compiled, told.join("; "))
}

fn nothing_to_enforce<P: Watched>(policy: &Guarded<P>) -> Report {
    let generation = policy.metadata.generation.unwrap_or_default();
    let nothing =
        Judgement::yes(Reason::NothingToEnforce, "the policy demands nothing that could be violated");
    Report {
        generation,
        applied_generation: generation,
        valid: compiles(&[]),
        applied: nothing.clone(),
        enforced: nothing,
        desired: 0,
    }
}

/// The last good constraint stays, and `Applied` and `Enforced` keep speaking of the generation it was made from.
fn invalid<P: Watched>(
    world: &World,
    snapshot: &Snapshot<P>,
    policy: &Guarded<P>,
    valid: Judgement,
) -> Report {
    let generation = policy.metadata.generation.unwrap_or_default();
    let previous = find(policy.status.as_ref(), ConditionType::Applied);
    let applied_generation =
        previous.and_then(|condition| condition.observed_generation).unwrap_or(generation);
    let uid = policy.metadata.uid.as_deref().unwrap_or_default();
    let last_good = snapshot.constraint.as_ref().filter(|live| live.ours && is_owned_by(live, uid));
    let Some(live) = last_good else {
        let message = "nothing is applied: the policy is not valid; mend what the condition Valid names";
        let nothing = Judgement::no(Reason::NotApplied, message);
        let enforced = nothing.clone();
        return Report {
            generation,
            applied_generation: generation,
            valid,
            applied: nothing,
            enforced,
            desired: 0,
        };
    };
    let applied =
        Judgement::yes(Reason::Applied, "the constraint of the last valid generation stays in place");
    let enforced = enforced(world, snapshot, live, &[]);
    Report { generation, applied_generation, valid, applied, enforced, desired: 1 }
}

fn is_owned_by(live: &Live, uid: &str) -> bool {
    live.owners.iter().any(|owner| owner.uid == uid)
}

/// Deletes the constraint of a policy that is gone, also if it went while nobody looked.
async fn sweep<P: Watched>(world: &World, snapshot: &Snapshot<P>, name: &str) -> Result<Next, Error> {
    if snapshot.constraint.is_none() {
        world.kept.forget(P::TEMPLATE.kind(), name);
        world.namespaces.forget(P::TEMPLATE, name);
    }
    let orphan = snapshot.constraint.as_deref().filter(|live| live.ours && live.held_by.is_none());
    if orphan.is_none() || !snapshot.policies_served || !snapshot.constraints_served {
        return Ok(Next::Change);
    }
    // The two caches do not move together: only the API knows that there is no policy.
    let policies: Api<P> = Api::all(world.client.clone());
    let doing = format!("looking for {} {name}", P::KIND);
    match request(doing, policies.get_metadata(name)).await {
        Ok(_) => Ok(Next::After(CACHE_LAG)),
        Err(error) if error.is_absence_of(name) => {
            clear::<P>(world, orphan, name).await.map(|()| Next::Change)
        }
        Err(error) => Err(error),
    }
}

async fn clear<P: Watched>(world: &World, live: Option<&Live>, name: &str) -> Result<(), Error> {
    match live.filter(|live| live.ours) {
        Some(live) => {
            world.kept.forget(P::TEMPLATE.kind(), name);
            apply::delete(&world.constraint_api(P::TEMPLATE), P::TEMPLATE.kind(), name, live).await
        }
        None => Ok(()),
    }
}

/// What is told of the policy beside its conditions, from the constraint that is in the API.
fn facts<P: Watched>(world: &World, policy: &Guarded<P>, constraint: Option<&Live>) -> Facts {
    let parsed = policy.parsed.as_ref().ok();
    let action = constraint.and_then(|live| live.action);
    let audit = constraint.and_then(|live| live.audit.clone());
    let name = policy.metadata.name.as_deref().unwrap_or_default();
    let reached = |live| world.namespaces.reached_by(P::TEMPLATE, name, live);
    let namespaces = constraint.and_then(reached);
    Facts { namespaces, audit: audit.zip(action), spec: parsed.map(|policy| policy.spec_json()) }
}

/// Writes the status if anything but time changed. The write fails if the policy changed in between.
async fn write_status<P: Watched>(
    world: &World,
    policy: &Guarded<P>,
    report: &Report,
    facts: &Facts,
) -> Result<(), Error> {
    let status = report.status(facts, policy.status.as_ref(), &Time(Timestamp::now()));
    if policy.status.as_ref() == Some(&status) {
        return Ok(());
    }
    match status::replace::<P>(&world.client, &policy.metadata, &status).await {
        Ok(()) => {}
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error),
    }
    if let Some(ready) = turned(policy.status.as_ref(), &status) {
        let Condition { status, reason, message, .. } = ready;
        let name = policy.metadata.name.as_deref().unwrap_or_default();
        info!(kind = %P::KIND, name, ready = status, reason, because = message, "policy");
        world.events.turned::<P>(&policy.metadata, ready);
    }
    Ok(())
}

/// The condition `Ready`, if the policy has become ready, or is no longer, or for another reason: that is told.
fn turned<'a>(before: Option<&PolicyStatus>, now: &'a PolicyStatus) -> Option<&'a Condition> {
    let old = find(before, ConditionType::Ready).map(|condition| (&condition.status, &condition.reason));
    find(Some(now), ConditionType::Ready).filter(|ready| old != Some((&ready.status, &ready.reason)))
}
