use super::{carry_out, say};
use crate::act::mock::{Answer, Server};
use crate::events::{self, Queued};
use crate::judge::fixtures::builtin;
use crate::judge::reports::fixtures::{id, snapshot};
use crate::judge::reports::{Decision, Decisions, Outcome, Work};
use crate::metrics::Metrics;
use crate::watch::observe::ReportsSnapshot;
use crate::watch::published::{Problem, ReportsOutcome};
use crate::watch::report_kind::NAMESPACED;
use crate::watch::reports::{Seen, fingerprint, labels};
use gatewright_api::Reason;
use serde_json::{Value, json};

const PATH: &str = "/apis/openreports.io/v1alpha1/namespaces/shop/reports";

/// Something was found in the namespace shop, where this report is.
fn found(seen: Option<Seen>) -> ReportsSnapshot {
    let mut snapshot = snapshot(&["shop"], &["shop"]);
    snapshot.seen.extend(seen.map(|seen| (id(&NAMESPACED[0], "shop"), seen)));
    snapshot
}

/// Nothing was found any more.
fn gone(seen: Seen) -> ReportsSnapshot {
    ReportsSnapshot { audited: vec![], ..found(Some(seen)) }
}

const OLD: Seen = Seen { ours: true, fingerprint: 0 };

async fn done(snapshot: &ReportsSnapshot, answers: Vec<Answer>) -> (Server, Outcome) {
    let server = Server::new(answers);
    let decisions = Decisions::of(snapshot, builtin()).unwrap();
    let outcome = carry_out(&server.client(), &decisions).await;
    (server, outcome)
}

fn content(snapshot: &ReportsSnapshot) -> Value {
    let decisions = Decisions::of(snapshot, builtin()).unwrap();
    let Some(Decision { work: Some(Work::Write { content, .. }), .. }) = decisions.iter().next() else {
        panic!("nothing to write")
    };
    content
}

/// The report as it should be, in the API, found at another time.
fn report(labels: &Value) -> Value {
    let mut report = content(&found(None));
    report["apiVersion"] = json!("openreports.io/v1alpha1");
    report["kind"] = json!("Report");
    report["metadata"] = json!({
        "name": "gatewright", "namespace": "shop", "uid": "u", "resourceVersion": "1", "labels": labels,
    });
    report["results"][0]["timestamp"] = json!({"seconds": 7, "nanos": 0});
    report
}

fn asked(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| line.replace("PATH", PATH)).collect()
}

#[tokio::test]
async fn a_report_is_created_where_there_is_none() {
    let (server, outcome) = done(&found(None), vec![Answer::Stored]).await;
    assert_eq!(server.asked(), asked(&["POST PATH?fieldManager=gatewright"]));
    let sent = &server.sent()[0];
    assert_eq!(sent["metadata"]["labels"], json!(labels()));
    assert_eq!((&sent["metadata"]["namespace"], &sent["summary"]["fail"]), (&json!("shop"), &json!(1)));
    assert!(outcome.failed.is_none() && outcome.published.problems.is_empty());
    assert_eq!(outcome.published.results.fail, 1);
}

#[tokio::test]
async fn one_that_is_as_it_should_be_is_not_even_read() {
    let good = Seen { ours: true, fingerprint: fingerprint(&labels(), content(&found(None))) };
    let (server, outcome) = done(&found(Some(good)), vec![]).await;
    assert_eq!(server.asked(), Vec::<String>::new());
    assert_eq!(outcome.published.results.fail, 1);
}

