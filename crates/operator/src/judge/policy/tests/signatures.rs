//! Policies with entries of image signatures: a second constraint, which goes with the release.

use super::{NAME, SOON, compiles, enforced, not_applied, plan, policy, prepared, snapshot, with_rules};
use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::draft::{Draft, Outcome};
use crate::judge::fixtures::{
    Row, builtin, check, edited, foreign, release, remembered, signing, silent, taken_in, template,
    unremembered, update,
};
use crate::judge::ownership::{of_release, owned};
use crate::judge::plan::{Action, Next, Plan, Status};
use crate::judge::policy::decide;
use crate::judge::verifier::tests::{good, saying};
use crate::watch::desired::{Prepared, Write};
use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::observe::{PolicySnapshot, VerifierView};
use gatewright_api::{Guarded, PolicyKind, PolicyStatus, Reason, SecurityPolicy};
use gatewright_rules::Template;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

const KEY: &str = include_str!("../../../../../signatures/tests/fixtures/keys/p256.pub");
const OF: Template = Template::VerifyImageSignatures;
const KIND: Kind = Kind::Constraint(OF);

pub(crate) fn rows() -> Vec<Row> {
    [switched_signing(), switched_off(), invalid(), gone()].into_iter().flatten().collect()
}

#[test]
fn entries_have_a_constraint_of_their_own() {
    check(switched_signing());
}

#[test]
fn switched_off_the_constraint_goes_and_the_policy_says_so() {
    check(switched_off());
}

#[test]
fn the_last_good_keys_are_kept() {
    check(invalid());
}

#[test]
fn both_constraints_go_with_the_policy() {
    check(gone());
}

fn entries() -> Value {
    json!([{"reference": "r.io/*", "publicKeys": [KEY], "requireDigest": true}])
}

fn with_entries(generation: i64, status: Option<&PolicyStatus>) -> Guarded<SecurityPolicy> {
    policy(generation, &json!({"allowPrivileged": false, "verifyImageSignatures": entries()}), status)
}

/// Rules and entries, neither of which can be compiled.
fn broken(status: Option<&PolicyStatus>) -> Guarded<SecurityPolicy> {
    policy(2, &json!({"allowPrivileged": null, "verifyImageSignatures": entries()}), status)
}

/// What the entries compile to, owned by the release.
fn of_entries(policy: &Guarded<SecurityPolicy>) -> Arc<Prepared> {
    let parsed = policy.parsed.as_ref().unwrap();
    let compiled = gatewright_compiler::compile(&**parsed, &signing().settings).unwrap();
    let constraint = compiled.signatures.unwrap().constraint;
    let prepared =
        Prepared::new(KIND, &constraint.metadata, &constraint).made_from(policy.metadata.generation);
    owned(&Arc::new(prepared), of_release(Some(&release())))
}

fn revision(prepared: &Prepared) -> String {
    prepared.content.value()["parameters"]["revision"].as_str().unwrap().to_owned()
}

/// The verifier is as it should be, and knows the policy in this revision.
fn knowing(revision: &str) -> VerifierView {
    saying(&good(signing()), |said| {
        for replica in said.replicas.values_mut() {
            replica.constraints = [(NAME.to_owned(), revision.to_owned())].into();
        }
    })
}

/// A policy with rules and entries. The constraint of its rules is there as it should be.
struct Scene {
    policy: Guarded<SecurityPolicy>,
    rules: Arc<Prepared>,
    live_rules: Arc<Live>,
    signatures: Arc<Prepared>,
}

impl Scene {
    fn new() -> Self {
        let policy = with_entries(1, None);
        let rules = prepared(&policy, signing());
        let live_rules = Arc::new(taken_in(&rules));
        Self { signatures: of_entries(&policy), policy, rules, live_rules }
    }

    fn snapshot(&self, constraint: Observed) -> PolicySnapshot<SecurityPolicy> {
        let rules = remembered(&self.rules, Some(&self.live_rules));
        let mut snapshot = snapshot(Some(self.policy.clone()), rules, signing());
        let signatures = snapshot.signatures.as_mut().unwrap();
        signatures.served = true;
        signatures.constraint = constraint;
        signatures.template = Some(template(signing(), OF));
        snapshot.verifier = knowing(&revision(&self.signatures));
        snapshot
    }

    fn rules_applied(&self) -> Outcome {
        super::as_applied(&self.rules, &self.live_rules, enforced())
    }

    fn signatures_applied(&self, live: &Arc<Live>) -> Outcome {
        super::as_applied(&self.signatures, live, enforced())
    }

    /// What is planned and said, where the rules are applied.
    fn plan(&self, actions: Vec<Action>, valid: Judgement, signatures: Outcome) -> Plan {
        said(&self.policy, actions, valid, self.rules_applied(), signatures)
    }

