//! Policies that compile, and those that are gone.

use super::{
    KIND, NAME, SOON, as_applied, compiles, enforced, good, not_applied, not_reported, plan, policy,
    prepared, snapshot, with_facts_of, with_rules,
};
use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::draft::Outcome;
use crate::judge::fixtures::{
    PROCESS, Row, builtin, check, edited, foreign, held, live, remembered, silent, taken_in, template,
    unremembered, update,
};
use crate::judge::plan::{Action, Next, Plan};
use crate::judge::policy::decide;
use crate::watch::desired::{Prepared, Write};
use crate::watch::kind::Id;
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::observe::{Gatekeeper, PolicySnapshot};
use gatewright_api::{PolicyKind, Reason, SecurityPolicy};
use gatewright_gatekeeper::PodStatusError;
use gatewright_rules::Template;
use serde_json::json;
use std::sync::Arc;

type Snapshot = PolicySnapshot<SecurityPolicy>;

pub(crate) fn rows() -> Vec<Row> {
    [written(), blocked(), unready(), unserved(), unenforced(), nothing(), gone()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn a_constraint_is_written_once_and_repaired() {
    check(written());
}

#[test]
fn what_is_not_ours_or_held_is_said() {
    check(blocked());
}

#[test]
fn what_constraints_need_is_waited_for() {
    check(unready());
}

#[test]
fn a_kind_that_is_not_served_takes_nothing_away() {
    check(unserved());
}

#[test]
fn what_is_applied_may_not_be_enforced() {
    check(unenforced());
}

#[test]
fn a_policy_that_demands_nothing_has_no_constraint() {
    check(nothing());
}

#[test]
fn what_a_policy_left_behind_goes() {
    check(gone());
}

/// A policy that compiles, and its constraint.
struct Scene {
    builtin: &'static Builtin,
    desired: Arc<Prepared>,
}

impl Scene {
    fn new() -> Self {
        let builtin = builtin();
        Self { desired: prepared(&good(), builtin), builtin }
    }

    fn snapshot(&self, constraint: Observed) -> Snapshot {
        snapshot(Some(good()), constraint, self.builtin)
    }

    fn row(&self, what: &str, snapshot: &Snapshot, actions: Vec<Action>, outcome: Outcome) -> Row {
        self.expect(what, snapshot, plan(&good(), actions, compiles(), outcome))
    }

    fn expect(&self, what: &str, snapshot: &Snapshot, expected: Plan) -> Row {
        Row::new(what, decide(snapshot, self.builtin), expected)
    }

    fn apply(&self, write: Write, repair: bool) -> Vec<Action> {
        vec![Action::Apply { prepared: Arc::clone(&self.desired), write, repair }]
    }

    /// The constraint is as it was left, and taken in.
    fn steady(&self) -> (Snapshot, Arc<Live>) {
        let live = Arc::new(taken_in(&self.desired));
        (self.snapshot(remembered(&self.desired, Some(&live))), live)
    }
}

fn written() -> Vec<Row> {
    let scene = Scene::new();
    let desired = &scene.desired;
    let [fresh, bad] = [live(desired), edited(desired)].map(Arc::new);
    let (steady, live) = scene.steady();
    let found = scene.snapshot(unremembered(Some(&live)));
    let absent = scene.snapshot(unremembered(None));
    let lagging = scene.snapshot(Observed { lag: Some(SOON), ..remembered(desired, None) });
    let settling = scene.snapshot(Observed { settling: Some(SOON), ..remembered(desired, Some(&fresh)) });
    let settled = scene.snapshot(Observed { settling: Some(SOON), ..remembered(desired, Some(&live)) });
    let wait = Plan { next: Next::After(SOON), ..plan(&good(), vec![], compiles(), Outcome::Unsaid) };
    let remember = vec![Action::Remember(Arc::clone(desired))];
    let good = as_applied(desired, &live, enforced());
    vec![
        scene.row("new", &absent, scene.apply(Write::Create, false), Outcome::Unsaid),
        scene.row(
            "deleted by somebody",
            &scene.snapshot(remembered(desired, None)),
            scene.apply(Write::Create, true),
            Outcome::Unsaid,
        ),
        scene.row(
            "edited by somebody",
            &scene.snapshot(remembered(desired, Some(&bad))),
            scene.apply(update(&bad), true),
            Outcome::Unsaid,
        ),
        scene.row(
            "of an older generation",
            &scene.snapshot(unremembered(Some(&bad))),
            scene.apply(update(&bad), false),
            Outcome::Unsaid,
        ),
        scene.row("found as it should be", &found, remember, good.clone()),
        scene.row("steady", &steady, vec![], good.clone()),
        scene.row("just written, and taken in", &settled, vec![], good),
        scene.row(
            "not taken in",
            &scene.snapshot(remembered(desired, Some(&fresh))),
            vec![],
            as_applied(desired, &fresh, not_reported()),
        ),
        scene.expect("just written, and not seen", &lagging, wait.clone()),
        scene.expect("just written, and not taken in", &settling, wait),
    ]
}

fn blocked() -> Vec<Row> {
    let scene = Scene::new();
    let [theirs, going] = [foreign(&scene.desired), held(&scene.desired)].map(Arc::new);
    let conflict = Judgement::no(
        Reason::Conflict,
        "D8SecurityPolicy strict exists and is not ours (it has no label gatewright.io/owner with our value); delete or \
         rename it",
    );
    let held = Judgement::no(
        Reason::BeingDeleted,
        "D8SecurityPolicy strict is being deleted and held by finalizers of others (example.com/hold): it is made anew \
         as soon as they let go",
    );
    vec![
        scene.row("theirs", &scene.snapshot(unremembered(Some(&theirs))), vec![], not_applied(1, conflict)),
        scene.expect(
            "held",
            &scene.snapshot(remembered(&scene.desired, Some(&going))),
            with_facts_of(&going, plan(&good(), vec![], compiles(), not_applied(1, held))),
        ),
    ]
}

/// What constraints need is not there.
fn unready() -> Vec<Row> {
    let scene = Scene::new();
    let absent = scene.snapshot(unremembered(None));
    let ours = scene.builtin.template(Template::SecurityPolicy);
    let foreign = Arc::new(foreign(ours));
    let broken = Arc::new(broken_template(scene.builtin));
    let waiting = |message| Judgement::no(Reason::WaitingForGatekeeper, message);
    let row = |what, snapshot: &Snapshot, why| scene.row(what, snapshot, vec![], not_applied(1, why));
    vec![
        row(
            "no Gatekeeper",
            &with_rules(Snapshot { templates_served: false, ..absent.clone() }, |rules| {
                (rules.served, rules.template) = (false, None);
            }),
            waiting("the API server serves no ConstraintTemplates: install Gatekeeper"),
        ),
        row(
            "no template",
            &with_rules(absent.clone(), |rules| rules.template = None),
            waiting(
                "the ConstraintTemplate d8securitypolicy is not there yet; if this lasts, the operator's log says why",
            ),
        ),
        row(
            "a foreign template",
            &with_rules(absent.clone(), |rules| rules.template = Some(foreign)),
            Judgement::no(
                Reason::Conflict,
                "ConstraintTemplate d8securitypolicy exists and is not ours (it has no label gatewright.io/owner with \
                 our value); delete or rename it",
            ),
        ),
        row(
            "no kind",
            &with_rules(absent.clone(), |rules| rules.served = false),
            waiting(
                "Gatekeeper has not made the kind D8SecurityPolicy from our template; a process with the operation \
                 generate does that",
            ),
        ),
        row(
            "no kind, because the template does not compile",
            &with_rules(absent, |rules| (rules.served, rules.template) = (false, Some(broken))),
            rejected(),
        ),
    ]
}

/// The kind of the policies is not served.
fn unserved() -> Vec<Row> {
    let scene = Scene::new();
    let absent = scene.snapshot(unremembered(None));
    let (steady, live) = scene.steady();
    let good = as_applied(&scene.desired, &live, enforced());
    let row = |what, snapshot: &Snapshot, why| scene.row(what, snapshot, vec![], not_applied(1, why));
    vec![
        row(
            "no kind of policies",
            &Snapshot { policies_served: false, ..absent },
            Judgement::no(
                Reason::NotServed,
                "the API server does not serve SecurityPolicy, or not to the operator",
            ),
        ),
        scene.row(
            "no kind of policies any more",
            &Snapshot { policies_served: false, ..steady },
            vec![],
            good,
        ),
    ]
}

fn broken_template(builtin: &Builtin) -> Live {
    let mut template = Live::clone(&template(builtin, Template::SecurityPolicy));
    let error = PodStatusError { code: "create_error".to_owned(), message: "no such function".to_owned() };
    template.reports[0].errors = vec![error];
    template
}

fn rejected() -> Judgement {
    let message = format!(
        "{PROCESS} cannot compile our ConstraintTemplate: no such function; compare this Gatekeeper's \
         version and its flag --disable-opa-builtin with the documentation"
    );
    Judgement::no(Reason::TemplateRejected, message)
}

/// The constraint is applied, and not enforced.
fn unenforced() -> Vec<Row> {
    let scene = Scene::new();
    let (steady, live) = scene.steady();
    let row = |what, snapshot: &Snapshot, why| {
        scene.row(what, snapshot, vec![], as_applied(&scene.desired, &live, why))
    };
    let with = |change: &dyn Fn(&mut Gatekeeper)| {
        let mut snapshot = steady.clone();
        change(&mut snapshot.gatekeeper);
        snapshot
    };
    let trimmed = with(&|gatekeeper| {
        let webhook = Arc::make_mut(&mut gatekeeper.webhooks[0]);
        let rules = webhook.webhooks.as_mut().unwrap()[0].rules.as_mut().unwrap();
        rules[0].resources = Some(vec!["*".to_owned()]);
    });
    vec![
        row(
            "the template does not compile",
            &with_rules(steady.clone(), |rules| {
                rules.template = Some(Arc::new(broken_template(scene.builtin)));
            }),
            rejected(),
        ),
        row(
            "nobody answers",
            &with(&|gatekeeper| gatekeeper.processes = Some(vec![])),
            Judgement::no(
                Reason::NoGatekeeperProcess,
                "no process of Gatekeeper answers admission requests: look at the Pods of its namespace",
            ),
        ),
        row(
            "nobody asks",
            &with(&|gatekeeper| gatekeeper.webhooks.clear()),
            Judgement::no(
                Reason::NotRouted,
                "there is no ValidatingWebhookConfiguration with the label gatekeeper.sh/system=yes: the API server \
                 does not ask Gatekeeper; install it, or name it in the settings (gatekeeper.webhookConfiguration)",
            ),
        ),
        row(
            "not all is asked",
            &trimmed,
            Judgement::no(
                Reason::NotRouted,
                "the webhook configuration gatekeeper does not send Gatekeeper UPDATE of pods/ephemeralcontainers: add \
                 that to the rules of its entry validation.gatekeeper.sh",
            ),
        ),
    ]
}

/// A policy that demands nothing.
fn nothing() -> Vec<Row> {
    let scene = Scene::new();
    let policy = policy(2, &json!({"allowPrivileged": true}), None);
    let [ours, theirs, going] =
        [taken_in(&scene.desired), foreign(&scene.desired), held(&scene.desired)].map(Arc::new);
    let delete = Action::Delete { id: Id::new(KIND, NAME), live: Arc::clone(&ours) };
    let snapshot = |constraint| snapshot(Some(policy.clone()), constraint, scene.builtin);
    let row = |what, constraint, actions, outcome| {
        scene.expect(what, &snapshot(constraint), plan(&policy, actions, compiles(), outcome))
    };
    let lagging = Observed { lag: Some(SOON), ..unremembered(Some(&ours)) };
    let wait = Plan { next: Next::After(SOON), ..plan(&policy, vec![], compiles(), Outcome::Unsaid) };
    let unserved = with_rules(snapshot(unremembered(Some(&ours))), |rules| rules.served = false);
    vec![
        row("nothing", unremembered(None), vec![], Outcome::Nothing),
        row("nothing any more", remembered(&scene.desired, Some(&ours)), vec![delete], Outcome::Unsaid),
        scene.expect("just deleted", &snapshot(lagging), wait),
        row("nothing of ours", unremembered(Some(&theirs)), vec![], Outcome::Nothing),
        row("nothing, when others let go", unremembered(Some(&going)), vec![], Outcome::Nothing),
        scene.expect("nothing is served", &unserved, plan(&policy, vec![], compiles(), Outcome::Nothing)),
    ]
}

/// There is no policy.
fn gone() -> Vec<Row> {
    let scene = Scene::new();
    let id = Id::new(KIND, NAME);
    let [ours, theirs, going] =
        [taken_in(&scene.desired), foreign(&scene.desired), held(&scene.desired)].map(Arc::new);
    let gone = |constraint| Snapshot { signatures: None, ..snapshot(None, constraint, scene.builtin) };
    let orphaned = gone(remembered(&scene.desired, Some(&ours)));
    let sweep = Action::Sweep { policy: PolicyKind::SecurityPolicy, id: id.clone(), live: Arc::clone(&ours) };
    let lagging = gone(Observed { lag: Some(SOON), ..unremembered(Some(&ours)) });
    let wait = Plan { next: Next::After(SOON), ..Plan::default() };
    vec![
        scene.expect("an orphan", &orphaned, silent(vec![sweep])),
        scene.expect(
            "policies may be there",
            &Snapshot { policies_served: false, ..orphaned.clone() },
            silent(vec![]),
        ),
        scene.expect(
            "an orphan of no kind",
            &with_rules(orphaned, |rules| rules.served = false),
            silent(vec![]),
        ),
        scene.expect("theirs", &gone(unremembered(Some(&theirs))), silent(vec![])),
        scene.expect("an orphan that others hold", &gone(unremembered(Some(&going))), silent(vec![])),
        scene.expect("just swept", &lagging, wait),
        scene.expect("all gone", &gone(unremembered(None)), silent(vec![Action::Forget(id)])),
    ]
}
