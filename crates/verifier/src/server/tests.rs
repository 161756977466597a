use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use gatewright_signatures::Parameters;
use gatewright_signatures::protocol::API_VERSION;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::{BadPair, Identity, Server};
use crate::demand::RegistryConfig;
use crate::metrics::Metrics;
use crate::registry::{Registry, RegistrySettings};
use crate::testing::sign::entry;
use crate::verifier::Verifier;

const NAME: &str = "gatekeeper-webhook-service.gatekeeper-system.svc";

/// An authority that gives out certificates of clients.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(parameters, key) }
    }

    fn client(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.extended_key_usages = vec![usage];
        (parameters.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn serving() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

struct World {
    server: Server,
    address: String,
    probes: String,
    certificate: String,
    gatekeeper: Authority,
}

impl World {
    async fn new() -> Self {
        let verifier = Verifier::new(Registry::new(RegistrySettings::default()), Metrics::default());
        let (certificate, key) = serving();
        let gatekeeper = Authority::new();
        let identity = Identity::new(true);
        identity.set_pair(certificate.as_bytes(), key.as_bytes()).unwrap();
        identity.set_clients(&gatekeeper.pem, &[NAME.to_owned()]);
        let server = Server::new(verifier, identity, "replica-1", &["constraints"]);
        let (calls, probes) = (TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0"));
        let (calls, probes) = (calls.await.unwrap(), probes.await.unwrap());
        let text = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
        let (address, probe_address) = (text(&calls), text(&probes));
        let (serving, probing) = (server.clone(), server.clone());
        tokio::spawn(async move { serving.serve(calls, pending()).await });
        tokio::spawn(async move { probing.serve_probes(probes, pending()).await });
        Self { server, address, probes: probe_address, certificate, gatekeeper }
    }

    /// Sends a request by TLS. No status where the handshake or the connection fails.
    async fn send(
        &self,
        client: Option<&(String, String)>,
        request: Request<Full<Bytes>>,
    ) -> Option<(StatusCode, Bytes)> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
        exchange(TokioIo::new(stream), request).await
    }

    async fn status(&self) -> Value {
        let (status, body) = self.send(None, get("/status")).await.unwrap();
        assert_eq!(status, StatusCode::OK);
        serde_json::from_slice(&body).unwrap()
    }

    async fn verify(&self, client: Option<&(String, String)>) -> Option<StatusCode> {
        Some(self.send(client, post(call("nginx"))).await?.0)
    }

    async fn probe(&self, path: &str) -> (StatusCode, String) {
        let stream = TcpStream::connect(&self.probes).await.unwrap();
        let (status, body) = exchange(TokioIo::new(stream), get(path)).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Option<(StatusCode, Bytes)>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.ok()?;
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.ok()?;
    let status = answer.status();
    Some((status, answer.into_body().collect().await.ok()?.to_bytes()))
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).header("host", "localhost").body(Full::default()).unwrap()
}

fn post(body: Vec<u8>) -> Request<Full<Bytes>> {
    Request::post("/v1/verify").header("host", "localhost").body(Full::new(body.into())).unwrap()
}

fn call(image: &str) -> Vec<u8> {
    let key =
        json!({"constraint": "p", "image": image, "revision": "r", "wait": true, "window": 0}).to_string();
    json!({"apiVersion": API_VERSION, "kind": "ProviderRequest", "request": {"keys": [key]}})
        .to_string()
        .into()
}

#[tokio::test]
async fn only_gatekeeper_may_ask() {
    let world = World::new().await;
    let usage = ExtendedKeyUsagePurpose::ClientAuth;
    let gatekeeper = world.gatekeeper.client(NAME, usage.clone());
    assert_eq!(world.verify(Some(&gatekeeper)).await, Some(StatusCode::OK));
    assert_eq!(world.verify(None).await, Some(StatusCode::FORBIDDEN));
    let other = world.gatekeeper.client("other.gatekeeper-system.svc", usage.clone());
    assert_eq!(world.verify(Some(&other)).await, Some(StatusCode::FORBIDDEN));
    let foreign = Authority::new().client(NAME, usage);
    assert_eq!(world.verify(Some(&foreign)).await, None, "its authority is not trusted");
    let no_client = world.gatekeeper.client(NAME, ExtendedKeyUsagePurpose::ServerAuth);
    assert_eq!(world.verify(Some(&no_client)).await, None, "it is no certificate of a client");
    let nobody = Identity::new(false);
    assert!(nobody.allows(None), "clientAuth: false");
}

#[tokio::test]
async fn an_old_authority_counts_for_ten_minutes() {
    let world = World::new().await;
    let old = world.gatekeeper.client(NAME, ExtendedKeyUsagePurpose::ClientAuth);
    let new = Authority::new();
    world.server.identity.set_clients(&new.pem, &[NAME.to_owned()]);
    world.server.identity.set_clients("", &[NAME.to_owned()]);
    assert_eq!(world.verify(Some(&old)).await, Some(StatusCode::OK));
    let new = new.client(NAME, ExtendedKeyUsagePurpose::ClientAuth);
    assert_eq!(world.verify(Some(&new)).await, Some(StatusCode::OK));
    let ends = tokio::time::Instant::now() + Duration::from_secs(1);
    world.server.identity.trust_old_until(ends);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(world.verify(Some(&old)).await, None);
    assert_eq!(world.verify(Some(&new)).await, Some(StatusCode::OK));
}

#[tokio::test]
async fn a_replaced_pair_is_served_at_once_and_a_bad_one_never() {
    let mut world = World::new().await;
    let (certificate, key) = serving();
    let identity = &world.server.identity;
    let (other, _) = serving();
    assert_eq!(identity.set_pair(other.as_bytes(), key.as_bytes()), Err(BadPair::Mismatch));
    assert_eq!(identity.set_pair(b"", key.as_bytes()), Err(BadPair::Certificate));
    assert_eq!(identity.set_pair(certificate.as_bytes(), b""), Err(BadPair::Key));
    world.status().await;
    identity.set_pair(certificate.as_bytes(), key.as_bytes()).unwrap();
    assert!(world.send(None, get("/status")).await.is_none(), "the old one is not trusted any more");
    world.certificate = certificate;
    world.status().await;
}

#[tokio::test]
async fn the_status_and_the_probes_say_what_is_missing() {
    let world = World::new().await;
    assert_eq!(world.probe("/livez").await, (StatusCode::OK, "ok\n".into()));
    let (status, why) = world.probe("/readyz").await;
    assert_eq!((status, why.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "not listed yet: constraints\n"));
    assert_eq!(world.status().await["ready"], false);
    let parameters = Parameters::new("p", &[entry("*", 1)]).unwrap();
    world.server.verifier().policies.set("p", &parameters, |_| None, &RegistryConfig::default());
    world.server.listed("constraints");
    assert_eq!(world.probe("/readyz").await, (StatusCode::OK, "ok\n".into()));
    let status = world.status().await;
    assert_eq!((&status["replica"], &status["ready"]), (&json!("replica-1"), &json!(true)));
    assert_eq!(status["constraints"], json!({"p": parameters.revision}));
    assert_eq!(status["certificate"]["notAfter"], "4096-01-01T00:00:00Z");
    let empty = Identity::new(true);
    assert_eq!(
        empty.missing(),
        ["no serving certificate", "the authority of Gatekeeper's certificate is not known"]
    );
    assert_eq!(Identity::new(false).missing(), ["no serving certificate"]);
    let (status, metrics) = world.probe("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(metrics.contains("gatewright_signature_checks{state=\"running\"} 0"), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"));
}

#[tokio::test]
async fn paths_and_sizes_are_bounded() {
    let world = World::new().await;
    let gatekeeper = world.gatekeeper.client(NAME, ExtendedKeyUsagePurpose::ClientAuth);
    let sent = |request| world.send(Some(&gatekeeper), request);
    assert_eq!(sent(get("/v1/verify")).await.unwrap().0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(sent(get("/metrics")).await.unwrap().0, StatusCode::NOT_FOUND);
    assert_eq!(sent(post(b"{}".to_vec())).await.unwrap().0, StatusCode::BAD_REQUEST);
    let large = sent(post(vec![b' '; (1 << 20) + 1])).await;
    assert!(large.is_none_or(|(status, _)| status == StatusCode::PAYLOAD_TOO_LARGE));
    assert_eq!(world.probe("/v1/verify").await.0, StatusCode::NOT_FOUND);
    let (status, body) = sent(post(call("nginx"))).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    assert!(String::from_utf8(body.to_vec()).unwrap().contains("unknown-policy"));
}

#[tokio::test]
async fn idle_connections_keep_nobody_out() {
    let world = World::new().await;
    let mut idle = vec![];
    for _ in 0..200 {
        idle.push(TcpStream::connect(&world.address).await.unwrap());
    }
    let gatekeeper = world.gatekeeper.client(NAME, ExtendedKeyUsagePurpose::ClientAuth);
    assert_eq!(world.verify(Some(&gatekeeper)).await, Some(StatusCode::OK));
    drop(idle);
}
