use super::{decide, is_wanted, prepared};
use crate::judge::builtin::Builtin;
use crate::judge::fixtures::{
    Row, builtin, check, edited, foreign, held, live, release, remembered, silent, taken_in, template,
    unremembered, update,
};
use crate::judge::ownership::owned;
use crate::judge::plan::{Action, Next, Plan};
use crate::watch::desired::{Prepared, Write};
use crate::watch::last_applied::Observed;
use crate::watch::observe::GuardSnapshot;
use crate::watch::observe::guard::{constraint, sync_set};
use gatewright_compiler::{EXEC_GUARD, GuardMode};
use gatewright_rules::Template;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn rows() -> Vec<Row> {
    [installed(), unready(), taken_away()].into_iter().flatten().collect()
}

#[test]
fn first_comes_the_inventory_then_the_guard() {
    check(installed());
}

#[test]
fn what_keeps_the_guard_from_standing_is_said() {
    check(unready());
}

#[test]
fn first_goes_the_guard_then_the_inventory() {
    check(taken_away());
}

/// The constraint of the guard as it should be.
fn guard_of(snapshot: &GuardSnapshot, builtin: &Builtin) -> Arc<Prepared> {
    prepared(&snapshot.unsynced, snapshot.release.as_ref(), builtin)
}

/// All that the guard needs is there, and nothing of it.
pub(crate) fn snapshot(builtin: &Builtin) -> GuardSnapshot {
    GuardSnapshot {
        pods: Some(true),
        template: Some(template(builtin, Template::DenyExecHeritage)),
        constraints_served: true,
        constraint: Observed::default(),
        others: vec![],
        sync_sets_served: true,
        sync_set: Observed::default(),
        unsynced: vec![],
        release: None,
    }
}

/// The guard stands, as it was left.
pub(crate) fn standing(builtin: &Builtin) -> GuardSnapshot {
    let empty = snapshot(builtin);
    let guard = guard_of(&empty, builtin);
    let sync_set = &builtin.sync_set;
    GuardSnapshot {
        constraint: remembered(&guard, Some(&Arc::new(taken_in(&guard)))),
        sync_set: remembered(sync_set, Some(&Arc::new(live(sync_set)))),
        ..empty
    }
}

fn apply(prepared: &Arc<Prepared>, write: Write, repair: bool) -> Action {
    Action::Apply { prepared: Arc::clone(prepared), write, repair }
}

/// A plan, and what is said to keep the guard from standing.
fn row(what: &str, snapshot: &GuardSnapshot, wanted: bool, expected: Plan, problem: Option<&str>) -> Row {
    let mut plan = Plan::default();
    let found = decide(snapshot, builtin(), wanted, &mut plan);
    assert_eq!(found.as_deref(), problem, "{what}");
    Row::new(what, plan, expected)
}

fn installed() -> Vec<Row> {
    let builtin = builtin();
    let [empty, good] = [snapshot(builtin), standing(builtin)];
    let (guard, inventory) = (guard_of(&empty, builtin), &builtin.sync_set);
    let without_guard = GuardSnapshot { constraint: Observed::default(), ..good.clone() };
    let [bad, bad_inventory] = [edited(&guard), edited(inventory)].map(Arc::new);
    let edited_guard = GuardSnapshot { constraint: remembered(&guard, Some(&bad)), ..good.clone() };
    let edited_inventory =
        GuardSnapshot { sync_set: remembered(inventory, Some(&bad_inventory)), ..good.clone() };
    let row = |what, snapshot: &GuardSnapshot, actions| row(what, snapshot, true, silent(actions), None);
    let unsynced = GuardSnapshot { unsynced: vec!["legacy-*".to_owned()], ..good.clone() };
    let changed = guard_of(&unsynced, builtin);
    let live = good.constraint.live.as_ref();
    let difference = match changed.compare(live) {
        crate::watch::desired::Found::Differs(write) => write,
        other => panic!("{other:?}"),
    };
    vec![
        row("nothing is there: first the inventory", &empty, vec![apply(inventory, Write::Create, false)]),
        row(
            "the inventory is there: then the guard",
            &without_guard,
            vec![apply(&guard, Write::Create, false)],
        ),
        row("it stands", &good, vec![]),
        row("the guard was edited", &edited_guard, vec![apply(&guard, update(&bad), true)]),
        row(
            "the inventory was edited",
            &edited_inventory,
            vec![apply(inventory, update(&bad_inventory), true)],
        ),
        row(
            "Gatekeeper leaves namespaces out of the inventory",
            &unsynced,
            vec![apply(&changed, difference, false)],
        ),
        row("another constraint of the kind goes", &with_other(&good, &guard), vec![delete_other(&guard)]),
    ]
}

/// There is another constraint of ours.
fn with_other(snapshot: &GuardSnapshot, guard: &Prepared) -> GuardSnapshot {
    let other = unremembered(Some(&Arc::new(live(guard))));
    GuardSnapshot { others: vec![(constraint("older"), other)], ..snapshot.clone() }
}

fn delete_other(guard: &Prepared) -> Action {
    Action::Delete { id: constraint("older"), live: Arc::new(live(guard)) }
}

