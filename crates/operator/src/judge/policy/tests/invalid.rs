//! Policies that do not compile: what their last valid generation left is kept.

use super::{
    KIND, NAME, UID, as_applied, enforced, good, not_applied, plan, policy, prepared, snapshot,
    with_facts_of, with_rules,
};
use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::draft::Outcome;
use crate::judge::fixtures::{
    Row, builtin, check, edited, foreign, remembered, taken_in, unremembered, update,
};
use crate::judge::plan::{Action, Plan};
use crate::judge::policy::decide;
use crate::watch::desired::{Prepared, Write};
use crate::watch::kind::Id;
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use gatewright_api::{Guarded, PolicyStatus, Reason, SecurityPolicy};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

const NULL: &str = "spec.policies.allowPrivileged: null says neither \"nothing\" nor \"not checked\"; write a value ([] \
                    for an empty list) or remove the field";

pub(crate) fn rows() -> Vec<Row> {
    [running(), restarted(), never_valid(), otherwise_invalid()].into_iter().flatten().collect()
}

#[test]
fn the_last_good_constraint_is_kept_and_repaired() {
    check(running());
}

#[test]
fn after_a_restart_a_digest_proves_the_last_good_constraint() {
    check(restarted());
}

#[test]
fn a_policy_that_never_was_valid_has_nothing() {
    check(never_valid());
}

#[test]
fn a_policy_may_not_parse_or_have_no_rule_yet() {
    check(otherwise_invalid());
}

/// The second generation of a policy is not valid, and the first was applied.
struct Scene {
    builtin: &'static Builtin,
    /// What the first generation compiled to.
    last_good: Arc<Prepared>,
    policy: Guarded<SecurityPolicy>,
}

impl Scene {
    fn new() -> Self {
        let builtin = builtin();
        let last_good = prepared(&good(), builtin);
        let status = applied_status(&last_good);
        Self { policy: bad(Some(&status)), last_good, builtin }
    }

    fn row(&self, what: &str, constraint: Observed, actions: Vec<Action>, outcome: Outcome) -> Row {
        self.expect(what, constraint, plan(&self.policy, actions, invalid(), outcome))
    }

    fn expect(&self, what: &str, constraint: Observed, expected: Plan) -> Row {
        let snapshot = snapshot(Some(self.policy.clone()), constraint, self.builtin);
        Row::new(what, decide(&snapshot, self.builtin), expected)
    }

    fn repair(&self, write: Write) -> Vec<Action> {
        vec![Action::Apply { prepared: Arc::clone(&self.last_good), write, repair: true }]
    }
}

fn bad(status: Option<&PolicyStatus>) -> Guarded<SecurityPolicy> {
    policy(2, &json!({"allowPrivileged": null}), status)
}

fn invalid() -> Judgement {
    Judgement::no(Reason::Invalid, NULL)
}

/// What was said of the first generation.
fn applied_status(prepared: &Prepared) -> PolicyStatus {
    let now = Time(Timestamp::UNIX_EPOCH);
    let condition = Judgement::yes(Reason::Applied, "").condition("Applied", Some(1), None, &now);
    serde_json::from_value(json!({
        "conditions": [condition],
        "constraints": {"desired": 1, "applied": 1, "enforced": 1, "hash": prepared.hash()},
    }))
    .unwrap()
}

fn drifted(what: &str) -> Judgement {
    let message = format!(
        "the constraint {what} while no operator ran; fix what the condition Valid names, and it is made anew from the \
         policy"
    );
    Judgement::no(Reason::Drifted, message)
}

const CHANGED: &str = "is not what the last valid generation of the policy left: it was changed";
const DELETED: &str = "of the last valid generation of the policy was deleted";

/// The operator has applied the last valid generation itself.
fn running() -> Vec<Row> {
    let scene = Scene::new();
    let last_good = &scene.last_good;
    let [live, bad, theirs] = [taken_in(last_good), edited(last_good), foreign(last_good)].map(Arc::new);
    let conflict = Judgement::no(
        Reason::Conflict,
        "D8SecurityPolicy strict exists and is not ours (it has no label gatewright.io/owner with our value); delete or \
         rename it",
    );
    vec![
        scene.row(
            "kept",
            remembered(last_good, Some(&live)),
            vec![],
            as_applied(last_good, &live, enforced()),
        ),
        scene.row("edited", remembered(last_good, Some(&bad)), scene.repair(update(&bad)), Outcome::Unsaid),
        scene.row("deleted", remembered(last_good, None), scene.repair(Write::Create), Outcome::Unsaid),
        scene.row("taken by others", remembered(last_good, Some(&theirs)), vec![], not_applied(1, conflict)),
    ]
}

