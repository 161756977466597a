use super::{State, decide, judge};
use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::fixtures::{
    PROCESS, builtin, edited, foreign, gatekeeper, held, live, remembered, taken_in, template, unremembered,
    update,
};
use crate::judge::plan::{Action, Plan};
use crate::watch::desired::{Prepared, Write};
use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::observe::{Gatekeeper, StandardSnapshot};
use gatewright_api::Reason;
use gatewright_rules::pod_security_standard::TEMPLATE;
use std::sync::Arc;

const NAME: &str = "d8-pod-security-baseline-deny";

fn prepared(builtin: &Builtin) -> Arc<Prepared> {
    Arc::clone(&builtin.standard(NAME).unwrap().prepared)
}

fn snapshot(builtin: &Builtin, constraint: Observed) -> StandardSnapshot {
    StandardSnapshot {
        id: Id::new(Kind::Constraint(TEMPLATE.kind), NAME),
        served: true,
        template: Some(template(builtin, &TEMPLATE)),
        constraint,
    }
}

fn plan(actions: Vec<Action>) -> Plan {
    Plan { actions, ..Plan::default() }
}

#[test]
fn a_constraint_comes_once_its_kind_is_ours() {
    let builtin = builtin();
    let desired = prepared(&builtin);
    let create = |repair| Action::Apply { prepared: Arc::clone(&desired), write: Write::Create, repair };
    let there = snapshot(&builtin, unremembered(None));
    let foreign_template = Arc::new(foreign(builtin.template(TEMPLATE.kind).unwrap()));
    let edited = Arc::new(edited(&desired));
    let good = Arc::new(live(&desired));
    for (what, snapshot, expected) in [
        ("absent", there.clone(), vec![create(false)]),
        ("deleted", snapshot(&builtin, remembered(&desired, None)), vec![create(true)]),
        (
            "edited",
            snapshot(&builtin, remembered(&desired, Some(&edited))),
            vec![Action::Apply { prepared: Arc::clone(&desired), write: update(&edited), repair: true }],
        ),
        ("as it should be", snapshot(&builtin, remembered(&desired, Some(&good))), vec![]),
        ("not served", StandardSnapshot { served: false, ..there.clone() }, vec![]),
        ("no template", StandardSnapshot { template: None, ..there.clone() }, vec![]),
        ("a foreign template", StandardSnapshot { template: Some(foreign_template), ..there }, vec![]),
    ] {
        assert_eq!(decide(&snapshot, &builtin), plan(expected), "{what}");
    }
}

#[test]
fn a_constraint_of_another_name_goes_if_it_is_ours() {
    let builtin = builtin();
    let surplus = prepared(&builtin);
    let id = Id::new(Kind::Constraint(TEMPLATE.kind), "of-an-older-release");
    let [ours, theirs] = [live(&surplus), foreign(&surplus)].map(Arc::new);
    let delete = Action::Delete { id: id.clone(), live: Arc::clone(&ours) };
    for (live, expected) in [(&ours, vec![delete]), (&theirs, vec![])] {
        let snapshot = StandardSnapshot { id: id.clone(), ..snapshot(&builtin, unremembered(Some(live))) };
        assert_eq!(decide(&snapshot, &builtin), plan(expected));
    }
}

#[test]
fn what_is_said_of_a_constraint() {
    let builtin = builtin();
    let desired = prepared(&builtin);
    let seen = |live: Live| snapshot(&builtin, unremembered(Some(&Arc::new(live))));
    let absent = snapshot(&builtin, unremembered(None));
    let waiting = || Judgement::no(Reason::WaitingForGatekeeper, "the constraint is not there yet");
    let deny = "D8PodSecurityStandard d8-pod-security-baseline-deny";
    let state = |applied, enforced| State { applied, enforced };
    for (snapshot, expected) in [
        (
            seen(taken_in(&desired)),
            state(true, Judgement::yes(Reason::Enforced, format!("enforced by {PROCESS}"))),
        ),
        (
            seen(live(&desired)),
            state(
                true,
                Judgement::no(
                    Reason::NotEnforcedBy,
                    format!(
                        "{PROCESS} has not reported on the constraint; if this lasts, look at the log of that Pod"
                    ),
                ),
            ),
        ),
        (absent.clone(), state(false, waiting())),
        (StandardSnapshot { template: None, ..absent.clone() }, state(false, waiting())),
        (StandardSnapshot { id: Id::new(absent.id.kind, "other"), ..absent }, state(false, waiting())),
        (
            seen(edited(&desired)),
            state(
                false,
                Judgement::no(Reason::NotApplied, "the constraint is not as it should be; the log tells why"),
            ),
        ),
        (
            seen(foreign(&desired)),
            state(
                false,
                Judgement::no(
                    Reason::Conflict,
                    format!(
                        "{deny} exists and is not ours (it has no label gatewright.io/owner with our value); delete \
                         or rename it"
                    ),
                ),
            ),
        ),
        (
            seen(held(&desired)),
            state(
                false,
                Judgement::no(
                    Reason::BeingDeleted,
                    format!(
                        "{deny} is being deleted and held by finalizers of others (example.com/hold): it is made \
                         anew as soon as they let go"
                    ),
                ),
            ),
        ),
    ] {
        assert_eq!(judge(&snapshot, &builtin, &gatekeeper()), expected);
    }
    let nobody = Gatekeeper { processes: None, ..gatekeeper() };
    let found = judge(&seen(taken_in(&desired)), &builtin, &nobody);
    assert!(found.applied && found.enforced.reason == Reason::NoGatekeeperProcess, "{found:?}");
}
