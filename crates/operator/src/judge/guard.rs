//! The exec guard: its constraint, and the inventory that it looks things up in.

use std::sync::Arc;

use gatewright_compiler::{EXEC_GUARD, GuardMode, exec_guard};
use gatewright_rules::Template;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::judge::builtin::Builtin;
use crate::judge::object::{Stage, bring, remove};
use crate::judge::ownership::{of_release, owned, owners};
use crate::judge::plan::Plan;
use crate::watch::desired::Prepared;
use crate::watch::kind::{Id, Kind};
use crate::watch::observe::GuardSnapshot;
use crate::watch::observe::guard::{constraint, sync_set};

const TEMPLATE: Template = Template::DenyExecHeritage;

/// Whether the guard is to stand. Where the Pods cannot be seen, it stays as it is.
pub(crate) fn is_wanted(snapshot: &GuardSnapshot, mode: GuardMode) -> bool {
    match mode {
        GuardMode::Always => true,
        GuardMode::Off => false,
        GuardMode::Auto => {
            snapshot.pods.unwrap_or_else(|| snapshot.constraint.live.as_ref().is_some_and(|live| live.ours))
        }
    }
}

/// The constraint of the guard. `unsynced` are the namespaces that Gatekeeper's `Config` keeps out of the inventory.
pub(crate) fn prepared(
    unsynced: &[String],
    release: Option<&OwnerReference>,
    builtin: &Builtin,
) -> Arc<Prepared> {
    let guard = exec_guard(&builtin.settings, unsynced);
    let prepared = Arc::new(Prepared::new(Kind::Constraint(TEMPLATE), &guard.metadata, &guard));
    let owners = owners(TEMPLATE.owner(), builtin.settings.on_uninstall, release, &prepared.owners);
    owned(&prepared, owners)
}

/// Brings the guard into the API, or takes it away. Returns what keeps it from standing.
pub(crate) fn decide(
    snapshot: &GuardSnapshot,
    builtin: &Builtin,
    wanted: bool,
    plan: &mut Plan,
) -> Option<String> {
    for (id, seen) in &snapshot.others {
        remove(id, seen, plan);
    }
    if wanted {
        install(snapshot, builtin, plan)
    } else {
        clear(snapshot, plan);
        None
    }
}

/// First the inventory, since without it every Pod would be unknown.
fn install(snapshot: &GuardSnapshot, builtin: &Builtin, plan: &mut Plan) -> Option<String> {
    if !snapshot.sync_sets_served {
        let message =
            "Gatekeeper serves no SyncSets, or not to the operator, so the labels of Pods cannot be known";
        return Some(message.to_owned());
    }
    if !snapshot.constraints_served || !snapshot.template.as_ref().is_some_and(|template| template.ours) {
        return Some(format!("Gatekeeper has not made the kind {} from our template", TEMPLATE.kind()));
    }
    let problem = |stage, id: Id| match stage {
        Stage::Blocked(obstacle) => Some(obstacle.error(&id).to_string()),
        Stage::Applied(_) | Stage::Writing => None,
    };
    let release = snapshot.release.as_ref();
    match bring(&owned(&builtin.sync_set, of_release(release)), &snapshot.sync_set, plan) {
        Stage::Applied(_) => {
            let guard = prepared(&snapshot.unsynced, release, builtin);
            let stage = bring(&guard, &snapshot.constraint, plan);
            problem(stage, constraint(EXEC_GUARD))
        }
        stage => problem(stage, sync_set()),
    }
}

/// The inventory goes once no constraint looks at it.
fn clear(snapshot: &GuardSnapshot, plan: &mut Plan) {
    remove(&constraint(EXEC_GUARD), &snapshot.constraint, plan);
    let all = snapshot.others.iter().map(|(_, seen)| seen).chain([&snapshot.constraint]);
    if !all.into_iter().any(|seen| seen.live.as_ref().is_some_and(|live| live.ours)) {
        remove(&sync_set(), &snapshot.sync_set, plan);
    }
}

#[cfg(test)]
pub(crate) mod tests;
