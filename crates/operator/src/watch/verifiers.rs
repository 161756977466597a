//! Asks the replicas of the verifier how they are.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use gatewright_compiler::VerifierUrl;
use gatewright_rules::verify_image_signatures::PROVIDER;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use k8s_openapi::jiff::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::error::with_causes;
use crate::watch::cache::{Cache, Knowledge};
use crate::watch::live::Live;
use crate::watch::published::{NoAnswer, Published, VerifierReplica, Verifiers};

/// How often they are asked.
const INTERVAL: Duration = Duration::from_secs(10);
/// How often it is looked whether they can be asked.
const AT_FIRST: Duration = Duration::from_secs(1);
/// How long a verifier may take to see a constraint that has changed, before it is asked about it.
const SEEN: Duration = Duration::from_millis(500);
/// How long a replica counts that was heard.
const FRESH: Duration = Duration::from_secs(30);
/// How long one answer may take, from connecting to the last byte.
const ANSWER: Duration = Duration::from_secs(2);
/// How long an answer may be, in bytes.
const LONGEST: usize = 256 << 10;
/// A Service gives each connection to one of its replicas: so often one address is tried.
const CONNECTIONS: usize = 6;
/// Not more addresses of a name are asked, and not more replicas are remembered.
const MOST: usize = 32;
/// No name of a Pod is longer.
const LONGEST_NAME: usize = 253;

/// The path of the status.
const PATH: &str = "/status";

/// Asks forever, and publishes what was said. Calls `changed` when that is something else. `news` says that a constraint
/// has changed: whether the verifiers know it is asked soon, and not only when it is time.
pub(super) async fn ask(
    url: VerifierUrl,
    providers: Cache<Live>,
    published: Arc<Published<Arc<Verifiers>>>,
    news: Arc<Notify>,
    changed: impl Fn(),
) {
    let mut heard = Heard::default();
    loop {
        let begun = Instant::now();
        let trusted = trusted(&providers);
        if let Some(bundle) = &trusted {
            heard.take(round(&url, bundle).await, begun);
        }
        let is_known = providers.knowledge() != Knowledge::Unknown;
        if is_known && published.publish(Arc::new(heard.lately(Instant::now()))) {
            changed();
        }
        let next = begun + if trusted.is_some() { INTERVAL } else { AT_FIRST };
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = news.notified() => tokio::time::sleep(SEEN).await,
        }
    }
}

/// What Gatekeeper trusts, as PEM; none where it is not told.
fn trusted(providers: &Cache<Live>) -> Option<Vec<u8>> {
    let provider = providers.get(PROVIDER).filter(|live| live.ours)?;
    STANDARD.decode(provider.spec.value()["caBundle"].as_str()?).ok()
}

/// What was heard, and when.
#[derive(Default)]
struct Heard {
    replicas: BTreeMap<String, (Instant, VerifierReplica)>,
    failure: Option<NoAnswer>,
}

type Answer = Result<(String, VerifierReplica), NoAnswer>;

impl Heard {
    /// Takes in what was answered at this time.
    fn take(&mut self, answers: Vec<Answer>, at: Instant) {
        let mut failures = vec![];
        for answer in answers {
            match answer {
                Ok((name, replica)) if self.replicas.len() < MOST || self.replicas.contains_key(&name) => {
                    self.replicas.insert(name, (at, replica));
                }
                Ok(_) => {}
                Err(failure) => failures.push(failure),
            }
        }
        // A certificate that nobody trusts is worth more words than a connection that failed.
        self.failure = failures.into_iter().min();
    }

    /// What is known at this time.
    fn lately(&mut self, now: Instant) -> Verifiers {
        self.replicas.retain(|_, (at, _)| now.saturating_duration_since(*at) < FRESH);
        let replicas = self.replicas.iter().map(|(name, (_, replica))| (name.clone(), replica.clone()));
        Verifiers { replicas: replicas.collect(), failure: self.failure.clone() }
    }
}

