use super::{Decision, SecretAction, decide, obstacle};
use crate::judge::builtin::Builtin;
use crate::judge::certificate::tests::made;
use crate::judge::certificate::{Coming, Pair, Rewrite};
use crate::judge::conditions::Judgement;
use crate::judge::fixtures::{PROCESS, Row, check, foreign, held, live, release, reported, signing, silent};
use crate::judge::plan::{Action, LOOK_AGAIN, Next, Plan};
use crate::watch::certificate::{Held, Slot};
use crate::watch::desired::{Prepared, Write};
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::observe::verifier::provider;
use crate::watch::observe::{VerifierSnapshot, VerifierView};
use crate::watch::published::{NoAnswer, VerifierReplica, Verifiers};
use gatewright_api::Reason;
use k8s_openapi::jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) const CONSTRAINT: &str = "strict";
pub(crate) const REVISION: &str = "3f2a";

/// The time at which the certificate is fresh.
fn now() -> Timestamp {
    made("a", 1).begins
}

/// Secret, Provider and one verifier are as they should be.
pub(crate) fn good(builtin: &Builtin) -> VerifierView {
    let secret = Held { ours: true, pair: Slot::Held(made("a", 0)), ..Held::default() };
    let replica = VerifierReplica {
        ready: true,
        ends: None,
        constraints: [(CONSTRAINT.to_owned(), REVISION.to_owned())].into(),
    };
    let said = Verifiers { replicas: [("verifier-1".to_owned(), replica)].into(), failure: None };
    let mut view = VerifierView {
        served: true,
        provider: None,
        others: vec![],
        secret_served: true,
        secret: Some(Arc::new(secret)),
        said: Some(Arc::new(said)),
        release: Some(release()),
    };
    view.provider = Some(Arc::new(reported(live(&desired(&view, builtin)))));
    view
}

pub(crate) fn desired(view: &VerifierView, builtin: &Builtin) -> Arc<Prepared> {
    super::desired(view, &builtin.settings).unwrap()
}

pub(crate) fn saying(view: &VerifierView, change: impl Fn(&mut Verifiers)) -> VerifierView {
    let mut said = view.said.as_deref().cloned().unwrap_or_default();
    change(&mut said);
    VerifierView { said: Some(Arc::new(said)), ..view.clone() }
}

pub(crate) fn with_provider(view: &VerifierView, live: Live) -> VerifierView {
    VerifierView { provider: Some(Arc::new(live)), ..view.clone() }
}

fn found(view: &VerifierView) -> Option<Judgement> {
    let expected = BTreeSet::from([PROCESS.to_owned()]);
    obstacle(view, &signing().settings, &expected, CONSTRAINT, REVISION)
}

const SERVICE: &str = "https://gatewright-verifier.gatewright-system.svc:8443";

/// What a policy can wait for: what is the matter, the reason, and the message.
type Obstacle = (VerifierView, Reason, String);

const LOG: &str = "if this lasts, look at the log of that Pod";

fn obstacles() -> Vec<Obstacle> {
    [of_answers(), of_processes(), of_objects()].into_iter().flatten().collect()
}

fn of_answers() -> Vec<Obstacle> {
    let good = good(signing());
    let silent = |failure: Option<NoAnswer>| {
        let verifiers = Verifiers { replicas: BTreeMap::default(), failure };
        saying(&good, |said| said.clone_from(&verifiers))
    };
    let refused = NoAnswer::Other("10.0.0.1:8443: connection refused".to_owned());
    let look =
        "images that policies cover are refused: look at the Pods gatewright-verifier and at NetworkPolicies";
    let unreachable = |view, why: &str| {
        (view, Reason::VerifierUnreachable, format!("no verifier answers at {SERVICE}{why}; {look}"))
    };
    let behind = |change: fn(&mut VerifierReplica), why: &str| {
        let view = saying(&good, |said| {
            let mut behind = said.replicas["verifier-1"].clone();
            change(&mut behind);
            said.replicas.insert("verifier-2".to_owned(), behind);
        });
        (view, Reason::VerifierBehind, format!("the verifier verifier-2 {why}; {LOG}"))
    };
    let older = |it: &mut VerifierReplica| *it.constraints.get_mut(CONSTRAINT).unwrap() = "older".to_owned();
    vec![
        unreachable(silent(None), ""),
        unreachable(silent(Some(refused)), ": 10.0.0.1:8443: connection refused"),
        unreachable(VerifierView { said: None, ..good.clone() }, ""),
        behind(|it| it.ready = false, "is not ready"),
        behind(|it| it.constraints.clear(), "does not know the policy yet"),
        behind(older, "does not know the policy's entries yet"),
    ]
}

