use super::publish;
use crate::Error;
use crate::act::mock::{Answer, Server};
use crate::events::{self, Queued};
use crate::judge::plan::SystemDraft;
use crate::metrics::Metrics;
use gatewright_api::{Notice, Reason, SystemStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

const CREATE: &str = "POST /apis/gatewright.io/v1alpha1/gatewrightstatuses?fieldManager=gatewright";
const WRITE: &str =
    "PUT /apis/gatewright.io/v1alpha1/gatewrightstatuses/cluster/status?fieldManager=gatewright";

fn seen() -> Option<ObjectMeta> {
    serde_json::from_value(json!({"name": "cluster", "uid": "u", "resourceVersion": "1"})).ok()
}

fn notice(reason: &str) -> Notice {
    Notice { reason: reason.to_owned(), message: "look at this".to_owned() }
}

fn draft(seen: Option<ObjectMeta>) -> SystemDraft {
    let turned = Condition {
        type_: "Ready".to_owned(),
        status: "False".to_owned(),
        reason: Reason::Broken.as_str().to_owned(),
        message: "Settings: line 1".to_owned(),
        observed_generation: None,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    };
    let status = SystemStatus { conditions: vec![turned.clone()], ..SystemStatus::default() };
    SystemDraft {
        seen,
        status: Some(Box::new(status)),
        turned: Some(turned),
        events: vec![notice("NewerVersion")],
        log: vec![notice("NewerVersion")],
    }
}

/// What the server was asked, what events there are, and how it ended.
async fn published(draft: SystemDraft, answers: Vec<Answer>) -> (Server, Vec<String>, Result<(), Error>) {
    let server = Server::new(answers);
    let (events, mut queued) = events::channel(Metrics::new());
    let result = publish(&server.client(), &events, draft).await;
    let said = std::iter::from_fn(|| queued.try_recv().ok()).map(|event| Queued::text(&event)).collect();
    (server, said, result)
}

const SAID: [&str; 2] = [
    "Warning Broken of GatewrightStatus cluster: Settings: line 1",
    "Warning NewerVersion of GatewrightStatus cluster: look at this",
];

#[tokio::test]
async fn the_status_is_written_to_the_version_that_was_seen() {
    let (server, said, result) = published(draft(seen()), vec![Answer::Stored]).await;
    result.unwrap();
    assert_eq!((server.asked(), said), (vec![WRITE.to_owned()], SAID.map(str::to_owned).to_vec()));
    let sent = &server.sent()[0];
    assert_eq!(sent["metadata"], json!({"name": "cluster", "uid": "u", "resourceVersion": "1"}));
    assert_eq!(sent["status"]["conditions"][0]["reason"], "Broken");
}

#[tokio::test]
async fn an_object_that_is_not_there_is_made_first() {
    let (server, said, result) = published(draft(None), vec![Answer::Stored, Answer::Stored]).await;
    result.unwrap();
    assert_eq!((server.asked(), said.len()), (vec![CREATE.to_owned(), WRITE.to_owned()], 2));
    assert_eq!(server.sent()[1]["metadata"]["uid"], "stored");
}

#[tokio::test]
async fn what_is_only_logged_writes_and_says_nothing() {
    let log = SystemDraft { status: None, turned: None, events: vec![], ..draft(seen()) };
    let (server, said, result) = published(log, vec![]).await;
    result.unwrap();
    assert_eq!((server.asked(), said), (vec![], vec![]));
}

#[tokio::test]
async fn what_could_not_be_written_is_not_said() {
    for (code, reason, stale) in
        [(409, "Conflict", true), (403, "Forbidden", false), (404, "NotFound", false)]
    {
        let (server, said, result) = published(draft(seen()), vec![Answer::Refused(code, reason)]).await;
        let error = result.unwrap_err();
        assert_eq!((error.is_stale(), error.reason().as_str()), (stale, reason));
        assert_eq!((server.asked().len(), said), (1, vec![]));
    }
    // Another replica has made the object in between.
    let (server, said, result) = published(draft(None), vec![Answer::Refused(409, "AlreadyExists")]).await;
    assert!(result.unwrap_err().is_stale());
    assert_eq!((server.asked(), said), (vec![CREATE.to_owned()], vec![]));
}
