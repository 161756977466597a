//! The exec guard and our own webhook configuration.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatewright_compiler::builtin as metadata;
use gatewright_gatekeeper::{self as gatekeeper, Finding, Route, configuration, routes_all, upstream};
use gatewright_rules::subresources;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhook;

use crate::judge::builtin::Builtin;
use crate::judge::guard;
use crate::judge::object::{Stage, bring, remove};
use crate::judge::ownership::{of_release, owned};
use crate::judge::plan::{LOOK_AGAIN, Plan, Status};
use crate::watch::desired::Prepared;
use crate::watch::kind::Kind;
use crate::watch::observe::RoutingSnapshot;
use crate::watch::observe::routing::{Demand, own};
use crate::watch::published::RoutingOutcome;

/// Brings the guard and the webhook configuration into the API, or takes them away.
pub(crate) fn decide(snapshot: &RoutingSnapshot, builtin: &Builtin) -> Plan {
    let mut plan = Plan::default();
    let name = builtin.settings.routing.upstream.as_deref();
    let entry = upstream(snapshot.webhooks.iter().map(AsRef::as_ref), name);
    let Some(guarded) = &snapshot.guard else {
        // Whoever took Gatekeeper away must not be left with requests that wait for it.
        if entry.is_none() {
            remove(&own(), &snapshot.own, &mut plan);
        }
        return plan;
    };
    let wanted = guard::is_wanted(guarded, builtin.settings.exec_guard.mode);
    let guard_problem = guard::decide(guarded, builtin, wanted, &mut plan);
    if let Some(demand) = &snapshot.demand {
        let outcome = route(snapshot, demand, entry, builtin, wanted, &mut plan);
        plan.status = Status::Routing(Box::new(RoutingOutcome { guard_problem, ..outcome }));
    }
    plan
}

/// What requests are sent, and what is to be known of them.
fn route(
    snapshot: &RoutingSnapshot,
    demand: &Demand,
    entry: Option<&ValidatingWebhook>,
    builtin: &Builtin,
    guard: bool,
    plan: &mut Plan,
) -> RoutingOutcome {
    let settings = &builtin.settings;
    let gatekeeper::Plan { routes, findings } = gatekeeper::Demand {
        guard,
        needed: &needed(demand, entry, builtin),
        templates: &demand.templates.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        constraints: &demand.constraints(),
        resources: &demand.resources,
        upstream: entry,
        connect: settings.routing.connect,
        delete: settings.routing.delete,
    }
    .plan();
    if findings.iter().any(|finding| matches!(finding, Finding::UnknownKind { .. })) {
        plan.look_again(LOOK_AGAIN);
    }
    let routing_problem = configure(snapshot, entry, &routes, plan);
    RoutingOutcome { guard, guard_problem: None, routes, findings, routing_problem }
}

/// Makes our configuration send these requests; with nothing to send there is none. Returns what keeps it from being
/// so.
fn configure(
    snapshot: &RoutingSnapshot,
    entry: Option<&ValidatingWebhook>,
    routes: &[Route],
    plan: &mut Plan,
) -> Option<String> {
    let Some(entry) = entry.filter(|_| !routes.is_empty()) else {
        remove(&own(), &snapshot.own, plan);
        return None;
    };
    let configuration = configuration(entry, routes, metadata());
    let prepared = Arc::new(Prepared::new(Kind::Webhooks, &configuration.metadata, &configuration));
    match bring(&owned(&prepared, of_release(snapshot.release.as_ref())), &snapshot.own, plan) {
        Stage::Blocked(obstacle) => Some(obstacle.error(&own()).to_string()),
        Stage::Applied(_) | Stage::Writing => None,
    }
}

/// The requests that our own constraints need. Policies are asked only where upstream leaves something out.
fn needed(demand: &Demand, entry: Option<&ValidatingWebhook>, builtin: &Builtin) -> Vec<Route> {
    if entry.is_none_or(|entry| routes_all(entry, &subresources())) {
        return vec![];
    }
    let mut routes: BTreeSet<_> = builtin.standards_routes.iter().cloned().collect();
    routes.extend(demand.policies.iter().flat_map(|policy| policy.routes(&builtin.settings)));
    routes.into_iter().collect()
}

#[cfg(test)]
pub(crate) mod tests;
