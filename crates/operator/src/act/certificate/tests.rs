use super::{Made, Place, carry_out};
use crate::act::mock::{Answer, Server};
use crate::judge::certificate::{Coming, Pair, Rewrite};
use crate::judge::verifier::SecretAction;
use crate::watch::certificate::{Held, Slot};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

const HOST: &str = "gatewright-verifier.gatewright-system.svc";
const PATH: &str = "/api/v1/namespaces/gatewright-system/secrets";

fn write(pair: Pair, next: Coming, previous: &[&str]) -> SecretAction {
    let previous = previous.iter().map(|text| (*text).to_owned()).collect();
    SecretAction::Write(Rewrite { pair, next, previous })
}

/// A certificate and its key, as they stand in a Secret.
fn made(host: &str) -> (Value, Value) {
    let made = Made::new(host, Timestamp::now()).unwrap();
    (json!(ByteString(made.certificate.into_bytes())), json!(ByteString(made.key.as_bytes().to_vec())))
}

/// The Secret with a pair and the next one.
fn secret(version: &str) -> Value {
    let (pair, next) = (made(HOST), made(HOST));
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {
            "name": "gatewright-verifier-tls", "namespace": "gatewright-system", "uid": "u", "resourceVersion": version,
            "labels": {"theirs": "1"}, "annotations": {"theirs": "2"}, "managedFields": [{"manager": "x"}],
        },
        "data": {
            "tls.crt": pair.0, "tls.key": pair.1, "next.crt": next.0, "next.key": next.1, "more": "eA==",
        },
    })
}

fn seen() -> Held {
    Held { uid: "u".to_owned(), resource_version: "7".to_owned(), ours: true, ..Held::default() }
}

async fn carried_out(
    answers: Vec<Answer>,
    seen: Option<Held>,
    action: SecretAction,
) -> (Option<String>, Server) {
    let server = Server::new(answers);
    let place = Place { namespace: "gatewright-system", host: HOST };
    let result = carry_out(&server.client(), place, seen.as_ref(), &action).await;
    (result.err().map(|error| error.reason()), server)
}

fn read(sent: &Value) -> Held {
    Held::from(serde_json::from_value::<Secret>(sent.clone()).unwrap())
}

#[tokio::test]
async fn a_new_secret_has_a_pair_that_is_its_own_authority() {
    let action = write(Pair::New, Coming::Nothing, &["old;"]);
    let (error, server) = carried_out(vec![Answer::Stored], None, action).await;
    assert_eq!((error, server.asked()), (None, vec![format!("POST {PATH}?fieldManager=gatewright")]));
    let sent = &server.sent()[0];
    let expected = json!({"name": "gatewright-verifier-tls", "labels": {"gatewright.io/owner": "builtin"}});
    assert_eq!((&sent["metadata"], &sent["type"]), (&expected, &json!("kubernetes.io/tls")));
    assert_eq!(sent["data"]["previous.crt"], "b2xkOw==");
    let held = read(sent);
    let certificate = held.pair.certificate().unwrap();
    assert_eq!(
        (&certificate.hosts[..], &held.next, held.ours),
        (&[HOST.to_owned()][..], &Slot::Nothing, true)
    );
    let now = Timestamp::now();
    assert!(certificate.is_valid_at(now) && certificate.is_valid_at(now - Duration::from_mins(50)));
    assert!(certificate.is_valid_at(now + Duration::from_hours(24 * 89)));
    assert!(!certificate.is_valid_at(now + Duration::from_hours(24 * 90)));
}

#[tokio::test]
async fn the_pairs_change_places_and_nothing_else_of_the_secret_changes() {
    let before = secret("7");
    let entry = |name: &str| before["data"][name].clone();
    let keys = |sent: &Value| -> Vec<String> { sent["data"].as_object().unwrap().keys().cloned().collect() };
    let metadata = json!({
        "name": "gatewright-verifier-tls", "namespace": "gatewright-system", "uid": "u", "resourceVersion": "7",
        "labels": {"theirs": "1", "gatewright.io/owner": "builtin"}, "annotations": {"theirs": "2"},
    });
    let asked = [
        format!("GET {PATH}/gatewright-verifier-tls"),
        format!("PUT {PATH}/gatewright-verifier-tls?fieldManager=gatewright"),
    ];
    let run = async |action| {
        let answers = vec![Answer::Object(before.clone()), Answer::Stored];
        let (error, server) = carried_out(answers, Some(seen()), action).await;
        assert_eq!((error, server.asked()), (None, asked.to_vec()));
        let sent = server.sent()[1].clone();
        assert_eq!(sent["metadata"], metadata);
        sent
    };
    let sent = run(write(Pair::Next, Coming::Nothing, &["a;", "b;"])).await;
    assert_eq!(keys(&sent), ["previous.crt", "tls.crt", "tls.key"]);
    assert_eq!(
        (&sent["data"]["tls.crt"], &sent["data"]["tls.key"]),
        (&entry("next.crt"), &entry("next.key"))
    );
    assert_eq!(sent["data"]["previous.crt"], json!(ByteString(b"a;b;".to_vec())));

    let sent = run(write(Pair::Kept, Coming::New, &[])).await;
    assert_eq!(keys(&sent), ["next.crt", "next.key", "tls.crt", "tls.key"]);
    assert_eq!((&sent["data"]["tls.crt"], &sent["data"]["tls.key"]), (&entry("tls.crt"), &entry("tls.key")));
    assert!(sent["data"]["next.crt"] != entry("next.crt") && read(&sent).next.certificate().is_some());

    let sent = run(write(Pair::Kept, Coming::Kept, &[])).await;
    assert_eq!(
        (&sent["data"]["next.crt"], &sent["data"]["next.key"]),
        (&entry("next.crt"), &entry("next.key"))
    );

    let sent = run(write(Pair::New, Coming::Nothing, &[])).await;
    assert!(sent["data"]["tls.crt"] != entry("tls.crt") && read(&sent).pair.certificate().is_some());
}

