use super::{Answer, CONNECTIONS, FRESH, Heard, INTERVAL, LONGEST, MOST, ask, read, round};
use crate::watch::cache::Cache;
use crate::watch::fixtures::{fill, live};
use crate::watch::live::Live;
use crate::watch::published::{NoAnswer, Published, VerifierReplica, Verifiers};
use gatewright_compiler::{Settings, VerifierUrl};
use gatewright_rules::verify_image_signatures::PROVIDER;
use k8s_openapi::ByteString;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// A certificate for loopback with its key.
fn made() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn status(replica: &str) -> String {
    json!({
        "replica": replica, "ready": true, "certificate": {"notAfter": "2026-04-01T00:00:00Z"},
        "constraints": {"strict": "3f2a"},
    })
    .to_string()
}

fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A Service on loopback: connection after connection is answered in the next of these ways.
async fn service(
    pair: &(String, String),
    versions: &[&'static rustls::SupportedProtocolVersion],
    answers: Vec<String>,
) -> VerifierUrl {
    let chain = vec![CertificateDer::from_pem_slice(pair.0.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(pair.1.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for answer in answers.into_iter().cycle() {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = vec![0; 1024];
                let read = stream.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..read]).to_lowercase();
                assert!(request.starts_with("get /status http/1.1\r\nhost: 127.0.0.1:"), "{request}");
                let _ = stream.write_all(answer.as_bytes()).await;
                // Whoever gives no answer keeps the connection open.
                tokio::time::sleep(Duration::from_mins(1)).await;
            });
        }
    });
    let settings = format!("signatures: {{url: 'https://127.0.0.1:{port}'}}");
    Settings::from_yaml(&settings, "gatewright-system").unwrap().verifier_url()
}

fn failures(answers: &[Answer]) -> Vec<&NoAnswer> {
    answers.iter().filter_map(|answer| answer.as_ref().err()).collect()
}

#[tokio::test]
async fn every_replica_behind_a_service_is_heard() {
    let pair = made();
    let answers = vec![response("200 OK", &status("verifier-1")), response("200 OK", &status("verifier-2"))];
    let url = service(&pair, &[&TLS13], answers).await;
    // Beside the one that is served, another is trusted, as while certificates are renewed.
    let bundle = made().0 + &pair.0;
    let mut heard = Heard::default();
    heard.take(round(&url, bundle.as_bytes()).await, Instant::now());
    let Verifiers { replicas, failure } = heard.lately(Instant::now());
    let names: Vec<_> = replicas.keys().map(String::as_str).collect();
    assert_eq!((names, failure), (vec!["verifier-1", "verifier-2"], None));
    let first = &replicas["verifier-1"];
    assert!(first.ready && first.constraints["strict"] == "3f2a");
    assert_eq!(first.ends.unwrap().to_string(), "2026-04-01T00:00:00Z");
}

#[tokio::test]
async fn what_is_served_must_be_trusted() {
    let (pair, other) = (made(), made());
    let url = service(&pair, &[&TLS13], vec![response("200 OK", &status("verifier-1"))]).await;
    for bundle in [other.0.as_str(), ""] {
        let answers = round(&url, bundle.as_bytes()).await;
        let failures = failures(&answers);
        assert_eq!(failures.len(), CONNECTIONS);
        assert!(failures.iter().all(|it| matches!(it, NoAnswer::Certificate(_))), "{failures:?}");
    }
    let old = service(&pair, &[&TLS12], vec![response("200 OK", &status("verifier-1"))]).await;
    let answers = round(&old, pair.0.as_bytes()).await;
    assert!(
        failures(&answers).iter().all(|it| matches!(it, NoAnswer::Other(_)))
            && answers.iter().all(Result::is_err)
    );
}

