//! A proxy between one replica of the operator and the real API server, which makes trouble on demand.
//!
//! The replica speaks plain HTTP to it, on loopback; it passes on the replica's own token and user agent, so the API
//! server's audit log looks as ever.

mod fault;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use http::{Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, BodyStream, Full, StreamBody};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use kube::{Client, Config};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Cluster;

use fault::Active;
pub use fault::{Fault, Requests, Trouble};

type Answer = Response<UnsyncBoxBody<Bytes, kube::Error>>;

/// A proxy; it ends with its value.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    _listener: JoinSet<()>,
}

struct Shared {
    server: Client,
    faults: Mutex<Vec<Active>>,
    frozen: watch::Sender<bool>,
    connections: Mutex<JoinSet<()>>,
    /// Writes that are under way, and what became of them.
    kept: Mutex<JoinSet<Result<u16>>>,
    requests: Mutex<usize>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("faults", &self.faults).finish_non_exhaustive()
    }
}

impl Proxy {
    /// Listens on `port` and passes on to the API server at `server`, whose certificate is of `authority`.
    async fn start(port: u16, server: &str, authority: std::path::PathBuf) -> Result<Self> {
        let mut config = Config::new(server.parse()?);
        config.root_cert_file = Some(authority);
        config.default_retry = false;
        let shared = Arc::new(Shared {
            server: Client::try_from(config)?,
            faults: Mutex::default(),
            frozen: watch::Sender::new(false),
            connections: Mutex::default(),
            kept: Mutex::default(),
            requests: Mutex::default(),
        });
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let mut task = JoinSet::new();
        task.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { port, shared, _listener: task })
    }

    /// The URL that a kubeconfig names.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes trouble, beside what is made already, until [`Self::heal`]. The first fault that fits a request counts.
    pub fn make(&self, fault: Fault) {
        lock(&self.shared.faults).push(fault.into());
    }

    /// Ends all faults. Requests that hang already go on hanging, as they would.
    pub fn heal(&self) {
        lock(&self.shared.faults).clear();
    }

    /// How many requests ran into a fault since the last [`Self::heal`].
    #[must_use]
    pub fn hits(&self) -> usize {
        lock(&self.shared.faults).iter().map(|active| active.hits).sum()
    }

    /// How many requests have come so far.
    #[must_use]
    pub fn requests(&self) -> usize {
        *lock(&self.shared.requests)
    }

    /// Cuts all connections, in the middle of whatever they carry.
    pub fn cut(&self) {
        lock(&self.shared.connections).abort_all();
    }

    /// Nothing passes in either direction until [`Self::thaw`]; then everything goes on where it was.
    pub fn freeze(&self) {
        self.shared.frozen.send_replace(true);
    }

    /// Ends [`Self::freeze`].
    pub fn thaw(&self) {
        self.shared.frozen.send_replace(false);
    }

    /// Waits for the writes that [`Trouble::Keep`] held back, and returns what the API server answered to each.
    ///
    /// # Errors
    ///
    /// One of them was not answered.
    pub async fn arrived(&self) -> Result<Vec<u16>> {
        let kept = std::mem::take(&mut *lock(&self.shared.kept));
        kept.join_all().await.into_iter().collect()
    }
}

impl Cluster {
    /// A proxy before the API server, for the replica of this name.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub async fn proxy(&self, name: &str) -> Result<Proxy> {
        let port = self.port(&format!("proxy-{name}"))?;
        Proxy::start(port, &self.server()?, self.certificate_authority()).await
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let serving = serve(stream, Arc::clone(&shared));
        let mut connections = lock(&shared.connections);
        while connections.try_join_next().is_some() {}
        connections.spawn(serving);
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| answer(Arc::clone(&shared), request));
    // An error is a connection that was cut, by a fault or by the replica.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// An error closes the connection without an answer.
async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer> {
    *lock(&shared.requests) += 1;
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(header::HOST);
    let body = body.collect().await?.to_bytes();
    let request = Request::from_parts(parts, Body::from(body));
    thawed(shared.frozen.subscribe()).await;
    let trouble = lock(&shared.faults).iter_mut().find_map(|active| active.strikes(&request));
    match trouble {
        None => pass(&shared, request).await,
        Some(trouble) => trouble_with(trouble, &shared, request).await,
    }
}

async fn trouble_with(trouble: Trouble, shared: &Arc<Shared>, request: Request<Body>) -> Result<Answer> {
    match trouble {
        Trouble::Refuse { code, retry_after } => fault::refusal(code, retry_after),
        Trouble::Slow(time) => {
            tokio::time::sleep(time).await;
            pass(shared, request).await
        }
        Trouble::Cut => anyhow::bail!("cut"),
        Trouble::Hang => std::future::pending().await,
        Trouble::LoseAnswer => {
            pass(shared, request).await?;
            anyhow::bail!("lost")
        }
        Trouble::HoldAnswer => {
            pass(shared, request).await?;
            std::future::pending().await
        }
        Trouble::Keep(time) => {
            let server = shared.server.clone();
            lock(&shared.kept).spawn(async move {
                tokio::time::sleep(time).await;
                Ok(server.send(request).await?.status().as_u16())
            });
            std::future::pending().await
        }
        Trouble::Expire => Ok(Response::new(whole(fault::EXPIRED))),
        Trouble::End => Ok(Response::new(whole(""))),
    }
}

/// Passes a request on; what comes back stops while the proxy is frozen.
async fn pass(shared: &Shared, request: Request<Body>) -> Result<Answer> {
    let answer = shared.server.send(request).await.context("the API server does not answer")?;
    let frozen = shared.frozen.subscribe();
    Ok(answer.map(|body| {
        let frames = futures::StreamExt::then(BodyStream::new(body), move |frame| {
            let frozen = frozen.clone();
            async move {
                thawed(frozen).await;
                frame
            }
        });
        StreamBody::new(frames).boxed_unsync()
    }))
}

async fn thawed(mut frozen: watch::Receiver<bool>) {
    // Fails only if the proxy is gone.
    let _ = frozen.wait_for(|frozen| !frozen).await;
}

fn whole(text: &'static str) -> UnsyncBoxBody<Bytes, kube::Error> {
    Full::from(text).map_err(|never| match never {}).boxed_unsync()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
