//! Keeps the constraints of the Pod Security Standards.

use gatewright_api::Reason;
use gatewright_compiler::{standards, standards_routes};
use gatewright_gatekeeper::Constraint;
use gatewright_rules::Template;
use kube::core::DynamicObject;
use serde_json::json;

use crate::Error;
use crate::apply::{self, Desired};
use crate::conditions::Judgement;
use crate::enforcement::Gatekeeper;
use crate::live::Difference;
use crate::queue::Next;
use crate::world::World;

const TEMPLATE: Template = Template::PodSecurityStandard;

/// Brings one of the standards' constraints into the API, or sweeps one that the settings no longer want.
pub(crate) async fn reconcile(world: &World, name: &str) -> Result<Next, Error> {
    let template = world.templates.get(&TEMPLATE.name());
    let constraints = world.constraints(TEMPLATE);
    if !constraints.is_complete() || !template.is_some_and(|template| template.ours) {
        return Ok(Next::Change);
    }
    let api = world.constraint_api(TEMPLATE);
    let live = constraints.get(name);
    if let Some(object) = desired(world, name) {
        let desired = Desired { api: &api, kind: TEMPLATE.kind(), object };
        match world.ensure(&desired, live.as_deref()).await {
            Err(error) if !error.is_obstacle() => return Err(error),
            _ => {}
        }
    } else if let Some(live) = live.filter(|live| live.ours) {
        world.kept.forget(TEMPLATE.kind(), name);
        apply::delete(&api, TEMPLATE.kind(), name, &live).await?;
    }
    Ok(Next::Change)
}

/// What became of one of the standards' constraints.
pub(crate) fn judge(world: &World, gatekeeper: &Gatekeeper, constraint: &Constraint) -> Judgement {
    let name = constraint.metadata.name.clone().unwrap_or_default();
    let template = world.templates.get(&TEMPLATE.name()).filter(|template| template.ours);
    let Some((template, live)) = template.zip(world.constraints(TEMPLATE).get(&name)) else {
        return Judgement::no(Reason::WaitingForGatekeeper, "the constraint is not there yet");
    };
    if let Some(obstacle) = live.obstacle(TEMPLATE.kind(), &name) {
        return Judgement::failed(&obstacle);
    }
    let object = serde_json::from_value::<DynamicObject>(json!(constraint)).ok();
    if object.is_none_or(|object| !Difference::between(&live, &object).fields.is_empty()) {
        return Judgement::no(Reason::NotApplied, "the constraint is not as it should be; the log tells why");
    }
    gatekeeper.judge(&template, &live, &standards_routes(&world.settings))
}

/// How many of the standards' constraints there should be, are in the API exactly so, and are enforced.
pub(crate) fn counts(world: &World) -> [i32; 3] {
    let gatekeeper = Gatekeeper::seen(world);
    let mut counts = [0; 3];
    for constraint in standards(&world.settings) {
        let Judgement { holds, reason, .. } = judge(world, &gatekeeper, &constraint);
        let absent =
            [Reason::WaitingForGatekeeper, Reason::Conflict, Reason::BeingDeleted, Reason::NotApplied]
                .contains(&reason);
        counts[0] += 1;
        counts[1] += i32::from(!absent);
        counts[2] += i32::from(holds);
    }
    counts
}

fn desired(world: &World, name: &str) -> Option<DynamicObject> {
    let all = standards(&world.settings);
    let constraint = all.into_iter().find(|constraint| constraint.metadata.name.as_deref() == Some(name))?;
    serde_json::from_value(json!(constraint)).ok()
}
