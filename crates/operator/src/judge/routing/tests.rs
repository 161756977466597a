use super::decide;
use crate::Error;
use crate::judge::builtin::Builtin;
use crate::judge::fixtures::{Row, builtin, check, foreign, live, release, remembered, silent, unremembered};
use crate::judge::guard;
use crate::judge::guard::tests::{snapshot as guard_snapshot, standing};
use crate::judge::plan::{Action, Next, Plan, Status};
use crate::watch::desired::{Prepared, Write};
use crate::watch::kind::Kind;
use crate::watch::last_applied::Observed;
use crate::watch::observe::routing::{Demand, own};
use crate::watch::observe::{GuardSnapshot, RoutingSnapshot};
use crate::watch::policies::AnyPolicy;
use crate::watch::published::RoutingOutcome;
use gatewright_api::{Guarded, SecurityPolicy};
use gatewright_compiler::RoutingMode;
use gatewright_gatekeeper::{Finding, Matcher, Operation, Resource, Route, TemplateSource};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// What upstream's configuration sends out of the box.
fn upstream(resources: &[&str]) -> Arc<ValidatingWebhookConfiguration> {
    let configuration = json!({
        "metadata": {"name": "gatekeeper", "labels": {"gatekeeper.sh/system": "yes"}},
        "webhooks": [{
            "name": "validation.gatekeeper.sh", "failurePolicy": "Ignore", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "clientConfig": {}, "timeoutSeconds": 3,
            "rules": [{
                "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": resources,
            }],
        }],
    });
    Arc::new(serde_json::from_value(configuration).unwrap())
}

const ALL: &[&str] =
    &["*", "pods/ephemeralcontainers", "pods/resize", "deployments/scale", "statefulsets/scale", "*/scale"];

fn route(group: &str, resource: &str, operation: Operation) -> Route {
    Route { group: group.to_owned(), resource: resource.to_owned(), operation }
}

fn connects() -> Vec<Route> {
    ["pods/attach", "pods/exec"].map(|resource| route("", resource, Operation::Connect)).to_vec()
}

/// Our configuration with this rule.
fn configuration(operation: &str, group: &str, resources: &[&str]) -> Arc<Prepared> {
    let mut webhook = json!(upstream(&[]).webhooks.as_ref().unwrap()[0]);
    webhook["name"] = json!("validation.gatewright.io");
    webhook["rules"] = json!([{
        "apiGroups": [group], "apiVersions": ["*"], "operations": [operation], "resources": resources, "scope": "*",
    }]);
    let metadata = serde_json::from_value(json!({
        "name": "gatewright-validating-webhook-configuration", "labels": {"gatewright.io/owner": "builtin"},
    }))
    .unwrap();
    Arc::new(Prepared::new(Kind::Webhooks, &metadata, &json!({"webhooks": [webhook]})))
}

fn of_connects() -> Arc<Prepared> {
    configuration("CONNECT", "", &["pods/attach", "pods/exec"])
}

/// Nothing is guarded, and nothing wants more than upstream sends.
fn quiet(builtin: &Builtin) -> RoutingSnapshot {
    RoutingSnapshot {
        webhooks: vec![upstream(ALL)],
        own: Observed::default(),
        guard: Some(GuardSnapshot { pods: Some(false), ..guard_snapshot(builtin) }),
        demand: Some(Demand::default()),
        release: None,
    }
}

/// The exec guard stands.
fn guarded(builtin: &Builtin, own: Observed) -> RoutingSnapshot {
    RoutingSnapshot { own, guard: Some(standing(builtin)), ..quiet(builtin) }
}

/// Somebody's template and a constraint of it.
fn user(kind: &str, source: &Value, matches: &Value) -> Demand {
    let template = json!({"crd": {"spec": {"names": {"kind": kind}}}, "targets": [source]});
    Demand {
        templates: vec![Arc::new(TemplateSource::new(&template))],
        constraints: vec![(
            kind.to_owned(),
            "c".to_owned(),
            Arc::new(Matcher::of_spec(&json!({"match": matches}))),
        )],
        ..Demand::default()
    }
}

fn plan(actions: Vec<Action>, outcome: RoutingOutcome) -> Plan {
    Plan { actions, status: Status::Routing(Box::new(outcome)), ..Plan::default() }
}

fn outcome(guard: bool, routes: Vec<Route>, findings: Vec<Finding>) -> RoutingOutcome {
    RoutingOutcome { guard, routes, findings, ..RoutingOutcome::default() }
}

