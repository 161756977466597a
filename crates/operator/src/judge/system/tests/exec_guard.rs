//! The exec guard and the routing.

use super::{good, said, status};
use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::fixtures::{builtin, edited, taken_in};
use crate::judge::system::guard;
use crate::watch::desired::Prepared;
use crate::watch::kind::Kind;
use crate::watch::live::Live;
use crate::watch::observe::SystemSnapshot;
use crate::watch::published::RoutingOutcome;
use gatewright_api::Reason;
use gatewright_compiler::{GuardMode, Settings, exec_guard};
use gatewright_gatekeeper::{Exemption, Finding, Operation};
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

#[test]
fn only_what_keeps_requests_away_is_a_fault_of_the_routing() {
    let outcome = |findings| RoutingOutcome { findings, ..RoutingOutcome::default() };
    let off = Finding::Off { operation: Operation::Connect, resources: vec!["pods/exec".to_owned()] };
    let woken = |routed| Finding::WokenByMistake {
        operation: Operation::Connect,
        resources: vec!["pods/exec".to_owned()],
        constraints: vec!["k/c".to_owned()],
        routed,
    };
    let unknown = Finding::UnknownKind { kind: "Foo".into(), constraint: "k/c".into() };
    for (findings, holds, reason, says) in [
        (vec![], true, Reason::Routed, "Gatekeeper is asked"),
        (vec![off.clone()], true, Reason::Routed, "RoutingOff: "),
        (vec![unknown], true, Reason::Routed, "UnknownKind: "),
        (vec![Finding::NeverTrue { template: "t".into() }], true, Reason::Routed, "NeverTrue: "),
        (vec![woken(true)], true, Reason::Routed, "WokenByMistake: "),
        (vec![off.clone(), woken(false)], false, Reason::NotRouted, "WokenByMistake: "),
        (vec![Finding::ObjectSelector], false, Reason::NotRouted, "ObjectSelector: "),
        (vec![Finding::NoUpstream], false, Reason::NotRouted, "NoUpstream: "),
    ] {
        let judgement = guard::routing(Some(&outcome(findings)));
        assert_eq!((judgement.holds, judgement.reason), (holds, reason), "{judgement:?}");
        assert!(judgement.message.starts_with(says), "{judgement:?}");
    }
    let failed = |findings| {
        guard::routing(Some(&RoutingOutcome { routing_problem: Some("refused".into()), ..outcome(findings) }))
    };
    assert_eq!(failed(vec![]), Judgement::no(Reason::ApplyFailed, "refused"));
    let both = failed(vec![off.clone()]);
    assert_eq!(both.message, format!("refused; RoutingOff: {off}"));
}
