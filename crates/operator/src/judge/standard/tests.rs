use super::{State, decide, judge};
use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::fixtures::{
    PROCESS, Row, builtin, check, edited, foreign, gatekeeper, held, live, release, remembered, silent,
    taken_in, template, unremembered, update,
};
use crate::judge::ownership::owned;
use crate::judge::plan::Action;
use crate::watch::desired::{Prepared, Write};
use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::observe::{Gatekeeper, StandardSnapshot};
use gatewright_api::Reason;
use gatewright_compiler::{OnUninstall, Settings};
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
        release: Some(release()),
    }
}

pub(crate) fn rows() -> Vec<Row> {
    [wanted(), surplus(), said()].into_iter().flatten().collect()
}

#[test]
fn a_constraint_comes_once_its_kind_is_ours() {
    check(wanted());
}

#[test]
fn a_constraint_of_another_name_goes_if_it_is_ours() {
    check(surplus());
}

#[test]
fn what_is_said_of_a_constraint() {
    check(said());
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

#[test]
fn the_role_owns_it_only_where_it_is_to_go_with_the_release() {
    let removing = Builtin::new(Settings { on_uninstall: OnUninstall::Remove, ..Settings::default() });
    let of_role = owned(&prepared(&removing), vec![release()]);
    let there = snapshot(&removing, unremembered(None));
    let create = |of: &Arc<Prepared>| {
        silent(vec![Action::Apply { prepared: Arc::clone(of), write: Write::Create, repair: false }])
    };
    assert_eq!(decide(&there, &removing), create(&of_role));
    let without = StandardSnapshot { release: None, ..there.clone() };
    assert_eq!(decide(&without, &removing), create(&prepared(&removing)));
    // What was made so counts as applied.
    let live = StandardSnapshot { constraint: unremembered(Some(&Arc::new(taken_in(&of_role)))), ..there };
    assert!(judge(&live, &removing, &gatekeeper()).applied);
    assert!(!judge(&live, builtin(), &gatekeeper()).applied);
}

/// What is said of a constraint, and whether it counts as applied.
fn said() -> Vec<Row> {
    [said_of_ours(), said_of_what_is_in_the_way()].into_iter().flatten().map(row).collect()
}

fn row((snapshot, State { applied, enforced }): (StandardSnapshot, State)) -> Row {
    let found = judge(&snapshot, builtin(), &gatekeeper());
    assert_eq!(found.applied, applied, "{found:?}");
    Row::new("what is said", found.enforced, enforced)
}

fn seen(live: Live) -> StandardSnapshot {
    snapshot(builtin(), unremembered(Some(&Arc::new(live))))
}

fn said_of_ours() -> Vec<(StandardSnapshot, State)> {
    let desired = prepared(builtin());
    let absent = snapshot(builtin(), unremembered(None));
    let state = |applied, enforced| State { applied, enforced };
    let enforced = Judgement::yes(Reason::Enforced, format!("enforced by {PROCESS}"));
    let lags =
        format!("{PROCESS} has not reported on the constraint; if this lasts, look at the log of that Pod");
    let waiting =
        || state(false, Judgement::no(Reason::WaitingForGatekeeper, "the constraint is not there yet"));
    vec![
        (seen(taken_in(&desired)), state(true, enforced)),
        (seen(live(&desired)), state(true, Judgement::no(Reason::NotEnforcedBy, lags))),
        (absent.clone(), waiting()),
        (StandardSnapshot { template: None, ..absent.clone() }, waiting()),
        (StandardSnapshot { id: Id::new(absent.id.kind, "other"), ..absent }, waiting()),
    ]
}

fn said_of_what_is_in_the_way() -> Vec<(StandardSnapshot, State)> {
    let desired = prepared(builtin());
    let not_applied = |reason, message: &str| State {
        applied: false,
        enforced: Judgement::no(
            reason,
            message.replace("NAME", "D8PodSecurityStandard d8-pod-security-baseline-deny"),
        ),
    };
    vec![
        (
            seen(edited(&desired)),
            not_applied(Reason::NotApplied, "the constraint is not as it should be; the log says why"),
        ),
        (
            seen(foreign(&desired)),
            not_applied(
                Reason::Conflict,
                "NAME exists and is not ours (it has no label gatewright.io/owner with our value); delete or rename it",
            ),
        ),
        (
            seen(held(&desired)),
            not_applied(
                Reason::BeingDeleted,
                "NAME is being deleted and held by finalizers of others (example.com/hold): it is made anew as soon as \
                 they let go",
            ),
        ),
    ]
}

#[test]
fn who_must_enforce_may_be_unknown() {
    let builtin = builtin();
    let desired = prepared(builtin);
    let nobody = Gatekeeper { processes: None, ..gatekeeper() };
    let found = judge(&seen(taken_in(&desired)), builtin, &nobody);
    assert!(found.applied && found.enforced.reason == Reason::NoGatekeeperProcess, "{found:?}");
}