fn create(prepared: &Arc<Prepared>) -> Action {
    Action::Apply { prepared: Arc::clone(prepared), write: Write::Create, repair: false }
}

fn delete(prepared: &Prepared) -> Action {
    Action::Delete { id: own(), live: Arc::new(live(prepared)) }
}

pub(crate) fn rows() -> Vec<Row> {
    [unknown(), of_the_guard(), of_users(), of_policies()].into_iter().flatten().collect()
}

#[test]
fn nothing_is_concluded_from_what_is_not_known() {
    check(unknown());
}

#[test]
fn exec_is_sent_while_it_is_guarded() {
    check(of_the_guard());
}

#[test]
fn what_others_constraints_mean_is_sent() {
    check(of_users());
}

#[test]
fn what_upstream_leaves_out_and_we_need_is_sent() {
    check(of_policies());
}

fn row(what: &str, snapshot: &RoutingSnapshot, expected: Plan) -> Row {
    Row::new(what, decide(snapshot, builtin()), expected)
}

/// Not all is known.
fn unknown() -> Vec<Row> {
    let builtin = builtin();
    let ours = of_connects();
    let seen = unremembered(Some(&Arc::new(live(&ours))));
    let theirs = unremembered(Some(&Arc::new(foreign(&ours))));
    let unknown = RoutingSnapshot { guard: None, demand: None, own: seen, ..quiet(builtin) };
    let gone = RoutingSnapshot { webhooks: vec![], ..unknown.clone() };
    let undemanded = RoutingSnapshot { demand: None, ..guarded(builtin, unknown.own.clone()) };
    vec![
        row("nothing is concluded", &unknown, silent(vec![])),
        row("nobody waits for a Gatekeeper that is gone", &gone, silent(vec![delete(&ours)])),
        row("another's configuration stays", &RoutingSnapshot { own: theirs, ..gone }, silent(vec![])),
        row("what others demand is not known", &undemanded, silent(vec![])),
    ]
}

fn of_the_guard() -> Vec<Row> {
    let builtin = builtin();
    let ours = of_connects();
    let seen = remembered(&ours, Some(&Arc::new(live(&ours))));
    let theirs = unremembered(Some(&Arc::new(foreign(&ours))));
    let absent = guarded(builtin, Observed::default());
    let lonely = RoutingSnapshot { webhooks: vec![], ..guarded(builtin, seen.clone()) };
    let sync_set = create(&builtin.sync_set);
    let begun = RoutingSnapshot { guard: Some(guard_snapshot(builtin)), ..absent.clone() };
    let routed = || outcome(true, connects(), vec![]);
    let problem = "ValidatingWebhookConfiguration gatewright-validating-webhook-configuration exists and is not ours (it \
                   has no label gatewright.io/owner with our value); delete or rename it";
    vec![
        row("nothing to send", &quiet(builtin), plan(vec![], outcome(false, vec![], vec![]))),
        row(
            "nothing to send any more",
            &RoutingSnapshot { own: seen.clone(), ..quiet(builtin) },
            plan(vec![delete(&ours)], outcome(false, vec![], vec![])),
        ),
        row("exec is guarded", &absent, plan(vec![create(&ours)], routed())),
        row("the guard begins", &begun, plan(vec![sync_set, create(&ours)], routed())),
        row("exec is sent", &guarded(builtin, seen), plan(vec![], routed())),
        row(
            "another's configuration",
            &guarded(builtin, theirs),
            plan(vec![], RoutingOutcome { routing_problem: Some(problem.to_owned()), ..routed() }),
        ),
        row(
            "nothing to copy",
            &lonely,
            plan(vec![delete(&ours)], outcome(true, vec![], vec![Finding::NoUpstream])),
        ),
        row(
            "the guard cannot come",
            &RoutingSnapshot { guard: Some(unserved(builtin)), ..absent },
            plan(vec![create(&ours)], RoutingOutcome { guard_problem: Some(unserved_problem()), ..routed() }),
        ),
    ]
}

fn unserved(builtin: &Builtin) -> GuardSnapshot {
    GuardSnapshot { constraints_served: false, ..guard_snapshot(builtin) }
}

fn unserved_problem() -> String {
    guard::decide(&unserved(builtin()), builtin(), true, &mut Plan::default()).unwrap()
}