fn unready() -> Vec<Row> {
    let builtin = builtin();
    let [empty, good] = [snapshot(builtin), standing(builtin)];
    let guard = guard_of(&empty, builtin);
    let theirs = |prepared: &Prepared| unremembered(Some(&Arc::new(foreign(prepared))));
    let foreign_template = Arc::new(foreign(builtin.template(Template::DenyExecHeritage)));
    let not_made = "Gatekeeper has not made the kind D8DenyExecHeritage from our template";
    let row =
        |what, snapshot: GuardSnapshot, problem| row(what, &snapshot, true, silent(vec![]), Some(problem));
    vec![
        row(
            "no inventory",
            GuardSnapshot { sync_sets_served: false, ..empty.clone() },
            "Gatekeeper serves no SyncSets, or not to the operator, so the labels of Pods cannot be known",
        ),
        row("no kind", GuardSnapshot { constraints_served: false, ..empty.clone() }, not_made),
        row("no template", GuardSnapshot { template: None, ..empty.clone() }, not_made),
        row(
            "a foreign template",
            GuardSnapshot { template: Some(foreign_template), ..empty.clone() },
            not_made,
        ),
        row(
            "a foreign inventory",
            GuardSnapshot { sync_set: theirs(&builtin.sync_set), ..empty },
            "SyncSet gatewright-pods exists and is not ours (it has no label gatewright.io/owner with our value); delete \
             or rename it",
        ),
        row(
            "a foreign constraint",
            GuardSnapshot { constraint: theirs(&guard), ..good },
            "D8DenyExecHeritage deny-exec-heritage-pods exists and is not ours (it has no label gatewright.io/owner \
             with our value); delete or rename it",
        ),
    ]
}

fn taken_away() -> Vec<Row> {
    let builtin = builtin();
    let [empty, good] = [snapshot(builtin), standing(builtin)];
    let guard = guard_of(&empty, builtin);
    let delete = |id, seen: &Observed| Action::Delete { id, live: seen.live.clone().unwrap() };
    let inventory_alone = GuardSnapshot { constraint: Observed::default(), ..good.clone() };
    let going = GuardSnapshot { constraint: unremembered(Some(&Arc::new(held(&guard)))), ..good.clone() };
    let theirs = GuardSnapshot { constraint: unremembered(Some(&Arc::new(foreign(&guard)))), ..good.clone() };
    let lag = Duration::from_millis(3);
    let deleted =
        GuardSnapshot { constraint: Observed { lag: Some(lag), ..good.constraint.clone() }, ..good.clone() };
    let row = |what, snapshot: &GuardSnapshot, actions| row(what, snapshot, false, silent(actions), None);
    vec![
        row("nothing is there", &empty, vec![]),
        row("first the guard goes", &good, vec![delete(constraint(EXEC_GUARD), &good.constraint)]),
        row("then the inventory", &inventory_alone, vec![delete(sync_set(), &good.sync_set)]),
        row("others hold the guard", &going, vec![]),
        row("another's constraint does not count", &theirs, vec![delete(sync_set(), &good.sync_set)]),
        row(
            "another constraint of ours looks at the inventory",
            &with_other(&inventory_alone, &guard),
            vec![delete_other(&guard)],
        ),
        self::row(
            "the guard was just deleted",
            &deleted,
            false,
            Plan { next: Next::After(lag), ..Plan::default() },
            None,
        ),
    ]
}

#[test]
fn when_the_guard_is_wanted() {
    let builtin = builtin();
    let [empty, good] = [snapshot(builtin), standing(builtin)];
    let with = |snapshot: &GuardSnapshot, pods| GuardSnapshot { pods, ..snapshot.clone() };
    let theirs = unremembered(Some(&Arc::new(foreign(&guard_of(&empty, builtin)))));
    let theirs = GuardSnapshot { pods: None, constraint: theirs, ..empty.clone() };
    for (mode, snapshot, wanted) in [
        (GuardMode::Always, with(&empty, Some(false)), true),
        (GuardMode::Off, with(&good, Some(true)), false),
        (GuardMode::Auto, with(&empty, Some(true)), true),
        (GuardMode::Auto, with(&good, Some(false)), false),
        // Where Pods cannot be seen, it stays as it is.
        (GuardMode::Auto, with(&good, None), true),
        (GuardMode::Auto, with(&empty, None), false),
        (GuardMode::Auto, theirs, false),
    ] {
        assert_eq!(is_wanted(&snapshot, mode), wanted, "{mode:?} {:?}", snapshot.pods);
    }
}

#[test]
fn the_role_owns_the_inventory_and_the_guard() {
    let builtin = builtin();
    let with = GuardSnapshot { release: Some(release()), ..snapshot(builtin) };
    let plan_of = |snapshot: &GuardSnapshot| {
        let mut plan = Plan::default();
        assert_eq!(decide(snapshot, builtin, true, &mut plan), None);
        plan.actions
    };
    let inventory = owned(&builtin.sync_set, vec![release()]);
    let create = |prepared: &Arc<Prepared>| {
        vec![Action::Apply { prepared: Arc::clone(prepared), write: Write::Create, repair: false }]
    };
    assert_eq!(plan_of(&with), create(&inventory));
    let sync_set = remembered(&inventory, Some(&Arc::new(live(&inventory))));
    let guard = guard_of(&with, builtin);
    assert_eq!(guard.owners, [release()]);
    assert_eq!(plan_of(&GuardSnapshot { sync_set, ..with }), create(&guard));
}