/// Asks at each address, and at a single one several times.
async fn round(url: &VerifierUrl, bundle: &[u8]) -> Vec<Answer> {
    let asked = async {
        let target = Target::new(url, bundle)?;
        let addresses = addresses(url).await?;
        let times = addresses.len().max(CONNECTIONS);
        Ok(join_all(addresses.iter().cycle().take(times).map(|address| target.ask(*address))).await)
    };
    asked.await.unwrap_or_else(|failure| vec![Err(failure)])
}

async fn addresses(url: &VerifierUrl) -> Result<Vec<SocketAddr>, NoAnswer> {
    let (host, port) = (url.host(), url.port());
    let failed = |why: &str| NoAnswer::Other(format!("looking up {host}: {why}"));
    let found = tokio::time::timeout(ANSWER, tokio::net::lookup_host((host, port))).await;
    let found = found.map_err(|_| failed("no answer within 2 s"))?;
    let addresses: Vec<_> = found.map_err(|error| failed(&error.to_string()))?.take(MOST).collect();
    if addresses.is_empty() { Err(failed("it has no address")) } else { Ok(addresses) }
}

/// Whom to ask, and what to trust.
struct Target {
    authority: String,
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl Target {
    fn new(url: &VerifierUrl, bundle: &[u8]) -> Result<Self, NoAnswer> {
        let wrong = |error: &dyn std::error::Error| NoAnswer::Other(with_causes(error));
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(bundle).filter_map(Result::ok));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&[&TLS13]).map_err(|error| wrong(&error))?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Self {
            authority: url.at("").trim_start_matches("https://").to_owned(),
            name: ServerName::try_from(url.host().to_owned()).map_err(|error| wrong(&error))?,
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    async fn ask(&self, address: SocketAddr) -> Answer {
        let answer = tokio::time::timeout(ANSWER, self.exchange(address)).await;
        answer.unwrap_or_else(|_| Err(NoAnswer::Other(format!("{address} gives no answer within 2 s"))))
    }

    async fn exchange(&self, address: SocketAddr) -> Answer {
        let failed =
            |why: &dyn std::error::Error| NoAnswer::Other(format!("{address}: {}", with_causes(why)));
        let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
        let stream = self
            .connector
            .connect(self.name.clone(), stream)
            .await
            .map_err(|error| refused(address, &error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
        let request = Request::get(PATH).header(header::HOST, &self.authority);
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| failed(&error))?;
        let answer = async {
            let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
            if answer.status() != StatusCode::OK {
                return Err(NoAnswer::Other(format!("{address} answers {}", answer.status())));
            }
            let body = Limited::new(answer.into_body(), LONGEST).collect().await;
            let body = body.map_err(|_| unreadable(address))?.to_bytes();
            read(&body).ok_or_else(|| unreadable(address))
        };
        tokio::pin!(connection);
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            _ = &mut connection => answer.await,
        }
    }
}

/// Whether the handshake failed for what is served, or for anything else.
fn refused(address: SocketAddr, error: &io::Error) -> NoAnswer {
    let text = format!("{address}: {}", with_causes(error));
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_)) => NoAnswer::Certificate(text),
        _ => NoAnswer::Other(text),
    }
}

fn unreadable(address: SocketAddr) -> NoAnswer {
    NoAnswer::Other(format!("{address} gives no status that can be read"))
}

/// What a verifier answers.
#[derive(Deserialize)]
struct Status {
    replica: String,
    ready: bool,
    certificate: Served,
    constraints: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Served {
    not_after: Option<String>,
}

fn read(body: &[u8]) -> Option<(String, VerifierReplica)> {
    let Status { replica, ready, certificate, constraints } = serde_json::from_slice(body).ok()?;
    let is_name = !replica.is_empty() && replica.len() <= LONGEST_NAME;
    let ends = certificate.not_after.map(|text| text.parse::<Timestamp>()).transpose().ok()?;
    is_name.then_some((replica, VerifierReplica { ready, ends, constraints }))
}

#[cfg(test)]
mod tests;
