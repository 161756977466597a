//! Keeps the exec guard: its constraint, and the inventory that it looks things up in.

use gatewright_compiler::{EXEC_GUARD, GuardMode, exec_guard, sync_set};
use gatewright_rules::deny_exec_heritage::TEMPLATE;

use crate::Error;
use crate::act::carry_out::Writer;
use crate::watch::cache::Knowledge;
use crate::watch::desired::Prepared;
use crate::watch::world::World;
use crate::watch::{Id, Kind};

/// Whether the guard is to stand. Where the Pods cannot be seen, it stays as it is.
pub(crate) fn is_wanted(world: &World) -> bool {
    match world.settings.exec_guard.mode {
        GuardMode::Always => true,
        GuardMode::Off => false,
        GuardMode::Auto if world.platform_pods.is_complete() => !world.platform_pods.is_empty(),
        GuardMode::Auto => world.constraints(&TEMPLATE).get(EXEC_GUARD).is_some_and(|live| live.ours),
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
    if !world.constraints(&TEMPLATE).is_complete() || !template.is_some_and(|template| template.ours) {
        return Ok(Some(format!("Gatekeeper has not made the kind {} from our template", TEMPLATE.kind)));
    }
    match ensure(world).await {
        Ok(()) => Ok(None),
        Err(error) if error.is_obstacle() => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

async fn ensure(world: &World) -> Result<(), Error> {
    let sync_set = sync_set();
    let prepared = Prepared::new(Kind::SyncSet, &sync_set.metadata, &sync_set);
    let live = world.sync_sets.get(&prepared.id.name);
    Writer::new(world).ensure(prepared, live).await?;
    let exemptions = world.exemptions.values();
    let unsynced = exemptions.iter().flat_map(|list| list.iter()).filter(|exemption| exemption.sync);
    let unsynced: Vec<_> = unsynced.map(|exemption| exemption.namespaces.clone()).collect();
    let guard = exec_guard(&world.settings, &unsynced);
    let prepared = Prepared::new(Kind::Constraint(TEMPLATE.kind), &guard.metadata, &guard);
    Writer::new(world).ensure(prepared, world.constraints(&TEMPLATE).get(EXEC_GUARD)).await?;
    Ok(())
}

/// Takes the guard away: the inventory goes once no constraint looks at it.
///
/// # Errors
/// A request failed.
pub(crate) async fn remove(world: &World) -> Result<(), Error> {
    sweep(world, None).await?;
    if world.constraints(&TEMPLATE).values().iter().any(|live| live.ours) {
        return Ok(());
    }
    for name in world.sync_sets.names() {
        if let Some(live) = world.sync_sets.get(&name).filter(|live| live.obstacle().is_none()) {
            Writer::new(world).delete(&Id::new(Kind::SyncSet, name), &live).await?;
        }
    }
    Ok(())
}

/// Deletes our constraints of the kind, but for one.
async fn sweep(world: &World, stays: Option<&str>) -> Result<(), Error> {
    let constraints = world.constraints(&TEMPLATE);
    for name in constraints.names() {
        let surplus =
            constraints.get(&name).filter(|live| live.obstacle().is_none() && stays != Some(name.as_str()));
        if let Some(live) = surplus {
            Writer::new(world).delete(&Id::new(Kind::Constraint(TEMPLATE.kind), name), &live).await?;
        }
    }
    Ok(())
}