/// What the processes of Gatekeeper say of the Provider.
fn of_processes() -> Vec<Obstacle> {
    let good = good(signing());
    let prepared = desired(&good, signing());
    let mut inactive = reported(live(&prepared));
    inactive.reports[0].enforced = false;
    [
        (live(&prepared), "has not reported on the Provider"),
        (Live { generation: 2, ..reported(live(&prepared)) }, "has generation 1 of the Provider, not 2"),
        (inactive, "does not ask the Provider"),
    ]
    .map(|(live, why)| (with_provider(&good, live), Reason::NotEnforcedBy, format!("{PROCESS} {why}; {LOG}")))
    .into()
}

fn of_objects() -> Vec<Obstacle> {
    let good = good(signing());
    let prepared = desired(&good, signing());
    let operator = "if this lasts, look at the operator's log";
    let secret = "Secret gatewright-system/gatewright-verifier-tls";
    let not_ours =
        "exists and is not ours (it has no label gatewright.io/owner with our value); delete or rename it";
    vec![
        (
            with_provider(&good, foreign(&prepared)),
            Reason::Conflict,
            format!("Provider gatewright-verifier {not_ours}"),
        ),
        (
            with_provider(&good, held(&prepared)),
            Reason::BeingDeleted,
            "Provider gatewright-verifier is being deleted and held by finalizers of others (example.com/hold): it is made \
             anew as soon as they let go"
                .to_owned(),
        ),
        (
            VerifierView { provider: None, ..good.clone() },
            Reason::ApplyFailed,
            format!("the Provider gatewright-verifier is not as it should be; {operator}"),
        ),
        (
            VerifierView { secret: None, ..good.clone() },
            Reason::ApplyFailed,
            format!("the {secret} has no certificate yet; {operator}"),
        ),
        (
            VerifierView { secret_served: false, ..good.clone() },
            Reason::ApplyFailed,
            format!("the operator may not see the {secret}: look at its Role there"),
        ),
        (
            VerifierView { secret: Some(Arc::new(Held::default())), ..good.clone() },
            Reason::Conflict,
            format!("{secret} {not_ours}"),
        ),
        (
            VerifierView { served: false, ..good.clone() },
            Reason::WaitingForGatekeeper,
            "the API server serves no Providers, or not to the operator: Gatekeeper needs its CRD \
             providers.externaldata.gatekeeper.sh and the flag --enable-external-data"
                .to_owned(),
        ),
    ]
}

pub(crate) fn rows() -> Vec<Row> {
    let obstacles = obstacles().into_iter().map(|(view, reason, message)| {
        let what = format!("{reason:?}");
        Row::new(what, found(&view).unwrap(), Judgement::no(reason, message))
    });
    let decisions = decisions().into_iter().map(|(what, found, expected)| {
        assert_eq!(found.secret, expected.secret, "{what}");
        Row::new(what, found.plan, expected.plan)
    });
    obstacles.chain(decisions).collect()
}

#[test]
fn each_obstacle_is_named_and_each_decision_is_as_expected() {
    check(rows());
}

#[test]
fn nothing_is_in_the_way_where_all_is_as_it_should_be() {
    let good = good(signing());
    assert_eq!(found(&good), None);
    let nobody = obstacle(&good, &signing().settings, &BTreeSet::new(), CONSTRAINT, REVISION).unwrap();
    assert_eq!(nobody.reason, Reason::NoGatekeeperProcess);
}

