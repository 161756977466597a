use super::{CACHE_LAG, undone};
use crate::Error;
use crate::act::mock::{Answer, Server};
use crate::act::writer::Writer;
use crate::events::{self, Queued};
use crate::judge::conditions::Judgement;
use crate::judge::draft::{Draft, Facts, Outcome};
use crate::judge::fixtures::{applied, builtin, edited, live, silent, taken_in, update};
use crate::judge::plan::{Action, Next, Plan, Status};
use crate::metrics::Metrics;
use crate::watch::desired::{Difference, Prepared, Write};
use crate::watch::key::{Changes, Key};
use crate::watch::kind::{Id, Kind};
use crate::watch::live::Live;
use crate::watch::published::RoutingOutcome;
use crate::watch::system::Replica;
use crate::watch::world::World;
use gatewright_api::{PolicyKind, PolicyStatus, Reason};
use gatewright_compiler::Settings;
use gatewright_rules::Template;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;

const STANDARD: &str = "/apis/constraints.gatekeeper.sh/v1beta1/d8podsecuritystandard";
const POLICY: &str = "/apis/deckhouse.io/v1alpha1/securitypolicies";

fn alone() -> Replica {
    let (_, settings_problem) = watch::channel(None);
    Replica { identity: "a".to_owned(), elects: false, settings_problem }
}

/// A writer, the API server that it writes to, and what else comes of it.
struct Scene {
    server: Server,
    writer: Writer,
    metrics: Metrics,
    events: Receiver<Queued>,
    woken: Arc<Mutex<Vec<Key>>>,
}

impl Scene {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let (server, woken, metrics) =
            (Server::new(answers), Arc::<Mutex<Vec<Key>>>::default(), Metrics::new());
        let keys = Arc::clone(&woken);
        let changes = Changes::new(move |key| keys.lock().unwrap().push(key));
        let world = World::new(server.client(), Settings::default(), Arc::default(), changes, alone());
        let (sender, events) = events::channel(metrics.clone());
        let writer = Writer::new(Arc::new(world), metrics.clone(), sender);
        Self { server, writer, metrics, events, woken }
    }

    async fn carry_out(&self, plan: Plan) -> Result<Next, Error> {
        self.writer.carry_out(plan).await
    }

    fn asked(&self) -> Vec<String> {
        self.server
            .asked()
            .iter()
            .map(|line| line.trim_end_matches('?').replace(STANDARD, "STANDARD").replace(POLICY, "POLICY"))
            .collect()
    }

    /// How many events were handed over since the last time.
    fn events(&mut self) -> usize {
        std::iter::from_fn(|| self.events.try_recv().ok()).count()
    }

    fn last_applied(&self, id: &Id) -> Option<Arc<Prepared>> {
        self.writer.world.last_applied.observed(id, None).last_applied
    }

    fn repairs(&self) -> bool {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.metrics.registry()).unwrap();
        text.contains("gatewright_repairs_total{kind=\"D8PodSecurityStandard\"} 1")
    }
}

fn standard() -> Arc<Prepared> {
    Arc::clone(&builtin().standards[0].prepared)
}

/// The constraint as the API server stores it.
fn stored() -> Answer {
    let mut object = json!(standard().object());
    object["metadata"]["uid"] = json!("u");
    object["metadata"]["resourceVersion"] = json!("2");
    Answer::Object(object)
}

fn apply(write: Write, repair: bool) -> Plan {
    silent(vec![Action::Apply { prepared: standard(), write, repair }])
}

#[tokio::test]
async fn an_object_is_created_and_remembered() {
    let mut scene = Scene::new([Answer::Stored]);
    let next = scene.carry_out(apply(Write::Create, false)).await.unwrap();
    assert_eq!(
        (next, scene.asked()),
        (Next::Change, vec!["POST STANDARD?fieldManager=gatewright".to_owned()])
    );
    assert_eq!((scene.events(), scene.repairs()), (0, false));
    let seen = scene.writer.world.last_applied.observed(&standard().id, None);
    assert_eq!(seen.last_applied, Some(standard()));
    assert!(seen.lag.is_some() && seen.settling.is_some(), "{seen:?}");
}

#[tokio::test]
async fn a_repair_says_who_did_what() {
    let mut scene = Scene::new([stored(), stored()]);
    let bad = Arc::new(edited(&standard()));
    scene.carry_out(apply(update(&bad), true)).await.unwrap();
    assert_eq!((scene.events(), scene.repairs()), (1, true));
    // A full update reads first.
    assert_eq!(scene.asked().len(), 2);
    let difference =
        Difference { fields: vec!["spec.a".to_owned(), "metadata.labels[b]".to_owned()], surplus: false };
    let somebody = Arc::new(Live { editor: None, ..Live::clone(&bad) });
    for (write, expected) in [
        (Write::Create, "somebody deleted it; it is there again"),
        (
            Write::Update { live: somebody, difference: difference.clone() },
            "somebody changed spec.a, metadata.labels[b]; it is as before",
        ),
        (
            Write::Update { live: bad, difference },
            "kubectl-edit changed spec.a, metadata.labels[b]; it is as before",
        ),
    ] {
        assert_eq!(undone(&write), expected);
    }
}