    fn row(&self, what: &str, constraint: Observed, actions: Vec<Action>, signatures: Outcome) -> Row {
        let found = decide(&self.snapshot(constraint), signing());
        Row::new(what, found, self.plan(actions, compiles(), signatures))
    }
}

fn said(
    policy: &Guarded<SecurityPolicy>,
    actions: Vec<Action>,
    valid: Judgement,
    rules: Outcome,
    signatures: Outcome,
) -> Plan {
    let mut plan = plan(policy, actions, valid, rules);
    if let Status::Policy(draft) = &mut plan.status {
        draft.signatures = signatures;
        if let Outcome::Applied { .. } = &draft.signatures {
            draft.facts.namespaces = Some(3);
        }
    }
    plan
}

fn switched_signing() -> Vec<Row> {
    let scene = Scene::new();
    let prepared = &scene.signatures;
    let [live, bad, theirs] = [taken_in(prepared), edited(prepared), foreign(prepared)].map(Arc::new);
    let apply = |write, repair| vec![Action::Apply { prepared: Arc::clone(prepared), write, repair }];
    let conflict = format!(
        "D8VerifyImageSignatures {NAME} exists and is not ours (it has no label gatewright.io/owner with our value); delete \
         or rename it"
    );
    let mut unready = scene.snapshot(unremembered(None));
    let part = unready.signatures.as_mut().unwrap();
    (part.served, part.template) = (false, None);
    let waiting = Judgement::no(
        Reason::WaitingForGatekeeper,
        "the ConstraintTemplate d8verifyimagesignatures is not there yet; if this lasts, the operator's log says why",
    );
    vec![
        scene.row("new", unremembered(None), apply(Write::Create, false), Outcome::Unsaid),
        scene.row("there", remembered(prepared, Some(&live)), vec![], scene.signatures_applied(&live)),
        scene.row("edited", remembered(prepared, Some(&bad)), apply(update(&bad), true), Outcome::Unsaid),
        scene.row(
            "somebody else's",
            unremembered(Some(&theirs)),
            vec![],
            not_applied(1, Judgement::no(Reason::Conflict, conflict)),
        ),
        Row::new(
            "no template",
            decide(&unready, signing()),
            scene.plan(vec![], compiles(), not_applied(1, waiting)),
        ),
        entries_alone(),
        behind(&scene),
    ]
}

/// Gatekeeper enforces the constraint, and a verifier does not know its keys yet.
fn behind(scene: &Scene) -> Row {
    let live = Arc::new(taken_in(&scene.signatures));
    let mut snapshot = scene.snapshot(remembered(&scene.signatures, Some(&live)));
    snapshot.verifier = knowing("another");
    let says = "the verifier verifier-1 does not know the policy's entries yet; if this lasts, look at the log of that Pod";
    let lags = Judgement::no(Reason::VerifierBehind, says);
    let outcome = super::as_applied(&scene.signatures, &live, lags);
    Row::new("a verifier lags behind", decide(&snapshot, signing()), scene.plan(vec![], compiles(), outcome))
}

#[test]
fn a_verifier_gets_a_moment_to_take_in_what_was_written() {
    let scene = Scene::new();
    let live = Arc::new(taken_in(&scene.signatures));
    let settling = Observed { settling: Some(SOON), ..remembered(&scene.signatures, Some(&live)) };
    let mut snapshot = scene.snapshot(settling);
    snapshot.verifier = knowing("another");
    let expected = Plan { next: Next::After(SOON), ..scene.plan(vec![], compiles(), Outcome::Unsaid) };
    assert_eq!(decide(&snapshot, signing()), expected);
}

/// Without rules the policy has one constraint.
fn entries_alone() -> Row {
    let alone = policy(1, &json!({"verifyImageSignatures": entries()}), None);
    let prepared = of_entries(&alone);
    let live = Arc::new(taken_in(&prepared));
    let scene = Scene { policy: alone.clone(), signatures: Arc::clone(&prepared), ..Scene::new() };
    let snapshot = with_rules(scene.snapshot(remembered(&prepared, Some(&live))), |rules| {
        rules.constraint = Observed::default();
    });
    let expected = said(&alone, vec![], compiles(), Outcome::Nothing, scene.signatures_applied(&live));
    Row::new("entries alone", decide(&snapshot, signing()), expected)
}

fn switched_off() -> Vec<Row> {
    let scene = Scene::new();
    let why = "image signatures are not verified: the setting signatures.enabled is false; the policy's other rules are \
               enforced";
    let off = || not_applied(1, Judgement::no(Reason::VerifierDisabled, why));
    let live = Arc::new(taken_in(&scene.signatures));
    let delete = Action::Delete { id: Id::new(KIND, NAME), live: Arc::clone(&live) };
    let row = |what, constraint: Observed, actions: Vec<Action>, with_facts: bool| {
        let mut expected = scene.plan(actions, compiles(), off());
        if let (true, Status::Policy(draft)) = (with_facts, &mut expected.status) {
            draft.facts.namespaces = Some(3);
        }
        Row::new(what, decide(&scene.snapshot(constraint), builtin()), expected)
    };
    vec![
        row("never on", unremembered(None), vec![], false),
        row("not any more", remembered(&scene.signatures, Some(&live)), vec![delete], true),
    ]
}

