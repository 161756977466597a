//! Keeps the constraints of the Pod Security Standards.

use gatewright_compiler::standards;
use gatewright_rules::pod_security_standard::TEMPLATE;
use kube::core::DynamicObject;
use serde_json::json;

use crate::Error;
use crate::apply::{self, Desired};
use crate::enforcement::Gatekeeper;
use crate::live::Difference;
use crate::queue::Next;
use crate::world::World;

/// Brings one of the standards' constraints into the API, or sweeps one that the settings no longer want.
pub(crate) async fn reconcile(world: &World, name: &str) -> Result<Next, Error> {
    let template = world.templates.get(&TEMPLATE.name());
    let constraints = world.constraints(&TEMPLATE);
    if !constraints.is_complete() || !template.is_some_and(|template| template.ours) {
        return Ok(Next::Change);
    }
    let api = world.constraint_api(&TEMPLATE);
    let live = constraints.get(name);
    if let Some(object) = desired(world, name) {
        let desired = Desired { api: &api, kind: TEMPLATE.kind, object };
        world.ensure(&desired, live.as_deref()).await?;
    } else if let Some(live) = live.filter(|live| live.ours) {
        apply::delete(&api, TEMPLATE.kind, name, &live).await?;
    }
    Ok(Next::Change)
}

/// How many of the standards' constraints there should be, are in the API exactly so, and are enforced.
pub(crate) fn counts(world: &World) -> [i32; 3] {
    let (gatekeeper, template) = (Gatekeeper::seen(world), world.templates.get(&TEMPLATE.name()));
    let mut counts = [0; 3];
    for constraint in standards(&world.settings) {
        counts[0] += 1;
        let name = constraint.metadata.name.clone().unwrap_or_default();
        let live = world.constraints(&TEMPLATE).get(&name).filter(|live| live.ours);
        let object = serde_json::from_value::<DynamicObject>(json!(constraint)).ok();
        let (Some(live), Some(object)) = (live, object) else { continue };
        if !Difference::between(&live, &object).fields.is_empty() {
            continue;
        }
        counts[1] += 1;
        let enforced = template.as_ref().is_some_and(|template| gatekeeper.judge(template, &live, &[]).holds);
        counts[2] += i32::from(enforced);
    }
    counts
}

fn desired(world: &World, name: &str) -> Option<DynamicObject> {
    let all = standards(&world.settings);
    let constraint = all.into_iter().find(|constraint| constraint.metadata.name.as_deref() == Some(name))?;
    serde_json::from_value(json!(constraint)).ok()
}