#[tokio::test]
async fn a_secret_that_has_changed_stays_as_it_is() {
    let renew = || write(Pair::Kept, Coming::New, &[]);
    let found = |version| Answer::Object(secret(version));
    for (what, answers, seen, action, reason) in [
        (
            "another leader made it",
            vec![Answer::Refused(409, "AlreadyExists")],
            None,
            renew(),
            "AlreadyExists",
        ),
        ("another leader changed it", vec![found("8")], Some(seen()), renew(), "Conflict"),
        (
            "changed meanwhile",
            vec![found("7"), Answer::Refused(409, "Conflict")],
            Some(seen()),
            renew(),
            "Conflict",
        ),
        ("gone", vec![Answer::Refused(404, "NotFound")], Some(seen()), renew(), "Conflict"),
        (
            "gone meanwhile",
            vec![found("7"), Answer::Refused(404, "NotFound")],
            Some(seen()),
            renew(),
            "Conflict",
        ),
        ("forbidden", vec![Answer::Refused(403, "Forbidden")], Some(seen()), renew(), "Forbidden"),
        ("forbidden to create", vec![Answer::Refused(403, "Forbidden")], None, renew(), "Forbidden"),
        (
            "deleted by another",
            vec![Answer::Refused(409, "Conflict")],
            Some(seen()),
            SecretAction::Delete,
            "Conflict",
        ),
    ] {
        let count = answers.len();
        let (error, server) = carried_out(answers, seen, action).await;
        assert_eq!((error.as_deref(), server.asked().len()), (Some(reason), count), "{what}");
    }
}

#[tokio::test]
async fn only_the_secret_that_was_seen_is_deleted() {
    let (error, server) =
        carried_out(vec![Answer::Object(secret("7"))], Some(seen()), SecretAction::Delete).await;
    assert_eq!((error, server.asked()), (None, vec![format!("DELETE {PATH}/gatewright-verifier-tls?")]));
    assert_eq!(server.sent()[0]["preconditions"], json!({"uid": "u", "resourceVersion": "7"}));
    let gone = vec![Answer::Refused(404, "NotFound")];
    assert_eq!(carried_out(gone, Some(seen()), SecretAction::Delete).await.0, None);
    let (error, server) = carried_out(vec![], None, SecretAction::Delete).await;
    assert_eq!((error, server.asked().len()), (None, 0));
}

#[tokio::test]
async fn no_message_and_no_error_shows_a_key() {
    let before = secret("7");
    let answers = vec![Answer::Object(before.clone()), Answer::Refused(422, "Invalid")];
    let server = Server::new(answers);
    let place = Place { namespace: "gatewright-system", host: HOST };
    let result =
        carry_out(&server.client(), place, Some(&seen()), &write(Pair::Next, Coming::Nothing, &[])).await;
    let error = result.unwrap_err();
    let key = before["data"]["next.key"].as_str().unwrap();
    assert!(!format!("{error} {error:?}").contains(key));
    // A host that no certificate can name is said with the setting that it comes from.
    let odd = Place { host: "ü", ..place };
    let error =
        carry_out(&Server::new([]).client(), odd, None, &write(Pair::New, Coming::Nothing, &[])).await;
    let said = error.unwrap_err().to_string();
    assert!(
        said.starts_with("no certificate can be made for ü, the host of signatures.url in the settings: "),
        "{said}"
    );
}

#[test]
fn an_address_can_be_the_host() {
    for host in ["10.96.0.7", "fd00::7"] {
        let (certificate, key) = made(host);
        let secret = json!({"metadata": {}, "data": {"tls.crt": certificate, "tls.key": key}});
        assert!(read(&secret).pair.certificate().unwrap().is_for(host), "{host}");
    }
}