fn snapshot(view: &VerifierView) -> VerifierSnapshot {
    VerifierSnapshot {
        provider: Observed { live: view.provider.clone(), ..Observed::default() },
        view: view.clone(),
        constraints: false,
        template: false,
        expected: [PROCESS.to_owned()].into(),
        now: now(),
    }
}

/// What is decided while signatures are verified, and while they are not.
fn decisions() -> Vec<(&'static str, Decision, Decision)> {
    let rows = [enabled(), disabled()];
    rows.into_iter().flatten().collect()
}

fn plan(actions: Vec<Action>) -> Plan {
    Plan { next: Next::After(LOOK_AGAIN), ..silent(actions) }
}

fn write(pair: Pair, next: Coming, previous: &[&str]) -> SecretAction {
    let previous = previous.iter().map(|name| format!("{name};")).collect();
    SecretAction::Write(Rewrite { pair, next, previous })
}

fn enabled() -> Vec<(&'static str, Decision, Decision)> {
    let builtin = signing();
    let (good, prepared) = (good(builtin), desired(&good(builtin), builtin));
    let remember = || plan(vec![Action::Remember(Arc::clone(&prepared))]);
    let create =
        || plan(vec![Action::Apply { prepared: Arc::clone(&prepared), write: Write::Create, repair: false }]);
    let without = VerifierView { provider: None, ..good.clone() };
    let secret = |secret: Option<Held>| VerifierView { secret: secret.map(Arc::new), ..good.clone() };
    let lost = secret(None);
    let anew = Some(write(Pair::New, Coming::Nothing, &[]));
    let due = VerifierSnapshot { now: made("b", 60).ends - super::certificate::LIFETIME, ..snapshot(&good) };
    let foreign_secret = secret(Some(Held { ours: false, ..Held::clone(good.secret.as_ref().unwrap()) }));
    [
        ("as it should be", snapshot(&good), remember(), None),
        ("no Provider", snapshot(&without), create(), None),
        ("foreign Provider", snapshot(&with_provider(&good, foreign(&prepared))), plan(vec![]), None),
        ("no Providers are served", snapshot(&VerifierView { served: false, ..without }), plan(vec![]), None),
        // The Provider stays as it is until there is something to trust.
        ("lost Secret", snapshot(&lost), plan(vec![]), anew),
        ("foreign Secret", snapshot(&foreign_secret), Plan::default(), None),
        ("due", due, remember(), Some(write(Pair::Kept, Coming::New, &[]))),
    ]
    .map(|(what, snapshot, plan, secret)| (what, decide(&snapshot, builtin), Decision { plan, secret }))
    .into()
}

/// First constraints, then the Provider, then the template, then the Secret.
fn disabled() -> Vec<(&'static str, Decision, Decision)> {
    let builtin = crate::judge::fixtures::builtin();
    let good = good(signing());
    let gone = VerifierView { provider: None, ..good.clone() };
    let theirs = with_provider(&good, foreign(&desired(&good, signing())));
    let foreign_secret = VerifierView { secret: Some(Arc::default()), ..gone.clone() };
    let live = good.provider.clone().unwrap();
    let delete = || silent(vec![Action::Delete { id: provider(), live: Arc::clone(&live) }]);
    let delete_secret = Some(SecretAction::Delete);
    [
        ("constraints", VerifierSnapshot { constraints: true, ..snapshot(&good) }, Plan::default(), None),
        ("Provider", VerifierSnapshot { template: true, ..snapshot(&good) }, delete(), None),
        ("template", VerifierSnapshot { template: true, ..snapshot(&gone) }, Plan::default(), None),
        ("Secret", snapshot(&gone), Plan::default(), delete_secret.clone()),
        ("foreign Provider stays", snapshot(&theirs), Plan::default(), delete_secret),
        ("foreign Secret stays", snapshot(&foreign_secret), Plan::default(), None),
        ("nothing", snapshot(&VerifierView::default()), Plan::default(), None),
    ]
    .map(|(what, snapshot, plan, secret)| (what, decide(&snapshot, builtin), Decision { plan, secret }))
    .into()
}