fn of_users() -> Vec<Row> {
    let builtin = builtin();
    let with = |demand| RoutingSnapshot { demand: Some(demand), ..quiet(builtin) };
    let pods = json!({"kinds": [{"apiGroups": [""], "kinds": ["Node"]}]});
    let node = Resource {
        group: String::new(),
        kind: "Node".to_owned(),
        resource: "nodes".to_owned(),
        namespaced: false,
    };
    let deletes = user("KeepNodes", &json!({"operations": ["DELETE"], "rego": ""}), &pods);
    let served = Demand { resources: vec![node], ..deletes.clone() };
    let unknown = Finding::UnknownKind { kind: "Node".to_owned(), constraint: "KeepNodes/c".to_owned() };
    let wait = Plan {
        next: Next::After(Duration::from_secs(30)),
        ..plan(vec![], outcome(false, vec![], vec![unknown]))
    };
    let careless = user("Careless", &json!({"rego": "input.review.object"}), &json!({}));
    let woken = Finding::WokenByMistake {
        operation: Operation::Connect,
        resources: vec!["pods/attach".to_owned(), "pods/exec".to_owned()],
        constraints: vec!["Careless/c".to_owned()],
        routed: false,
    };
    let waking = RoutingSnapshot { demand: Some(careless), ..guarded(builtin, Observed::default()) };
    vec![
        row(
            "somebody guards nodes",
            &with(served),
            plan(
                vec![create(&configuration("DELETE", "", &["nodes"]))],
                outcome(false, vec![route("", "nodes", Operation::Delete)], vec![]),
            ),
        ),
        row("nobody serves what is guarded", &with(deletes), wait),
        row("somebody would be woken", &waking, plan(vec![], outcome(true, vec![], vec![woken]))),
    ]
}

/// Upstream's configuration was trimmed.
fn of_policies() -> Vec<Row> {
    let builtin = builtin();
    let policy = |rules: &Value| -> Arc<dyn AnyPolicy> {
        Arc::new(
            serde_json::from_value::<Guarded<SecurityPolicy>>(json!({
                "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": "p"},
                "spec": {"match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": rules},
            }))
            .unwrap(),
        )
    };
    let trimmed = RoutingSnapshot { webhooks: vec![upstream(&["*"])], ..quiet(builtin) };
    let updates = || vec![route("", "pods/ephemeralcontainers", Operation::Update)];
    let ours = configuration("UPDATE", "", &["pods/ephemeralcontainers"]);
    // Nothing is made of a policy that is not valid.
    let policies =
        vec![policy(&json!({"allowPrivileged": false})), policy(&json!({"allowPrivileged": null}))];
    let demand = Demand { policies, ..Demand::default() };
    let off = Builtin::new(gatewright_compiler::Settings {
        routing: gatewright_compiler::Routing { connect: RoutingMode::Off, ..Default::default() },
        ..Default::default()
    });
    let finding = Finding::Off {
        operation: Operation::Connect,
        resources: vec!["pods/attach".to_owned(), "pods/exec".to_owned()],
    };
    vec![
        row(
            "the standards need subresources",
            &trimmed,
            plan(vec![create(&ours)], outcome(false, updates(), vec![])),
        ),
        row(
            "so do policies",
            &RoutingSnapshot { demand: Some(demand), ..trimmed },
            plan(vec![create(&ours)], outcome(false, updates(), vec![])),
        ),
        Row::new(
            "the settings say off",
            decide(&guarded(&off, Observed::default()), &off),
            plan(vec![], outcome(true, vec![], vec![finding])),
        ),
    ]
}

#[test]
fn a_failure_is_said_of_what_failed() {
    let error = Error::Timeout { doing: "asking".to_owned(), limit: Duration::from_secs(1) };
    let said = || Some("asking: no answer within 1 s".to_owned());
    let of = |kind: Kind| {
        let mut status = Status::Routing(Box::default());
        status.failed(&crate::watch::kind::Id::new(kind, "a"), &error);
        let Status::Routing(outcome) = status else { panic!("{status:?}") };
        (outcome.guard_problem, outcome.routing_problem)
    };
    assert_eq!(of(Kind::Webhooks), (None, said()));
    assert_eq!(of(Kind::SyncSet), (said(), None));
}

#[test]
fn the_role_owns_the_webhook_configuration() {
    let builtin = builtin();
    let standing = RoutingSnapshot { release: Some(release()), ..guarded(builtin, Observed::default()) };
    let plan = decide(&standing, builtin);
    let [Action::Apply { prepared, .. }] = &plan.actions[..] else { panic!("{:?}", plan.actions) };
    assert_eq!((prepared.id.kind, &prepared.owners[..]), (Kind::Webhooks, &[release()][..]));
}