#[tokio::test]
async fn a_result_that_was_there_keeps_its_time() {
    let mut old = report(&json!(labels()));
    old["summary"]["fail"] = json!(3);
    let (server, outcome) = done(&found(Some(OLD)), vec![Answer::Object(old), Answer::Stored]).await;
    let lines = ["GET PATH/gatewright", "PATCH PATH/gatewright?force=true&fieldManager=gatewright"];
    assert_eq!(server.asked(), asked(&lines));
    let sent = &server.sent()[1];
    assert_eq!(sent["results"][0]["timestamp"]["seconds"], 7);
    assert_eq!((&sent["metadata"]["uid"], &sent["metadata"]["resourceVersion"]), (&json!("u"), &json!("1")));
    assert!(outcome.failed.is_none(), "{outcome:?}");
    // Where only the time differs, nothing is written.
    let same = Answer::Object(report(&json!(labels())));
    let (server, _) = done(&found(Some(OLD)), vec![same]).await;
    assert_eq!(server.asked(), asked(&["GET PATH/gatewright"]));
}

#[tokio::test]
async fn one_of_somebody_else_is_never_touched() {
    let foreign = Seen { ours: false, ..OLD };
    let theirs = || Answer::Object(report(&json!({"app": "other"})));
    let (server, outcome) = done(&found(Some(foreign)), vec![theirs()]).await;
    assert_eq!(server.asked(), asked(&["GET PATH/gatewright"]));
    assert!(outcome.failed.is_none(), "it goes by itself, and is watched");
    let problem = &outcome.published.problems[&id(&NAMESPACED[0], "shop")];
    assert_eq!(problem.reason, Reason::Conflict);
    // Nor is one that was ours when it was seen.
    let (server, outcome) = done(&gone(OLD), vec![theirs()]).await;
    assert_eq!(server.asked(), asked(&["GET PATH/gatewright"]));
    assert!(outcome.failed.is_none() && outcome.published.problems.is_empty());
}

#[tokio::test]
async fn a_report_goes_when_there_is_nothing_to_report() {
    let (server, outcome) =
        done(&gone(OLD), vec![Answer::Object(report(&json!(labels()))), Answer::Object(json!({}))]).await;
    assert_eq!(server.asked(), asked(&["GET PATH/gatewright", "DELETE PATH/gatewright?"]));
    assert_eq!(server.sent()[1]["preconditions"], json!({"uid": "u", "resourceVersion": "1"}));
    assert!(outcome.failed.is_none(), "{outcome:?}");
    // It is gone already.
    let (server, outcome) = done(&gone(OLD), vec![Answer::Refused(404, "NotFound")]).await;
    assert_eq!(server.asked(), asked(&["GET PATH/gatewright"]));
    assert!(outcome.failed.is_none(), "{outcome:?}");
}

#[tokio::test]
async fn what_the_api_server_refuses_is_noted_and_tried_again() {
    for (answer, reason) in [
        (Answer::Refused(409, "AlreadyExists"), Some("AlreadyExists")),
        (Answer::Refused(403, "Forbidden"), Some("Forbidden")),
        (Answer::Refused(500, "InternalError"), Some("InternalError")),
        // The namespace takes its reports with it, and so does the kind.
        (Answer::NamespaceTerminating, None),
        (Answer::Refused(404, "NotFound"), None),
    ] {
        let (server, outcome) = done(&found(None), vec![answer]).await;
        assert_eq!(server.asked().len(), 1);
        assert_eq!(outcome.failed.map(|error| error.reason()).as_deref(), reason);
        let problems: Vec<_> = outcome.published.problems.values().map(|problem| problem.reason).collect();
        assert_eq!(problems, reason.map(|_| Reason::ApplyFailed).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_problem_is_an_event_in_its_namespace_once() {
    let (events, mut queued) = events::channel(Metrics::new());
    let problem = |reason| Problem { reason, message: "in the way".to_owned() };
    let problems = [
        (id(&NAMESPACED[0], "shop"), problem(Reason::Conflict)),
        (id(&NAMESPACED[0], "till"), problem(Reason::ApplyFailed)),
    ];
    let now = ReportsOutcome { problems: problems.into(), ..ReportsOutcome::default() };
    say(&events, None, &now);
    say(&events, Some(&now), &now);
    let said: Vec<_> = std::iter::from_fn(|| queued.try_recv().ok()).map(|it| Queued::text(&it)).collect();
    assert_eq!(said, ["Warning ReportNotWritten of Namespace shop: in the way"]);
}
