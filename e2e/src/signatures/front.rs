//! A registry with bad manners, in front of a real one: it wants a login, serves TLS, is slow, silent,
//! or breaks where signatures are.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::lock;
use super::tls::{Pair, acceptor};

/// How a registry behaves.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// The user and password that it wants.
    pub login: Option<(String, String)>,
    /// Its serving pair; none is plain HTTP.
    pub tls: Option<Pair>,
    /// Each answer takes this long.
    pub delay: Duration,
    /// Where signatures would be, it answers 500.
    pub no_signatures: bool,
    /// It takes connections and never answers.
    pub silent: bool,
    /// Every repository is this one of the registry behind: many images for the price of one.
    pub one_repository: Option<String>,
}

type Answer = Response<Full<Bytes>>;

/// A registry; it ends with its value.
#[derive(Debug)]
pub struct Front {
    port: u16,
    requests: Arc<AtomicUsize>,
    manners: Arc<Mutex<Manners>>,
    _listener: JoinSet<()>,
}

impl Front {
    /// Starts one in front of the registry at this port of 127.0.0.1.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start(backend: u16, manners: Manners) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let (requests, manners) = (Arc::<AtomicUsize>::default(), Arc::new(Mutex::new(manners)));
        let shared = Shared { backend, requests: Arc::clone(&requests), manners: Arc::clone(&manners) };
        let mut task = JoinSet::new();
        task.spawn(accept(listener, shared));
        Ok(Self { port, requests, manners, _listener: task })
    }

    /// Its host with the port.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How many requests have come so far.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Gets a path over a connection of its own, and does nothing with what comes.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn get(&self, path: &str) -> Result<()> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = Request::get(path).header(header::HOST, self.host()).body(Full::<Bytes>::default())?;
        sender.send_request(request).await?.into_body().collect().await?;
        connection.abort();
        Ok(())
    }

    /// Changes how it behaves; what is under way stays as it is.
    pub fn behave(&self, manners: Manners) {
        *lock(&self.manners) = manners;
    }
}

#[derive(Clone)]
struct Shared {
    backend: u16,
    requests: Arc<AtomicUsize>,
    manners: Arc<Mutex<Manners>>,
}

async fn accept(listener: TcpListener, shared: Shared) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(stream, shared.clone()));
    }
}

async fn serve(stream: TcpStream, shared: Shared) {
    let tls = lock(&shared.manners).tls.clone();
    let service = service_fn(|request| answer(shared.clone(), request));
    // An error is a connection that the client has closed.
    let Some(pair) = tls else {
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        return;
    };
    let Ok(acceptor) = acceptor(&pair) else { return };
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(shared: Shared, mut request: Request<Incoming>) -> Result<Answer> {
    shared.requests.fetch_add(1, Ordering::Relaxed);
    let manners = lock(&shared.manners).clone();
    if manners.silent {
        return std::future::pending().await;
    }
    tokio::time::sleep(manners.delay).await;
    if let Some(login) = &manners.login
        && !has_login(&request, login)
    {
        return Ok(denied());
    }
    if let Some(path) = manners.one_repository.as_deref().and_then(|it| within(request.uri().path(), it)) {
        *request.uri_mut() = path.parse::<Uri>()?;
    }
    let path = request.uri().path().to_owned();
    let is_signatures = path.contains("/referrers/") || path.contains("/manifests/sha256-");
    if manners.no_signatures && is_signatures {
        return Ok(status(StatusCode::INTERNAL_SERVER_ERROR));
    }
    pass(shared.backend, request).await
}

/// The path of the same thing in another repository.
fn within(path: &str, repository: &str) -> Option<String> {
    let kinds = ["/manifests/", "/blobs/", "/referrers/"];
    let (at, kind) = kinds.iter().find_map(|kind| Some((path.rfind(kind)?, kind)))?;
    Some(format!("/v2/{repository}{kind}{}", &path[at + kind.len()..]))
}

fn has_login(request: &Request<Incoming>, (user, password): &(String, String)) -> bool {
    let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
    request.headers().get(header::AUTHORIZATION).is_some_and(|given| given == expected.as_str())
}

fn status(code: StatusCode) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = code;
    answer
}

fn denied() -> Answer {
    let mut answer = status(StatusCode::UNAUTHORIZED);
    let challenge = header::HeaderValue::from_static(r#"Basic realm="registry""#);
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    answer
}

/// Passes a request on to the registry behind.
async fn pass(backend: u16, mut request: Request<Incoming>) -> Result<Answer> {
    let stream = TcpStream::connect(("127.0.0.1", backend)).await.context("the registry behind")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    request.headers_mut().remove(header::AUTHORIZATION);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    connection.abort();
    Ok(Response::from_parts(head, Full::new(body)))
}

/// A docker config in base64 with a login for each of these hosts.
#[must_use]
pub fn docker_config(logins: &[(&str, &str, &str)]) -> String {
    let logins = logins
        .iter()
        .map(|(host, user, password)| (*host, serde_json::json!({"username": user, "password": password})));
    let auths: BTreeMap<_, _> = logins.collect();
    BASE64_STANDARD.encode(serde_json::json!({"auths": auths}).to_string())
}
