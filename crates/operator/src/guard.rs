//! Keeps the exec guard: its constraint, and the inventory that it looks things up in.

use gatewright_compiler::{EXEC_GUARD, GuardMode, exec_guard, sync_set};
use gatewright_rules::Template;
use kube::core::DynamicObject;
use serde_json::json;

use crate::Error;
use crate::apply::{self, Desired};
use crate::cache::Knowledge;
use crate::world::{SYNC_SET_KIND, World};

const TEMPLATE: Template = Template::DenyExecHeritage;

/// Whether the guard is to stand. Where the Pods cannot be seen, it stays as it is.
pub(crate) fn is_wanted(world: &World) -> bool {
    match world.settings.exec_guard.mode {
        GuardMode::Always => true,
        GuardMode::Off => false,
        GuardMode::Auto if world.platform_pods.is_complete() => !world.platform_pods.is_empty(),
        GuardMode::Auto => world.constraints(TEMPLATE).get(EXEC_GUARD).is_some_and(|live| live.ours),
    }
}

/// Brings the guard into the API: first the inventory, since without it every Pod would be unknown. Returns what keeps
/// it from standing.
///
/// # Errors
/// A request failed.
pub(crate) async fn install(world: &World) -> Result<Option<String>, Error> {
    sweep(world, Some(EXEC_GUARD)).await?;
    if world.sync_sets.knowledge() == Knowledge::Absent {
        let message =
            "Gatekeeper serves no SyncSets, or not to the operator, so the labels of Pods cannot be known";
        return Ok(Some(message.to_owned()));
    }
    let template = world.templates.get(&TEMPLATE.name());
    if !world.constraints(TEMPLATE).is_complete() || !template.is_some_and(|template| template.ours) {
        return Ok(Some(format!("Gatekeeper has not made the kind {} from our template", TEMPLATE.kind())));
    }
    match ensure(world).await {
        Ok(()) => Ok(None),
        Err(error) if error.is_obstacle() => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

async fn ensure(world: &World) -> Result<(), Error> {
    if let Ok(object) = serde_json::from_value::<DynamicObject>(json!(sync_set())) {
        let live = world.sync_sets.get(object.metadata.name.as_deref().unwrap_or_default());
        let desired = Desired { api: &world.sync_set_api(), kind: SYNC_SET_KIND, object };
        world.ensure(&desired, live.as_deref()).await?;
    }
    let exemptions = world.exemptions.values();
    let unsynced = exemptions.iter().flat_map(|list| list.iter()).filter(|exemption| exemption.sync);
    let unsynced: Vec<_> = unsynced.map(|exemption| exemption.namespaces.clone()).collect();
    if let Ok(object) = serde_json::from_value(json!(exec_guard(&world.settings, &unsynced))) {
        let desired = Desired { api: &world.constraint_api(TEMPLATE), kind: TEMPLATE.kind(), object };
        world.ensure(&desired, world.constraints(TEMPLATE).get(EXEC_GUARD).as_deref()).await?;
    }
    Ok(())
}

/// Takes the guard away: the inventory goes once no constraint looks at it.
///
/// # Errors
/// A request failed.
pub(crate) async fn remove(world: &World) -> Result<(), Error> {
    sweep(world, None).await?;
    if world.constraints(TEMPLATE).values().iter().any(|live| live.ours) {
        return Ok(());
    }
    for name in world.sync_sets.names() {
        if let Some(live) = world.sync_sets.get(&name).filter(|live| live.ours) {
            world.kept.forget(SYNC_SET_KIND, &name);
            apply::delete(&world.sync_set_api(), SYNC_SET_KIND, &name, &live).await?;
        }
    }
    Ok(())
}

/// Deletes our constraints of the kind, but for one.
async fn sweep(world: &World, stays: Option<&str>) -> Result<(), Error> {
    let constraints = world.constraints(TEMPLATE);
    for name in constraints.names() {
        let surplus = constraints.get(&name).filter(|live| live.ours && stays != Some(name.as_str()));
        if let Some(live) = surplus {
            world.kept.forget(TEMPLATE.kind(), &name);
            apply::delete(&world.constraint_api(TEMPLATE), TEMPLATE.kind(), &name, &live).await?;
        }
    }
    Ok(())
}
