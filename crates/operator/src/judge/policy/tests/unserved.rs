//! Policies that name kinds that the API server does not serve.

use super::{as_applied, compiles, enforced, good, plan, prepared, snapshot};
use crate::judge::conditions::{Judgement, find};
use crate::judge::draft::Draft;
use crate::judge::fixtures::{PROCESS, Row, builtin, check, remembered, taken_in};
use crate::judge::plan::{LOOK_AGAIN, Next, Plan, Status};
use crate::judge::policy::decide;
use gatewright_api::{ConditionType, Reason};
use gatewright_compiler::NamedKind;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use std::sync::Arc;

const FIELD: &str = "spec.policies.requiredLabels.watchKinds";

fn named(i: usize, group: &str, kind: &str) -> NamedKind {
    NamedKind { field: format!("{FIELD}[{i}]"), group: group.to_owned(), kind: kind.to_owned() }
}

fn sentence(kinds: &str) -> String {
    format!(
        "the API server does not serve {kinds}: check the spelling, or install the CRD; no object of such a kind can be \
         judged"
    )
}

/// The plan, if what is said of the policy is this beside what is said of every good one.
fn expected(unserved: &[NamedKind], says: &str) -> (Plan, Plan) {
    let builtin = builtin();
    let desired = prepared(&good(), builtin);
    let live = Arc::new(taken_in(&desired));
    let mut snapshot = snapshot(Some(good()), remembered(&desired, Some(&live)), builtin);
    snapshot.unserved = unserved.to_vec();
    let valid = Judgement::yes(Reason::Compiled, format!("{}; {says}", compiles().message));
    let mut plan = plan(&good(), vec![], valid, as_applied(&desired, &live, enforced()));
    plan.next = Next::After(LOOK_AGAIN);
    if let Status::Policy(draft) = &mut plan.status {
        draft.facts.unknown_kinds = Some(says.to_owned());
    }
    (decide(&snapshot, builtin), plan)
}

pub(crate) fn rows() -> Vec<Row> {
    let typo = named(1, "apps", "Deploymnet");
    let both = [typo.clone(), named(2, "", "Pods")];
    let one_says = sentence(&format!("apps/Deploymnet ({FIELD}[1])"));
    let both_say = sentence(&format!("apps/Deploymnet ({FIELD}[1]), /Pods ({FIELD}[2])"));
    let row = |what: &str, (found, expected): (Plan, Plan)| Row::new(what, found, expected);
    vec![
        row("one kind is not served", expected(&[typo], &one_says)),
        row("two are not", expected(&both, &both_say)),
        ready_row(&both_say),
    ]
}

/// The status differs from that of every good policy in the condition `Ready` alone.
fn ready_row(says: &str) -> Row {
    let draft = drafted(says);
    let mut good = draft.clone();
    good.facts.unknown_kinds = None;
    let mut expected = status(&good);
    let ready = expected.conditions.iter_mut().find(|condition| condition.type_ == "Ready").unwrap();
    ready.reason = Reason::UnknownKind.as_str().to_owned();
    ready.message = format!("{says}; enforced by {PROCESS}");
    Row::new("it is ready all the same", Some(status(&draft)), Some(expected))
}

/// What is to be said of a policy that names a kind that is not served.
fn drafted(says: &str) -> Draft {
    match expected(&[named(0, "", "x")], says).1.status {
        Status::Policy(draft) => *draft,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_kind_that_is_not_served_is_named_and_looked_for_again() {
    check(rows());
}

fn status(draft: &Draft) -> gatewright_api::PolicyStatus {
    draft.status(&Time(Timestamp::UNIX_EPOCH)).unwrap()
}

#[test]
fn the_policy_is_ready_and_says_why_it_may_do_nothing() {
    let says = sentence("x");
    let mut draft = drafted(&says);
    let ready = |draft: &Draft| {
        let status = status(draft);
        let ready = find(Some(&status), ConditionType::Ready).unwrap().clone();
        (ready.status, ready.reason, ready.message)
    };
    let expected = ("True".to_owned(), "UnknownKind".to_owned(), format!("{says}; enforced by {PROCESS}"));
    assert_eq!(ready(&draft), expected);
    // It goes before that no namespace is reached, and what fails goes before it.
    draft.facts.namespaces = Some(0);
    assert_eq!(ready(&draft), expected);
    draft.valid = Judgement::no(Reason::Invalid, "no");
    assert_eq!(ready(&draft).1, "Invalid");
}