#[tokio::test]
async fn an_answer_has_an_end_in_size_and_time() {
    let pair = made();
    let long = json!({"replica": "x".repeat(LONGEST)}).to_string();
    for (answer, says) in [
        (response("503 Service Unavailable", "no"), "answers 503 Service Unavailable"),
        (response("200 OK", "{}"), "gives no status that can be read"),
        (response("200 OK", &long), "gives no status that can be read"),
        ("nonsense\r\n\r\n".to_owned(), "invalid HTTP"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".to_owned(), "gives no answer within 2 s"),
    ] {
        let url = service(&pair, &[&TLS13], vec![answer.clone()]).await;
        let begun = Instant::now();
        let answers = round(&url, pair.0.as_bytes()).await;
        let failures = failures(&answers);
        assert!(failures.len() == CONNECTIONS && failures[0].text().contains(says), "{says}: {failures:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{says}");
    }
    let nobody = VerifierUrl::of_service("no.such.host.invalid");
    let answers = round(&nobody, pair.0.as_bytes()).await;
    assert!(failures(&answers)[0].text().starts_with("looking up gatewright-verifier."), "{answers:?}");
}

#[test]
fn a_replica_counts_for_a_while_and_not_too_many_do() {
    let (begun, replica) = (Instant::now(), VerifierReplica::default());
    let mut heard = Heard::default();
    heard.take(vec![Ok(("a".to_owned(), replica.clone()))], begun);
    let failed = |text: &str| Err(NoAnswer::Other(text.to_owned()));
    let answers =
        vec![Ok(("b".to_owned(), replica.clone())), failed("z"), Err(NoAnswer::Certificate("y".to_owned()))];
    heard.take(answers, begun + Duration::from_secs(10));
    let names = |seen: Verifiers| seen.replicas.into_keys().collect::<Vec<_>>();
    let seen = heard.lately(begun + Duration::from_secs(29));
    assert_eq!(seen.failure, Some(NoAnswer::Certificate("y".to_owned())));
    assert_eq!(names(seen), ["a", "b"]);
    assert_eq!(names(heard.lately(begun + FRESH)), ["b"]);
    // What failed once is forgotten once all answer.
    heard.take(vec![Ok(("b".to_owned(), replica.clone()))], begun + FRESH);
    assert_eq!(heard.lately(begun + FRESH).failure, None);
    heard.take((0..100).map(|it| Ok((format!("r{it}"), replica.clone()))).collect(), begun + FRESH);
    assert_eq!(heard.lately(begun + FRESH).replicas.len(), MOST);
}

#[test]
fn a_status_is_read_with_what_it_must_have() {
    let with = |change: &Value| {
        let mut status: Value = serde_json::from_str(&status("a")).unwrap();
        status.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        read(status.to_string().as_bytes())
    };
    assert_eq!(with(&json!({"more": 1})).unwrap().0, "a");
    assert_eq!(with(&json!({"certificate": {"notAfter": null}})).unwrap().1.ends, None);
    for wrong in [
        json!({"replica": ""}),
        json!({"replica": "x".repeat(254)}),
        json!({"ready": "yes"}),
        json!({"certificate": {"notAfter": "soon"}}),
        json!({"constraints": {"a": 1}}),
    ] {
        assert_eq!(with(&wrong), None, "{wrong}");
    }
}

fn provider(bundle: &str) -> Live {
    live(json!({
        "apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "Provider",
        "metadata": {"name": PROVIDER, "labels": {"gatewright.io/owner": "builtin"}},
        "spec": {"caBundle": ByteString(bundle.as_bytes().to_vec())},
    }))
}

#[tokio::test]
async fn whoever_is_trusted_is_asked_and_only_news_are_told() {
    let pair = made();
    // The second time another replica answers.
    let answers =
        ["verifier-1", "verifier-2"].map(|name| vec![response("200 OK", &status(name)); CONNECTIONS]);
    let url = service(&pair, &[&TLS13], answers.concat()).await;
    let news = Arc::new(Notify::new());
    let (providers, published) = (Cache::new(), Arc::<Published<Arc<Verifiers>>>::default());
    let told = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&told);
    let asking = ask(url, providers.clone(), Arc::clone(&published), Arc::clone(&news), move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let asking = tokio::spawn(asking);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(published.get(), None, "it is not known yet whether there is a Provider");
    fill(&providers, []);
    until(|| published.get() == Some(Arc::default()), "there is none").await;
    // Somebody else's Provider says nothing of our verifiers.
    fill(&providers, [(PROVIDER, Live { ours: false, ..provider(&pair.0) })]);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(told.load(Ordering::SeqCst), 1);
    fill(&providers, [(PROVIDER, provider(&pair.0))]);
    let heard = |replicas| {
        let published = published.get().is_some_and(|said| said.replicas.len() == replicas);
        published && told.load(Ordering::SeqCst) == 1 + replicas
    };
    until(|| heard(1), "one").await;
    // A constraint has changed: whether it is known is asked at once.
    news.notify_one();
    let begun = Instant::now();
    until(|| heard(2), "two").await;
    assert!(begun.elapsed() < INTERVAL);
    asking.abort();
}

async fn until(holds: impl Fn() -> bool, what: &str) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), wait).await.expect(what);
}
