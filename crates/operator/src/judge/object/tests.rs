use super::{Stage, bring, remove};
use crate::judge::fixtures::{applied, edited, foreign, held, live, remembered, unremembered, update};
use crate::judge::plan::{Action, Next, Plan};
use crate::watch::desired::{Prepared, Write};
use crate::watch::kind::Kind;
use crate::watch::last_applied::Observed;
use crate::watch::live::Obstacle;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn prepared(parameter: i32) -> Arc<Prepared> {
    let metadata = serde_json::from_value(json!({"name": "a", "labels": {"gatewright.io/owner": "builtin"}}));
    Arc::new(Prepared::new(Kind::SyncSet, &metadata.unwrap(), &json!({"spec": {"parameter": parameter}})))
}

fn plan(actions: Vec<Action>) -> Plan {
    Plan { actions, ..Plan::default() }
}

fn apply(prepared: &Arc<Prepared>, write: Write, repair: bool) -> Action {
    Action::Apply { prepared: Arc::clone(prepared), write, repair }
}

#[test]
fn what_brings_an_object_into_the_api() {
    let (desired, older) = (prepared(1), prepared(0));
    let [good, bad] = [live(&desired), edited(&desired)].map(Arc::new);
    let [theirs, going] = [foreign(&desired), held(&desired)].map(Arc::new);
    let blocked = Obstacle::BeingDeleted { finalizers: vec!["example.com/hold".to_owned()] };
    let lagging = Observed { lag: Some(Duration::from_millis(3)), ..remembered(&desired, None) };
    let wait = Plan { next: Next::After(Duration::from_millis(3)), ..Plan::default() };
    for (what, seen, stage, expected) in [
        (
            "is not there",
            unremembered(None),
            Stage::Writing,
            plan(vec![apply(&desired, Write::Create, false)]),
        ),
        (
            "was deleted",
            remembered(&desired, None),
            Stage::Writing,
            plan(vec![apply(&desired, Write::Create, true)]),
        ),
        (
            "was edited",
            remembered(&desired, Some(&bad)),
            Stage::Writing,
            plan(vec![apply(&desired, update(&bad), true)]),
        ),
        (
            "was edited, or is of another release",
            unremembered(Some(&bad)),
            Stage::Writing,
            plan(vec![apply(&desired, update(&bad), false)]),
        ),
        (
            "should now be otherwise",
            remembered(&older, Some(&bad)),
            Stage::Writing,
            plan(vec![apply(&desired, update(&bad), false)]),
        ),
        (
            "is as it was left",
            remembered(&desired, Some(&good)),
            Stage::Applied(applied(&desired, &good)),
            plan(vec![]),
        ),
        (
            "is as it should be, as we learn",
            unremembered(Some(&good)),
            Stage::Applied(applied(&desired, &good)),
            plan(vec![Action::Remember(Arc::clone(&desired))]),
        ),
        ("is somebody else's", unremembered(Some(&theirs)), Stage::Blocked(Obstacle::Foreign), plan(vec![])),
        ("is held", remembered(&desired, Some(&going)), Stage::Blocked(blocked), plan(vec![])),
        ("was just written", lagging, Stage::Writing, wait),
    ] {
        let mut found = Plan::default();
        assert_eq!((bring(&desired, &seen, &mut found), found), (stage, expected), "{what}");
    }
}

#[test]
fn what_takes_an_object_away() {
    let desired = prepared(1);
    let [good, theirs, going] = [live(&desired), foreign(&desired), held(&desired)].map(Arc::new);
    let delete = Action::Delete { id: desired.id.clone(), live: Arc::clone(&good) };
    let lagging = Observed { lag: Some(Duration::from_millis(3)), ..unremembered(Some(&good)) };
    for (what, seen, expected) in [
        ("is there", unremembered(Some(&good)), plan(vec![delete])),
        ("is not there", unremembered(None), plan(vec![])),
        ("is somebody else's", unremembered(Some(&theirs)), plan(vec![])),
        ("goes when others let go", unremembered(Some(&going)), plan(vec![])),
        (
            "was just deleted",
            lagging,
            Plan { next: Next::After(Duration::from_millis(3)), ..Plan::default() },
        ),
    ] {
        let mut found = Plan::default();
        remove(&desired.id, &seen, &mut found);
        assert_eq!(found, expected, "{what}");
    }
}