#[tokio::test]
async fn what_is_found_or_gone_needs_no_request() {
    let mut scene = Scene::new([]);
    let id = standard().id.clone();
    scene.carry_out(silent(vec![Action::Remember(standard())])).await.unwrap();
    assert_eq!(scene.last_applied(&id), Some(standard()));
    scene.carry_out(silent(vec![Action::Forget(id.clone())])).await.unwrap();
    assert_eq!(scene.last_applied(&id), None);
    scene.carry_out(Plan::default()).await.unwrap();
    assert_eq!((scene.asked(), scene.events()), (vec![], 0));
}

#[tokio::test]
async fn what_is_deleted_is_not_missed() {
    let scene = Scene::new([Answer::Refused(404, "NotFound")]);
    let (prepared, there) = (standard(), Arc::new(live(&standard())));
    scene.writer.world.last_applied.found(Arc::clone(&prepared));
    let delete = Action::Delete { id: prepared.id.clone(), live: Arc::clone(&there) };
    scene.carry_out(silent(vec![delete])).await.unwrap();
    let seen = scene.writer.world.last_applied.observed(&prepared.id, Some(there));
    assert!(seen.last_applied.is_none() && seen.lag.is_some(), "{seen:?}");
    assert_eq!(scene.asked(), [format!("DELETE STANDARD/{}", prepared.id.name)]);
}

#[tokio::test]
async fn a_failure_keeps_nothing_else_from_being_done() {
    let scene = Scene::new([Answer::Refused(403, "Forbidden"), Answer::Stored]);
    let other = Arc::clone(&builtin().standards[1].prepared);
    let mut plan = apply(Write::Create, false);
    plan.actions.push(Action::Apply { prepared: Arc::clone(&other), write: Write::Create, repair: false });
    let error = scene.carry_out(plan).await.unwrap_err();
    assert_eq!((error.reason().as_str(), scene.asked().len()), ("Forbidden", 2));
    assert_eq!(scene.last_applied(&standard().id), None, "nothing is remembered of what failed");
    assert_eq!(scene.last_applied(&other.id), Some(other));
}

#[tokio::test]
async fn what_stands_in_the_way_is_no_error() {
    let mut foreign = json!(standard().object());
    foreign["metadata"]["labels"] = json!({});
    let scene = Scene::new([Answer::Object(foreign)]);
    let bad = Arc::new(edited(&standard()));
    assert_eq!(scene.carry_out(apply(update(&bad), false)).await.unwrap(), Next::Change);
}

fn sweep() -> Plan {
    let id = Id::new(Kind::Constraint(Template::PodSecurityStandard), "a");
    silent(vec![Action::Sweep { policy: PolicyKind::SecurityPolicy, id, live: Arc::new(live(&standard())) }])
}

fn absent(name: &str) -> Answer {
    Answer::Absent(name.to_owned())
}

#[tokio::test]
async fn only_the_api_server_knows_that_a_policy_is_gone() {
    let policy = json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "a"},
    });
    let (looked, deleted) = ("GET POLICY/a", "DELETE STANDARD/a");
    for (what, answers, expected, requests) in [
        (
            "it is gone",
            vec![absent("a"), Answer::Refused(404, "NotFound")],
            Ok(Next::Change),
            vec![looked, deleted],
        ),
        ("it is there", vec![Answer::Object(policy)], Ok(Next::After(CACHE_LAG)), vec![looked]),
        (
            "its kind is gone, which proves nothing",
            vec![Answer::Refused(404, "NotFound")],
            Err("NotFound"),
            vec![looked],
        ),
        ("nobody answers", vec![Answer::Refused(500, "InternalError")], Err("InternalError"), vec![looked]),
    ] {
        let scene = Scene::new(answers);
        let result = scene.carry_out(sweep()).await.map_err(|error| error.reason());
        assert_eq!(result, expected.map_err(str::to_owned), "{what}");
        assert_eq!(scene.asked(), requests, "{what}");
    }
}

fn draft(outcome: Outcome) -> Draft {
    Draft {
        kind: PolicyKind::SecurityPolicy,
        policy: ObjectMeta {
            name: Some("a".to_owned()),
            uid: Some("u".to_owned()),
            resource_version: Some("5".to_owned()),
            generation: Some(1),
            ..ObjectMeta::default()
        },
        previous: None,
        valid: Judgement::yes(Reason::Compiled, "v"),
        rules: outcome,
        signatures: Outcome::Nothing,
        facts: Facts::default(),
    }
}