/// The second generation is invalid; the first was applied.
fn invalid() -> Vec<Row> {
    let first = Scene::new();
    let live = Arc::new(taken_in(&first.signatures));
    let bad = Arc::new(edited(&first.signatures));
    let status = applied_status(&first, &live);
    let scene = Scene { policy: broken(Some(&status)), ..first };
    let null = "spec.policies.allowPrivileged: null says neither \"nothing\" nor \"not checked\"; write a value ([] for an \
                empty list) or remove the field";
    let wrong = || Judgement::no(Reason::Invalid, null);
    let expect = |what: &str,
                  constraint: Observed,
                  actions: Vec<Action>,
                  signatures: Outcome,
                  builtin: &Builtin| {
        Row::new(what, decide(&scene.snapshot(constraint), builtin), scene.plan(actions, wrong(), signatures))
    };
    let prepared = &scene.signatures;
    let repair = |write| Action::Apply { prepared: Arc::clone(prepared), write, repair: true };
    let delete = Action::Delete { id: Id::new(KIND, NAME), live: Arc::clone(&live) };
    let kept = || scene.signatures_applied(&live);
    let remember = Action::Remember(Arc::clone(prepared));
    vec![
        expect("kept", remembered(prepared, Some(&live)), vec![], kept(), signing()),
        expect(
            "repaired",
            remembered(prepared, Some(&bad)),
            vec![repair(update(&bad))],
            Outcome::Unsaid,
            signing(),
        ),
        expect(
            "made anew",
            remembered(prepared, None),
            vec![repair(Write::Create)],
            Outcome::Unsaid,
            signing(),
        ),
        expect("proven after a restart", unremembered(Some(&live)), vec![remember], kept(), signing()),
        expect("switched off", remembered(prepared, Some(&live)), vec![delete], Outcome::Nothing, builtin()),
    ]
}

fn applied_status(scene: &Scene, live: &Arc<Live>) -> PolicyStatus {
    let plan = scene.plan(vec![], compiles(), scene.signatures_applied(live));
    let Status::Policy(draft) = plan.status else { panic!("nothing is said") };
    draft.status(&Time(Timestamp::UNIX_EPOCH)).unwrap()
}

#[test]
fn a_status_counts_both_constraints() {
    let scene = Scene::new();
    let live = Arc::new(taken_in(&scene.signatures));
    let counts = |status: &PolicyStatus| {
        let counts = status.constraints.clone().unwrap();
        (counts.desired, counts.applied, counts.enforced)
    };
    let both = applied_status(&scene, &live);
    assert_eq!(counts(&both), (2, 2, 2));
    let hashes = both.constraints.unwrap();
    assert_eq!(
        (hashes.hash, hashes.signatures_hash),
        (Some(scene.rules.hash()), Some(scene.signatures.hash()))
    );
    let off = not_applied(1, Judgement::no(Reason::VerifierDisabled, "off"));
    let Status::Policy(draft) = scene.plan(vec![], compiles(), off).status else { panic!("nothing is said") };
    let status = draft.status(&Time(Timestamp::UNIX_EPOCH)).unwrap();
    assert_eq!(counts(&status), (2, 1, 1));
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "VerifierDisabled"));
}

#[test]
fn nothing_is_said_while_one_constraint_is_being_written() {
    let scene = Scene::new();
    let Status::Policy(draft) = scene.plan(vec![], compiles(), Outcome::Unsaid).status else {
        panic!("nothing")
    };
    let Draft { kind, .. } = &*draft;
    assert_eq!((*kind, draft.status(&Time(Timestamp::UNIX_EPOCH))), (PolicyKind::SecurityPolicy, None));
}

fn gone() -> Vec<Row> {
    let scene = Scene::new();
    let live = Arc::new(taken_in(&scene.signatures));
    let mut gone = scene.snapshot(remembered(&scene.signatures, Some(&live)));
    gone.policy = None;
    gone.namespaces = None;
    let sweep = |id: Id, live: &Arc<Live>| Action::Sweep {
        policy: PolicyKind::SecurityPolicy,
        id,
        live: Arc::clone(live),
    };
    let rules = sweep(Id::new(super::KIND, NAME), &scene.live_rules);
    let both = vec![rules.clone(), sweep(Id::new(KIND, NAME), &live)];
    let mut half = gone.clone();
    half.signatures.as_mut().unwrap().constraint = Observed::default();
    vec![
        Row::new("both are there", decide(&gone, signing()), silent(both)),
        Row::new(
            "one is there",
            decide(&half, signing()),
            silent(vec![rules, Action::Forget(Id::new(KIND, NAME))]),
        ),
    ]
}
