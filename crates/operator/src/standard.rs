//! Keeps the constraints of the Pod Security Standards.

use gatewright_compiler::standards;
use gatewright_rules::pod_security_standard::TEMPLATE;
use kube::core::DynamicObject;
use serde_json::json;

use crate::Error;
use crate::apply::{self, Desired};
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
        desired.ensure(live.as_deref()).await?;
    } else if let Some(live) = live.filter(|live| live.ours) {
        apply::delete(&api, TEMPLATE.kind, name, &live).await?;
    }
    Ok(Next::Change)
}

fn desired(world: &World, name: &str) -> Option<DynamicObject> {
    let all = standards(&world.settings);
    let constraint = all.into_iter().find(|constraint| constraint.metadata.name.as_deref() == Some(name))?;
    serde_json::from_value(json!(constraint)).ok()
}
