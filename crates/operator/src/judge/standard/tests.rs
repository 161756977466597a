use super::{State, decide, judge};
use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::fixtures::{
    PROCESS, Row, builtin, check, edited, foreign, gatekeeper, held, live, remembered, silent, taken_in,
    template, unremembered, update,
};
use crate::judge::plan::Action;
use crate::watch::desired::{Prepared, Write};
use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::observe::{Gatekeeper, StandardSnapshot};
use gatewright_api::Reason;
use gatewright_rules::Template;
use std::sync::Arc;

const TEMPLATE: Template = Template::PodSecurityStandard;
const NAME: &str = "d8-pod-security-baseline-deny";

fn prepared(builtin: &Builtin) -> Arc<Prepared> {
    Arc::clone(&builtin.standard(NAME).unwrap().prepared)
}

fn snapshot(builtin: &Builtin, constraint: Observed) -> StandardSnapshot {
    StandardSnapshot {
        id: Id::new(Kind::Constraint(TEMPLATE), NAME),
        served: true,
        template: Some(template(builtin, TEMPLATE)),
        constraint,
    }
}

pub(crate) fn rows() -> Vec<Row> {
    [wanted(), surplus(), said()].into_iter().flatten().collect()
}

#[test]
fn the_standards_constraints() {
    check(rows());
}

/// A constraint comes once its kind is ours.
fn wanted() -> Vec<Row> {
    let builtin = builtin();
    let desired = prepared(builtin);
    let create = |repair| Action::Apply { prepared: Arc::clone(&desired), write: Write::Create, repair };
    let there = snapshot(builtin, unremembered(None));
    let foreign_template = Arc::new(foreign(builtin.template(TEMPLATE)));
    let edited = Arc::new(edited(&desired));
    let good = Arc::new(live(&desired));
    [
        ("absent", there.clone(), vec![create(false)]),
        ("deleted", snapshot(builtin, remembered(&desired, None)), vec![create(true)]),
        (
            "edited",
            snapshot(builtin, remembered(&desired, Some(&edited))),
            vec![Action::Apply { prepared: Arc::clone(&desired), write: update(&edited), repair: true }],
        ),
        ("as it should be", snapshot(builtin, remembered(&desired, Some(&good))), vec![]),
        ("not served", StandardSnapshot { served: false, ..there.clone() }, vec![]),
        ("no template", StandardSnapshot { template: None, ..there.clone() }, vec![]),
        ("a foreign template", StandardSnapshot { template: Some(foreign_template), ..there }, vec![]),
    ]
    .map(|(what, snapshot, expected)| Row::new(what, decide(&snapshot, builtin), silent(expected)))
    .into()
}

/// A constraint of another name goes if it is ours.
fn surplus() -> Vec<Row> {
    let builtin = builtin();
    let surplus = prepared(builtin);
    let id = Id::new(Kind::Constraint(TEMPLATE), "of-an-older-release");
    let [ours, theirs] = [live(&surplus), foreign(&surplus)].map(Arc::new);
    let delete = Action::Delete { id: id.clone(), live: Arc::clone(&ours) };
    let row = |what, live, expected| {
        let snapshot = StandardSnapshot { id: id.clone(), ..snapshot(builtin, unremembered(Some(live))) };
        Row::new(what, decide(&snapshot, builtin), silent(expected))
    };
    vec![row("ours", &ours, vec![delete]), row("theirs", &theirs, vec![])]
}

/// What is said of a constraint.
fn said() -> Vec<Row> {
    let builtin = builtin();
    let desired = prepared(builtin);
    let seen = |live: Live| snapshot(builtin, unremembered(Some(&Arc::new(live))));
    let absent = snapshot(builtin, unremembered(None));
    let waiting = || Judgement::no(Reason::WaitingForGatekeeper, "the constraint is not there yet");
    let deny = "D8PodSecurityStandard d8-pod-security-baseline-deny";
    let state = |applied, enforced| State { applied, enforced };
    let row = |(snapshot, State { applied, enforced }): (StandardSnapshot, State)| {
        let found = judge(&snapshot, builtin, &gatekeeper());
        assert_eq!(found.applied, applied, "{found:?}");
        Row::new("what is said", found.enforced, enforced)
    };
    [
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
    ]
    .map(row)
    .into()
}

#[test]
fn who_must_enforce_may_be_unknown() {
    let builtin = builtin();
    let desired = prepared(builtin);
    let seen = |live: Live| snapshot(builtin, unremembered(Some(&Arc::new(live))));
    let nobody = Gatekeeper { processes: None, ..gatekeeper() };
    let found = judge(&seen(taken_in(&desired)), builtin, &nobody);
    assert!(found.applied && found.enforced.reason == Reason::NoGatekeeperProcess, "{found:?}");
}
