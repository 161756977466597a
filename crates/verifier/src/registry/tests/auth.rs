use std::sync::Arc;

use super::{Always, Asked, Failure, login};
use crate::registry::{Credential, Registry};
use crate::testing::{TestRegistry, answer};

/// A registry that wants a token of the realm, and gives out its manifest to those who have it.
fn wants_token(server: &TestRegistry, realm: String) {
    server.hook(move |seen| {
        let authorization = seen.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        if seen.path.starts_with("/token") {
            return Some(answer(200, &[], r#"{"token":"t0","expires_in":300}"#));
        }
        if authorization.as_deref() == Some("Bearer t0") {
            return Some(answer(200, &[], "here"));
        }
        let challenge = format!("Bearer realm=\"{realm}\",service=\"svc\",scope=\"repository:other:push\"");
        Some(answer(401, &[("www-authenticate", challenge.as_str())], ""))
    });
}

#[tokio::test]
async fn a_token_is_asked_for_with_our_scope_and_kept() {
    let asked = Asked::new().await.logged_in();
    wants_token(&asked.server, format!("http://{}/token?service=x&scope=y&a=b", asked.server.host()));
    assert_eq!(asked.manifest("1").await.unwrap().bytes, b"here");
    assert_eq!(asked.manifest("2").await.unwrap().bytes, b"here");
    assert_eq!(
        asked.server.paths(),
        [
            "GET /v2/team/app/manifests/1",
            "GET /token?a=b&scope=repository%3Ateam%2Fapp%3Apull&service=svc",
            "GET /v2/team/app/manifests/1",
            "GET /v2/team/app/manifests/2"
        ]
    );
    let seen = asked.server.seen.lock().unwrap().clone();
    assert!(!seen[0].headers.contains_key("authorization"));
    assert!(seen[1].headers["authorization"].to_str().unwrap().starts_with("Basic "));
}

#[tokio::test]
async fn tokens_of_others_are_not_used() {
    let mut asked = Asked::new().await.logged_in();
    wants_token(&asked.server, format!("http://{}/token", asked.server.host()));
    asked.manifest("1").await.unwrap();
    asked.access.credentials = Arc::new(super::Nobody);
    asked.manifest("1").await.unwrap();
    asked.access.authority = Some("".into());
    let tokens = asked.server.paths().iter().filter(|path| path.starts_with("GET /token")).count();
    assert_eq!(tokens, 2);
    let seen = asked.server.seen.lock().unwrap().clone();
    assert!(!seen[4].headers.contains_key("authorization"), "{:?}", seen[4]);
}

/// CVE-2025-27403: a registry must not have credentials sent to a host of its choice.
#[tokio::test]
async fn cve_2025_27403_a_foreign_realm_gets_no_credentials() {
    let mut asked = Asked::new().await.logged_in();
    let thief = TestRegistry::start().await;
    wants_token(&asked.server, format!("http://{}/token", thief.host()));
    let Err(Failure::Denied { why, .. }) = asked.manifest("1").await else { panic!("sent") };
    assert!(why.contains(&thief.host()) && why.contains("tokenHosts"), "{why}");
    assert!(thief.paths().is_empty());

    let mut settings = asked.server.settings();
    settings.registries[0].token_hosts.push(thief.host());
    settings.registries.push(thief.settings().registries[0].clone());
    asked.registry = Registry::new(settings);
    thief.hook(|_| Some(answer(200, &[], r#"{"access_token":"t0"}"#)));
    assert_eq!(asked.manifest("1").await.unwrap().bytes, b"here");
}

#[tokio::test]
async fn an_anonymous_realm_is_https_and_public() {
    let asked = Asked::new().await;
    let other = TestRegistry::start().await;
    for realm in [
        format!("http://{}/token", other.host()),
        "https://10.0.0.1/token".to_owned(),
        "https://169.254.169.254/token".to_owned(),
        "https://[fd00:ec2::254]/token".to_owned(),
    ] {
        wants_token(&asked.server, realm.clone());
        assert!(matches!(asked.manifest("1").await, Err(Failure::Unreachable { .. })), "{realm}");
    }
    for realm in ["https://u:p@example.invalid/", "not a url", ""] {
        wants_token(&asked.server, realm.to_owned());
        assert!(matches!(asked.manifest("1").await, Err(Failure::Denied { .. })), "{realm}");
    }
    assert!(other.paths().is_empty());
}

#[tokio::test]
async fn a_registry_that_always_says_401_is_asked_twice() {
    let asked = Asked::new().await.logged_in();
    asked.server.hook(|_| Some(answer(401, &[("www-authenticate", "Basic realm=\"x\"")], "")));
    let Err(failure) = asked.manifest("1").await else { panic!("passed") };
    assert!(matches!(failure, Failure::Denied { .. }));
    assert!(!failure.to_string().contains("canary"));
    assert_eq!(asked.server.paths().len(), 2);
}

#[tokio::test]
async fn a_realm_that_says_401_is_asked_once() {
    let asked = Asked::new().await.logged_in();
    let realm = format!("Bearer realm=\"http://{}/token\"", asked.server.host());
    asked.server.hook(move |_| Some(answer(401, &[("www-authenticate", realm.as_str())], "")));
    let Err(Failure::Denied { why, .. }) = asked.manifest("1").await else { panic!("passed") };
    assert!(why.contains("gives no token (401)"), "{why}");
    assert_eq!(asked.server.paths().len(), 2);
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let asked = Asked::new().await;
    wants_token(&asked.server, format!("http://{}/token", asked.server.host()));
    asked.manifest("1").await.unwrap();
    let realm = format!("Bearer realm=\"http://{}/token\"", asked.server.host());
    asked.server.hook(move |seen| {
        let is_new = seen.headers.get("authorization").is_some_and(|value| value == "Bearer t1");
        Some(match (seen.path.starts_with("/token"), is_new) {
            (true, _) => answer(200, &[], r#"{"token":"t1"}"#),
            (false, true) => answer(200, &[], "again"),
            (false, false) => answer(401, &[("www-authenticate", realm.as_str())], ""),
        })
    });
    assert_eq!(asked.manifest("1").await.unwrap().bytes, b"again");
}

#[tokio::test]
async fn strange_answers_of_a_realm_are_no_tokens() {
    let asked = Asked::new().await;
    let realm = format!("Bearer realm=\"http://{}/token\"", asked.server.host());
    let deep = "[".repeat(100_000);
    for body in ["", "[]", "{}", r#"{"token":""}"#, r#"{"token":"a\nb"}"#, r#"{"token":1}"#, deep.as_str()] {
        let (realm, body) = (realm.clone(), body.to_owned());
        asked.server.hook(move |seen| {
            let is_token = seen.path.starts_with("/token");
            let challenge = [("www-authenticate", realm.as_str())];
            Some(if is_token { answer(200, &[], body.clone()) } else { answer(401, &challenge, "") })
        });
        assert!(asked.manifest("1").await.is_err());
    }
}

#[tokio::test]
async fn unusable_credentials_are_never_replaced_by_none() {
    let mut asked = Asked::new().await;
    asked.access.credentials = Arc::new(Always(Credential::Unusable("dockerCfg cannot be read".into())));
    let session = crate::registry::Session::new(&asked.registry, &asked.access, &asked.budget, &asked.site);
    let Err(Failure::Denied { why, .. }) = session else { panic!("asked") };
    assert_eq!(why, "dockerCfg cannot be read");
    assert!(asked.server.paths().is_empty());
    assert!(!format!("{:?}", Credential::Login(login())).contains("canary"));
}