fn all_is_well() -> Outcome {
    let prepared = standard();
    Outcome::Applied {
        applied: applied(&prepared, &Arc::new(taken_in(&prepared))),
        hash: "h".to_owned(),
        generation: 1,
        enforced: Judgement::yes(Reason::Enforced, "e"),
    }
}

fn say(draft: Draft) -> Plan {
    Plan { status: Status::Policy(Box::new(draft)), ..Plan::default() }
}

const WRITES_STATUS: &str = "PUT POLICY/a/status?fieldManager=gatewright";

#[tokio::test]
async fn a_status_is_written_for_the_version_that_was_seen() {
    let mut scene = Scene::new([Answer::Stored]);
    scene.carry_out(say(draft(all_is_well()))).await.unwrap();
    assert_eq!(scene.asked(), [WRITES_STATUS]);
    let sent = &scene.server.sent()[0];
    assert_eq!(sent["metadata"], json!({"name": "a", "uid": "u", "resourceVersion": "5"}));
    assert_eq!(sent["status"]["constraints"]["hash"], "h");
    assert_eq!(scene.events(), 1, "Ready has turned");
}

#[tokio::test]
async fn a_status_that_says_nothing_new_is_not_written() {
    let mut scene = Scene::new([]);
    let before = draft(all_is_well()).status(&Time(Timestamp::UNIX_EPOCH));
    scene.carry_out(say(Draft { previous: before, ..draft(all_is_well()) })).await.unwrap();
    scene.carry_out(say(draft(Outcome::Unsaid))).await.unwrap();
    assert_eq!((scene.asked(), scene.events()), (vec![], 0));
}

#[tokio::test]
async fn a_status_may_come_too_late() {
    for (code, reason, expected) in [(404, "NotFound", None), (409, "Conflict", Some("Conflict"))] {
        let mut scene = Scene::new([Answer::Refused(code, reason)]);
        let result = scene.carry_out(say(draft(all_is_well()))).await;
        assert_eq!(result.err().map(|error| error.reason()).as_deref(), expected);
        assert_eq!(scene.events(), 0, "nothing was said");
    }
}

/// Creates a constraint of a policy, and says of it what can be said. Returns the status that was written.
async fn created(answers: Vec<Answer>) -> (Result<Next, String>, Vec<String>, Option<PolicyStatus>) {
    let scene = Scene::new(answers);
    let status = Status::Policy(Box::new(draft(Outcome::Unsaid)));
    let result = scene.carry_out(Plan { status, ..apply(Write::Create, false) }).await;
    let sent: Option<Value> = scene.server.sent().pop().filter(|sent| !sent["status"].is_null());
    let status = sent.map(|sent| serde_json::from_value(sent["status"].clone()).unwrap());
    (result.map_err(|error| error.reason()), scene.asked(), status)
}

#[tokio::test]
async fn what_becomes_of_a_write_is_said_once_it_is_seen_and_of_a_failure_at_once() {
    const CREATES: &str = "POST STANDARD?fieldManager=gatewright";
    let (result, asked, status) = created(vec![Answer::Stored]).await;
    assert_eq!((result, asked, status), (Ok(Next::Change), vec![CREATES.to_owned()], None));
    let (result, asked, status) = created(vec![Answer::Refused(403, "Forbidden"), Answer::Stored]).await;
    assert_eq!(
        (result, asked),
        (Err("Forbidden".to_owned()), vec![CREATES.to_owned(), WRITES_STATUS.to_owned()])
    );
    let status = status.unwrap();
    let reasons: Vec<_> = status.conditions.iter().map(|condition| condition.reason.as_str()).collect();
    assert_eq!(reasons, ["Compiled", "ApplyFailed", "ApplyFailed", "ApplyFailed"]);
    // What came in between is looked at again, and no matter of the status.
    let (result, asked, status) = created(vec![Answer::Refused(409, "AlreadyExists")]).await;
    assert_eq!((result, asked, status), (Err("AlreadyExists".to_owned()), vec![CREATES.to_owned()], None));
}

#[tokio::test]
async fn the_routing_is_published_once() {
    let mut scene = Scene::new([]);
    let outcome = RoutingOutcome { guard: true, ..RoutingOutcome::default() };
    let say = || Plan { status: Status::Routing(Box::new(outcome.clone())), ..Plan::default() };
    scene.carry_out(say()).await.unwrap();
    scene.carry_out(say()).await.unwrap();
    assert_eq!(*scene.woken.lock().unwrap(), [Key::System]);
    assert_eq!(scene.writer.world.routing.get(), Some(outcome.clone()));
    assert_eq!((scene.asked(), scene.events()), (vec![], 0));
}
