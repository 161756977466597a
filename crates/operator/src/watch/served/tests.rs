use super::{FRESH, ServedKinds};
use crate::Error;
use crate::act::mock::{Answer, Server};
use gatewright_gatekeeper::Resource;
use serde_json::{Value, json};
use std::time::Duration;

/// What the API server answers of its groups: for each its name, and of each version the kinds, with their plural and
/// their scope.
fn groups(groups: &[(&str, &[Version])]) -> Answer {
    let resource = |group: &str, version: &str, (kind, plural, scope): &(&str, &str, &str)| {
        json!({
            "resource": plural, "responseKind": {"group": group, "version": version, "kind": kind}, "scope": scope,
            "singularResource": kind.to_lowercase(), "verbs": ["get", "list"],
        })
    };
    let version = |group: &str, (version, kinds): &Version| -> Value {
        let resources: Vec<_> = kinds.iter().map(|kind| resource(group, version, kind)).collect();
        json!({"version": version, "resources": resources, "freshness": "Current"})
    };
    let group = |(name, versions): &(&str, &[Version])| -> Value {
        let versions: Vec<_> = versions.iter().map(|it| version(name, it)).collect();
        json!({"metadata": {"name": name}, "versions": versions})
    };
    let items: Vec<_> = groups.iter().map(group).collect();
    Answer::Object(
        json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items}),
    )
}

type Version = (&'static str, &'static [(&'static str, &'static str, &'static str)]);

const CORE: Version = ("v1", &[("Pod", "pods", "Namespaced"), ("Namespace", "namespaces", "Cluster")]);

/// The two answers that make one discovery: the core group, and the others.
fn discovery(others: &[(&str, &[Version])]) -> [Answer; 2] {
    [groups(others), groups(&[("", &[CORE])])]
}

fn names(kinds: &[Resource]) -> Vec<String> {
    let name = |it: &Resource| {
        format!("{}/{} {} {}", it.group, it.kind, it.resource, if it.namespaced { "n" } else { "c" })
    };
    kinds.iter().map(name).collect()
}

fn has(kind: &str) -> impl Fn(&[Resource]) -> bool {
    move |known| known.iter().any(|it| it.kind == kind)
}

async fn look(kinds: &ServedKinds, server: &Server, kind: &str) -> Result<Vec<String>, Error> {
    kinds.look(&server.client(), has(kind)).await.map(|kinds| names(&kinds))
}

const PLAIN: [&str; 2] = ["/Namespace namespaces c", "/Pod pods n"];
const WITH_DEPLOYMENTS: [&str; 3] =
    ["/Namespace namespaces c", "/Pod pods n", "apps/Deployment deployments n"];
const DEPLOYMENTS: &[(&str, &[Version])] =
    &[("apps", &[("v1", &[("Deployment", "deployments", "Namespaced")])])];

#[tokio::test]
async fn each_kind_is_there_once_with_its_group_plural_and_scope() {
    const VERSIONS: &[Version] = &[
        ("v1", &[("Lease", "leases", "Namespaced")]),
        ("v1beta1", &[("Lease", "leases", "Namespaced"), ("Older", "olders", "Cluster")]),
    ];
    let server = Server::new(discovery(&[("example.com", VERSIONS)]));
    let found = look(&ServedKinds::default(), &server, "Pod").await.unwrap();
    let expected = [&PLAIN[..], &["example.com/Lease leases n", "example.com/Older olders c"]].concat();
    assert_eq!(found, expected);
    assert_eq!(server.asked(), ["GET /apis", "GET /api"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_suffices_is_good_for_ever() {
    let (known, server) = (ServedKinds::default(), Server::new(discovery(&[])));
    assert_eq!(look(&known, &server, "Pod").await.unwrap(), PLAIN);
    tokio::time::advance(Duration::from_hours(1)).await;
    assert_eq!(look(&known, &server, "Namespace").await.unwrap(), PLAIN);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn where_it_does_not_suffice_the_server_is_asked_again_but_not_at_once() {
    let known = ServedKinds::default();
    let server = Server::new([discovery(&[]), discovery(DEPLOYMENTS)].concat());
    assert_eq!(look(&known, &server, "Deployment").await.unwrap(), PLAIN);
    let moment = Duration::from_millis(1);
    tokio::time::advance(FRESH.saturating_sub(moment)).await;
    assert_eq!(look(&known, &server, "Deployment").await.unwrap(), PLAIN);
    assert_eq!(server.asked().len(), 2);
    tokio::time::advance(moment).await;
    assert_eq!(look(&known, &server, "Deployment").await.unwrap(), WITH_DEPLOYMENTS);
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_an_error_and_what_it_said_before_stays() {
    let known = ServedKinds::default();
    let down = || Answer::Refused(503, "ServiceUnavailable");
    let answers = [vec![down()], discovery(&[]).to_vec(), vec![down()], discovery(DEPLOYMENTS).to_vec()];
    let server = Server::new(answers.concat());
    // Nothing is remembered of the failure: the next one asks at once.
    let error = look(&known, &server, "Pod").await.unwrap_err().to_string();
    assert!(error.contains("looking for the kinds that are served"), "{error}");
    assert_eq!(look(&known, &server, "Pod").await.unwrap(), PLAIN);
    tokio::time::advance(FRESH).await;
    look(&known, &server, "Deployment").await.unwrap_err();
    assert_eq!(look(&known, &server, "Pod").await.unwrap(), PLAIN);
    assert_eq!(look(&known, &server, "Deployment").await.unwrap(), WITH_DEPLOYMENTS);
    assert_eq!(server.asked().len(), 6);
}
