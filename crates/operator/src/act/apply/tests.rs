use super::{apply, delete};
use crate::Error;
use crate::act::mock::{Answer, Server};
use crate::watch::desired::{Found, Prepared, Write};
use crate::watch::kind::Kind;
use crate::watch::live::Live;
use gatewright_rules::Template;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use std::sync::Arc;

const PATH: &str = "/apis/constraints.gatekeeper.sh/v1beta1/d8securitypolicy";

fn prepared() -> Prepared {
    let owner =
        json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "name": "a", "uid": "p"});
    let metadata = serde_json::from_value(json!({
        "name": "a", "labels": {"gatewright.io/owner": "builtin"}, "ownerReferences": [owner],
    }));
    let kind = Kind::Constraint(Template::SecurityPolicy);
    Prepared::new(kind, &metadata.unwrap(), &json!({"spec": {"parameters": {"a": 1}}}))
}

/// The object as it should be, in its first version.
fn stored() -> Value {
    let mut object = json!(prepared().object());
    object["metadata"]["uid"] = json!("u");
    object["metadata"]["resourceVersion"] = json!("1");
    object
}

/// The same with one edit.
fn edited(pointer: &str, value: Value) -> Value {
    let mut object = stored();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[field] = value;
    object
}

fn live(object: Value) -> Arc<Live> {
    Arc::new(Live::from(serde_json::from_value::<DynamicObject>(object).unwrap()))
}

/// What has to be written where this is in the API.
fn update(object: Value) -> Write {
    match prepared().compare(Some(&live(object))) {
        Found::Differs(write) => write,
        other => panic!("{other:?}"),
    }
}

/// Somebody took a parameter away; server-side apply can put it back.
fn lacking() -> Value {
    edited("/spec/parameters", json!({}))
}

/// Somebody added a field; only a full update takes it away.
fn surplus() -> Value {
    edited("/spec/match", json!({"labelSelector": {}}))
}

async fn write(write: Write, answers: Vec<Answer>) -> (Result<(), Error>, Server) {
    let server = Server::new(answers);
    let applied = apply(&server.client(), &prepared(), &write).await;
    (applied.map(drop), server)
}

fn asked(server: &Server) -> Vec<String> {
    server.asked().iter().map(|line| line.trim_end_matches('?').replace(PATH, "PATH")).collect()
}

const CREATE: &str = "POST PATH?fieldManager=gatewright";
const PATCH: &str = "PATCH PATH/a?force=true&fieldManager=gatewright";
const GET: &str = "GET PATH/a";
const PUT: &str = "PUT PATH/a?fieldManager=gatewright";

/// What the API server answers, the reason of the error that comes of it, and what it was asked.
async fn becomes(to_write: Write, answers: Vec<Answer>, expected: Option<&str>, requests: &[&str]) {
    let what = format!("{to_write:?}: {answers:?}");
    let (result, server) = write(to_write, answers).await;
    assert_eq!(result.err().map(|error| error.reason()).as_deref(), expected, "{what}");
    assert_eq!(asked(&server), requests, "{what}");
}

#[tokio::test]
async fn what_is_not_there_is_created() {
    for (answer, expected) in [
        (Answer::Stored, None),
        // Somebody was faster.
        (Answer::Refused(409, "AlreadyExists"), Some("AlreadyExists")),
        (Answer::Refused(403, "Forbidden"), Some("Forbidden")),
        (Answer::Object(lacking()), Some("NotKept")),
    ] {
        becomes(Write::Create, vec![answer], expected, &[CREATE]).await;
    }
}

fn foreign() -> Value {
    edited("/metadata/labels", json!({"gatewright.io/owner": "render"}))
}

#[tokio::test]
async fn what_lacks_something_is_applied() {
    use Answer::{Object, Refused, Stored};
    for (answer, expected) in [
        (Object(stored()), None),
        (Refused(409, "Conflict"), Some("Conflict")),
        // It went in the meantime.
        (Refused(404, "NotFound"), Some("Conflict")),
        (Refused(403, "Forbidden"), Some("Forbidden")),
        // Somebody else took its name.
        (Object(foreign()), Some("Foreign")),
    ] {
        becomes(update(lacking()), vec![answer], expected, &[PATCH]).await;
    }
    // Another's field has come in between.
    let answers = vec![Object(surplus()), Object(surplus()), Stored];
    becomes(update(lacking()), answers, None, &[PATCH, GET, PUT]).await;
}

#[tokio::test]
async fn what_has_something_too_much_is_replaced() {
    use Answer::{Object, Refused, Stored};
    for (answer, expected) in
        [(Stored, None), (Refused(409, "Conflict"), Some("Conflict")), (Object(surplus()), Some("NotKept"))]
    {
        becomes(update(surplus()), vec![Object(surplus()), answer], expected, &[GET, PUT]).await;
    }
    becomes(update(surplus()), vec![Object(foreign())], Some("Foreign"), &[GET]).await;
    becomes(update(surplus()), vec![Refused(404, "NotFound")], Some("Conflict"), &[GET]).await;
}

#[tokio::test]
async fn a_change_names_the_version_that_it_was_computed_from() {
    let (_, server) = write(update(lacking()), vec![Answer::Object(stored())]).await;
    let sent = &server.sent()[0]["metadata"];
    assert_eq!((&sent["uid"], &sent["resourceVersion"]), (&json!("u"), &json!("1")));
    let (_, server) = write(Write::Create, vec![Answer::Stored]).await;
    let sent = &server.sent()[0];
    assert_eq!(sent, &json!(prepared().object()));
}

#[tokio::test]
async fn a_full_update_leaves_what_is_not_ours() {
    let mut found = surplus();
    found["metadata"]["labels"]["theirs"] = json!("x");
    found["metadata"]["annotations"] = json!({"theirs": "x"});
    found["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "K", "name": "o", "uid": "o"}]);
    found["metadata"]["managedFields"] = json!([{"manager": "gatewright"}]);
    found["metadata"]["resourceVersion"] = json!("9");
    let (result, server) = write(update(surplus()), vec![Answer::Object(found), Answer::Stored]).await;
    assert!(result.is_ok(), "{result:?}");
    let sent = &server.sent()[1];
    let mut expected = stored();
    expected["metadata"]["labels"]["theirs"] = json!("x");
    expected["metadata"]["annotations"] = json!({"theirs": "x"});
    assert_eq!(sent, &expected);
}

#[tokio::test]
async fn what_is_deleted_is_what_was_seen() {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Success"});
    let held = edited("/metadata/finalizers", json!(["example.com/hold"]));
    for (what, answer, expected) in [
        ("deleted", Answer::Object(status), None),
        ("deleted, and held", Answer::Object(held), None),
        ("gone already", Answer::Refused(404, "NotFound"), None),
        ("changed meanwhile", Answer::Refused(409, "Conflict"), Some("Conflict")),
        ("forbidden", Answer::Refused(403, "Forbidden"), Some("Forbidden")),
    ] {
        let server = Server::new([answer]);
        let result = delete(&server.client(), &prepared().id, &live(stored())).await;
        assert_eq!(result.err().map(|error| error.reason()).as_deref(), expected, "{what}");
        assert_eq!(asked(&server), ["DELETE PATH/a"], "{what}");
        let preconditions = &server.sent()[0]["preconditions"];
        assert_eq!(preconditions, &json!({"uid": "u", "resourceVersion": "1"}), "{what}");
    }
}