/// All that is left of what was applied is its digest.
fn restarted() -> Vec<Row> {
    let scene = Scene::new();
    let last_good = &scene.last_good;
    let [live, bad, theirs] = [taken_in(last_good), edited(last_good), foreign(last_good)].map(Arc::new);
    let remember = vec![Action::Remember(Arc::clone(last_good))];
    let drifts = |what: &str| not_applied(1, drifted(what));
    let unserved = snapshot(Some(scene.policy.clone()), unremembered(None), scene.builtin);
    let unserved = with_rules(unserved, |rules| rules.served = false);
    let waiting = Judgement::no(
        Reason::WaitingForGatekeeper,
        "Gatekeeper has not made the kind D8SecurityPolicy from our template; a process with the operation generate does \
         that",
    );
    vec![
        scene.row("proven", unremembered(Some(&live)), remember, as_applied(last_good, &live, enforced())),
        scene.expect(
            "edited meanwhile",
            unremembered(Some(&bad)),
            with_facts_of(&bad, plan(&scene.policy, vec![], invalid(), drifts(CHANGED))),
        ),
        scene.row("deleted meanwhile", unremembered(None), vec![], drifts(DELETED)),
        scene.row("taken by others meanwhile", unremembered(Some(&theirs)), vec![], drifts(CHANGED)),
        Row::new(
            "that it is not there proves nothing",
            decide(&unserved, scene.builtin),
            plan(&scene.policy, vec![], invalid(), not_applied(1, waiting)),
        ),
    ]
}

/// Nothing was ever said to be applied.
fn never_valid() -> Vec<Row> {
    let scene = Scene { policy: bad(None), ..Scene::new() };
    let nothing = Judgement::no(
        Reason::NotApplied,
        "nothing is applied: the policy is not valid; fix what the condition Valid names",
    );
    let nothing = Outcome::NotApplied { why: nothing, generation: 2, desired: 0 };
    let live = Arc::new(taken_in(&scene.last_good));
    let (other_owner, other_label) = (other_owner(&live), other_policys(&scene.last_good));
    let (labelled, labelled_otherwise) = (owned_by_the_release(&live, UID), owned_by_the_release(&live, "1"));
    let with_facts = |live, outcome| with_facts_of(live, plan(&scene.policy, vec![], invalid(), outcome));
    vec![
        scene.row("never valid", unremembered(None), vec![], nothing.clone()),
        scene.expect(
            "a constraint that nothing was said of",
            unremembered(Some(&live)),
            with_facts(&live, not_applied(2, drifted(CHANGED))),
        ),
        scene.expect(
            "a constraint of another policy of this name",
            unremembered(Some(&other_owner)),
            with_facts(&other_owner, nothing.clone()),
        ),
        scene.expect(
            "a constraint that the release owns, with the policy's label",
            unremembered(Some(&labelled)),
            with_facts(&labelled, not_applied(2, drifted(CHANGED))),
        ),
        scene.expect(
            "a constraint that the release owns, with another policy's label",
            unremembered(Some(&labelled_otherwise)),
            with_facts(&labelled_otherwise, nothing.clone()),
        ),
        scene.row(
            "remembered of another policy of this name",
            remembered(&other_label, None),
            vec![],
            nothing,
        ),
    ]
}

fn other_owner(live: &Arc<Live>) -> Arc<Live> {
    let mut other = Live::clone(live);
    other.owners[0].uid = UID.replace('0', "1");
    Arc::new(other)
}

/// Whose policy it was says the label alone.
fn owned_by_the_release(live: &Arc<Live>, uid: &str) -> Arc<Live> {
    let mut owned = Live::clone(live);
    owned.owners.clear();
    owned.labels.insert("gatewright.io/owner".to_owned(), uid.to_owned());
    Arc::new(owned)
}

fn other_policys(prepared: &Arc<Prepared>) -> Arc<Prepared> {
    let mut other = Prepared::clone(prepared);
    other.labels.insert("gatewright.io/owner".to_owned(), UID.replace('0', "1"));
    Arc::new(other)
}

/// Other ways not to be valid.
fn otherwise_invalid() -> Vec<Row> {
    let row = |what, rules: &Value, reason, message: &str| {
        let scene = Scene { policy: policy(2, rules, None), ..Scene::new() };
        let why = "nothing is applied: the policy is not valid; fix what the condition Valid names";
        let why = Judgement::no(Reason::NotApplied, why);
        let outcome = Outcome::NotApplied { why, generation: 2, desired: 0 };
        let expected = plan(&scene.policy, vec![], Judgement::no(reason, message), outcome);
        scene.expect(what, unremembered(None), expected)
    };
    let signatures =
        json!({"verifyImageSignatures": [{"reference": "*", "publicKeys": ["-----BEGIN PUBLIC KEY-----"]}]});
    let key = "spec.policies.verifyImageSignatures[0].publicKeys[0]: the PEM block cannot be read: it may be cut off or its \
               line breaks may be lost";
    let newer = format!(
        "spec.policies.allowTimeTravel is a field that this version of gatewright ({}) does not know, because the installed \
         CRD is newer: update the operator, or remove the field",
        env!("CARGO_PKG_VERSION")
    );
    let wrong = "spec.policies.allowPrivileged: is a string; it must be a boolean";
    vec![
        row("it does not parse", &json!({"allowPrivileged": "no"}), Reason::Invalid, wrong),
        row("its CRD is newer", &json!({"allowTimeTravel": false}), Reason::Unsupported, &newer),
        row("a key cannot be read", &signatures, Reason::Invalid, key),
    ]
}

#[test]
fn the_last_good_state_is_that_of_the_policy_alone() {
    let scene = Scene::new();
    assert_eq!(scene.last_good.id, Id::new(KIND, NAME));
    assert_eq!(scene.last_good.labels["gatewright.io/owner"], UID);
}
