//! What else of the cluster counts: who owns the constraint, how old the CRD is, and how old Gatekeeper is.

use super::{
    SOON, as_applied, compiles, enforced, good, not_applied, plan, policy, prepared, snapshot, with_rules,
};
use crate::judge::age::tests::tagged;
use crate::judge::age::{held, too_old};
use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::draft::Outcome;
use crate::judge::fixtures::{Row, builtin, check, edited, release, remembered, taken_in, unremembered};
use crate::judge::ownership::owned;
use crate::judge::plan::{Action, Plan};
use crate::judge::policy::decide;
use crate::judge::skew::outdated;
use crate::watch::desired::{Difference, Prepared, Write};
use crate::watch::last_applied::Observed;
use crate::watch::observe::PolicySnapshot;
use gatewright_api::{Reason, SecurityPolicy};
use gatewright_compiler::{OnUninstall, Settings};
use std::sync::Arc;

pub(crate) fn rows() -> Vec<Row> {
    [owners(), skew(), age()].into_iter().flatten().collect()
}

#[test]
fn the_settings_and_the_cluster_role_decide_who_owns_a_constraint() {
    check(owners());
}

#[test]
fn an_older_crd_keeps_policies_from_being_compiled() {
    check(skew());
}

#[test]
fn nothing_is_written_for_a_gatekeeper_that_is_too_old() {
    check(age());
}

fn remove() -> Builtin {
    Builtin::new(Settings { on_uninstall: OnUninstall::Remove, ..Settings::default() })
}

fn apply(prepared: &Arc<Prepared>, write: Write) -> Vec<Action> {
    vec![Action::Apply { prepared: Arc::clone(prepared), write, repair: false }]
}

fn owners() -> Vec<Row> {
    let (removing, good) = (remove(), good());
    let of_policy = prepared(&good, &removing);
    let of_role = owned(&of_policy, vec![release()]);
    let of_nobody = owned(&of_policy, vec![]);
    assert_eq!((of_policy.owners.len(), of_policy.owners[0].kind.as_str()), (1, "SecurityPolicy"));
    let row = |what, builtin: &Builtin, release: Option<_>, seen: Observed, expected: Plan| {
        let snapshot = PolicySnapshot { release, ..snapshot(Some(good.clone()), seen, builtin) };
        Row::new(what, decide(&snapshot, builtin), expected)
    };
    let writing = |actions| plan(&good, actions, compiles(), Outcome::Unsaid);
    let live = Arc::new(taken_in(&of_policy));
    let changed = |surplus| Write::Update {
        live: Arc::clone(&live),
        difference: Difference { fields: vec!["metadata.ownerReferences".to_owned()], surplus },
    };
    let absent = || unremembered(None);
    vec![
        row("Keep", builtin(), Some(release()), absent(), writing(apply(&of_policy, Write::Create))),
        row("Remove", &removing, Some(release()), absent(), writing(apply(&of_role, Write::Create))),
        row("Remove without a role", &removing, None, absent(), writing(apply(&of_nobody, Write::Create))),
        row(
            "from Keep to Remove",
            &removing,
            Some(release()),
            remembered(&of_policy, Some(&live)),
            writing(apply(&of_role, changed(true))),
        ),
    ]
}

/// The fields that an older CRD lacks.
fn lacking() -> Vec<String> {
    vec!["spec.policies.allowPrivileged".to_owned()]
}

fn skew() -> Vec<Row> {
    let (builtin, good) = (builtin(), good());
    let desired = prepared(&good, builtin);
    let valid = Judgement::no(Reason::CrdOutdated, outdated("SecurityPolicy", &lacking()));
    let row = |what, seen: Observed, actions, outcome| {
        let snapshot = PolicySnapshot { lacking: lacking(), ..snapshot(Some(good.clone()), seen, builtin) };
        Row::new(what, decide(&snapshot, builtin), plan(&good, actions, valid.clone(), outcome))
    };
    let why = "nothing is applied: the policy is not valid; fix what the condition Valid names";
    let nothing =
        Outcome::NotApplied { why: Judgement::no(Reason::NotApplied, why), generation: 1, desired: 0 };
    let live = Arc::new(taken_in(&desired));
    vec![
        row("nothing is made", unremembered(None), vec![], nothing),
        row(
            "what is there stays",
            remembered(&desired, Some(&live)),
            vec![],
            as_applied(&desired, &live, enforced()),
        ),
    ]
}

fn age() -> Vec<Row> {
    let (builtin, good) = (builtin(), good());
    let desired = prepared(&good, builtin);
    let old = tagged("v3.21.1");
    let why = too_old(&old).unwrap();
    let row = |what, snapshot: PolicySnapshot<SecurityPolicy>, expected| {
        let snapshot = PolicySnapshot { gatekeeper: old.clone(), ..snapshot };
        Row::new(what, held(decide(&snapshot, builtin), &old), expected)
    };
    let of = |seen: Observed| snapshot(Some(good.clone()), seen, builtin);
    let [live, edited] = [taken_in(&desired), edited(&desired)].map(Arc::new);
    let refused = |actions| plan(&good, actions, compiles(), not_applied(1, why.clone()));
    let waiting = with_rules(of(unremembered(None)), |rules| rules.template = None);
    let swept = PolicySnapshot { policy: None, signatures: None, ..of(unremembered(Some(&live))) };
    let empty = policy(1, &serde_json::json!({"allowPrivileged": true}), None);
    let cleared = snapshot(Some(empty.clone()), unremembered(Some(&live)), builtin);
    let lagging = Observed { lag: Some(SOON), ..unremembered(None) };
    let mut later = refused(vec![]);
    later.look_again(SOON);
    vec![
        row("it is not made", of(unremembered(None)), refused(vec![])),
        row("it is not repaired", of(remembered(&desired, Some(&edited))), refused(vec![])),
        row("its template was not made", waiting, refused(vec![])),
        row("it is being looked for", of(lagging), later),
        row("what a policy left behind stays", swept, Plan::default()),
        row(
            "what is no longer demanded stays",
            cleared,
            plan(&empty, vec![], compiles(), not_applied(1, why.clone())),
        ),
        row(
            "what is there is still judged",
            of(remembered(&desired, Some(&live))),
            plan(&good, vec![], compiles(), as_applied(&desired, &live, enforced())),
        ),
    ]
}
