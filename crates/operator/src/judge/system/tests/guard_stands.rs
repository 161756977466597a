//! What the status says of the exec guard.

use super::{good, said, status};
use crate::judge::builtin::Builtin;
use crate::judge::fixtures::{builtin, edited, taken_in};
use crate::watch::desired::Prepared;
use crate::watch::kind::Kind;
use crate::watch::live::Live;
use crate::watch::observe::SystemSnapshot;
use crate::watch::published::RoutingOutcome;
use gatewright_api::Reason;
use gatewright_compiler::{GuardMode, Settings, exec_guard};
use gatewright_gatekeeper::Exemption;
use gatewright_rules::Template;
use std::sync::Arc;

/// The guard stands, or is to.
fn guarded(builtin: &Builtin, exempt: &[Exemption], live: Option<fn(&Prepared) -> Live>) -> SystemSnapshot {
    let unsynced: Vec<_> = exempt.iter().map(|exemption| exemption.namespaces.clone()).collect();
    let guard = exec_guard(&builtin.settings, &unsynced);
    let prepared = Prepared::new(Kind::Constraint(Template::DenyExecHeritage), &guard.metadata, &guard);
    let mut snapshot = good(builtin);
    snapshot.routing = Some(RoutingOutcome { guard: true, ..RoutingOutcome::default() });
    snapshot.guard_constraint = live.map(|live| Arc::new(live(&prepared)));
    snapshot.gatekeeper.exemptions = exempt.to_vec();
    snapshot
}

#[test]
fn what_is_said_of_the_exec_guard() {
    let builtin = builtin();
    let unsynced = [Exemption { namespaces: "legacy-*".into(), admission: false, sync: true }];
    let mut failed = guarded(builtin, &[], Some(taken_in));
    failed.routing.as_mut().unwrap().guard_problem = Some("no SyncSets".into());
    let mut unasked = guarded(builtin, &[], Some(taken_in));
    let webhook = Arc::make_mut(&mut unasked.gatekeeper.webhooks[0]);
    webhook.webhooks.as_mut().unwrap()[0].rules.as_mut().unwrap()[0].operations = Some(vec!["CREATE".into()]);
    for (snapshot, holds, reason, message) in [
        (guarded(builtin, &[], Some(taken_in)), "True", Reason::Enforced, "enforced by gatekeeper-1"),
        (
            guarded(builtin, &unsynced, Some(taken_in)),
            "True",
            Reason::Enforced,
            "enforced by gatekeeper-1; Gatekeeper's Config keeps Pods of legacy-* out of its inventory: unknown Pods \
             there are let in",
        ),
        (
            guarded(builtin, &[], None),
            "False",
            Reason::WaitingForGatekeeper,
            "the constraint of the exec guard is not there yet",
        ),
        (
            guarded(builtin, &[], Some(edited)),
            "False",
            Reason::NotApplied,
            "the constraint of the exec guard is not as it should be",
        ),
        (failed, "False", Reason::NotApplied, "no SyncSets"),
        (
            unasked,
            "False",
            Reason::NotRouted,
            "the webhook configuration gatekeeper does not send Gatekeeper CONNECT of pods/attach, CONNECT of pods/exec: \
             add that to the rules of its entry validation.gatekeeper.sh",
        ),
    ] {
        let said = said(&status(&snapshot, builtin), "ExecGuard");
        assert_eq!(said, (holds.to_owned(), reason.as_str().to_owned(), message.to_owned()));
    }
    let mut settings = Settings::default();
    settings.exec_guard.mode = GuardMode::Off;
    let off = Builtin::new(settings);
    let (.., message) = said(&status(&good(&off), &off), "ExecGuard");
    assert_eq!(message, "the exec guard does not stand: execGuard.mode is Off in the settings");
}
