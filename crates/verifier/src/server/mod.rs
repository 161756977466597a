//! The verifier as a process: what it answers, to whom, and whether it is ready.

mod connections;
mod identity;
mod routes;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

pub use self::identity::{BadPair, Identity};

use self::connections::{Connections, Trust};
use self::routes::{Peer, Shown};
use crate::bounds;
use crate::registry::Registry;
use crate::verifier::Verifier;

/// How long a connection lasts at most: it carries one call, which is answered within half a second.
const LONGEST: Duration = Duration::from_secs(10);
/// How long connections may go on when the process ends.
const DRAIN: Duration = Duration::from_secs(5);
/// The pause after a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections of probes and scrapers.
const PROBES: usize = 64;
/// How many bytes of a request's head or an answer a connection keeps.
const BUFFER: usize = 16 << 10;

/// What the process is and knows.
#[derive(Clone, Debug)]
pub struct Server {
    verifier: Arc<RwLock<Verifier>>,
    /// The serving certificate, and whose calls are answered.
    pub identity: Identity,
    /// What must be there before calls can be answered, and whether it is.
    lists: Arc<Mutex<BTreeMap<&'static str, bool>>>,
    /// The name of this process, as its Pod is called.
    replica: Arc<str>,
}

impl Server {
    /// A server that is not ready before all of `lists` are known.
    #[must_use]
    pub fn new(verifier: Verifier, identity: Identity, replica: &str, lists: &[&'static str]) -> Self {
        let lists = Arc::new(Mutex::new(lists.iter().map(|name| (*name, false)).collect()));
        Self { verifier: Arc::new(RwLock::new(verifier)), identity, lists, replica: replica.into() }
    }

    /// What answers calls.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        self.verifier.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes other registries, for the calls from now on.
    pub fn set_registry(&self, registry: Registry) {
        let verifier = self.verifier().with_registry(registry);
        *self.verifier.write().unwrap_or_else(PoisonError::into_inner) = verifier;
    }

    /// One of the lists is known now.
    pub fn listed(&self, name: &'static str) {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner).insert(name, true);
    }

    /// What is missing; nothing where calls can be answered.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let lists = lists.iter().filter(|(_, known)| !**known);
        lists.map(|(name, _)| format!("not listed yet: {name}")).chain(self.identity.missing()).collect()
    }

    /// Answers Gatekeeper and the operator over TLS, until `end`; calls that were taken are answered then.
    pub async fn serve(&self, listener: TcpListener, end: impl Future<Output = ()> + Send) {
        let this = self.clone();
        take(listener, bounds::CONNECTIONS, end, move |stream, trust| {
            let this = this.clone();
            async move { this.connection(stream, trust).await }
        })
        .await;
    }

    async fn connection(self, stream: tokio::net::TcpStream, trust: Trust) {
        let Some(config) = self.identity.config() else { return };
        let accepting = TlsAcceptor::from(config).accept(stream);
        let Ok(Ok(stream)) = timeout(bounds::HANDSHAKE, accepting).await else { return };
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let peer = Peer { is_gatekeeper: self.identity.allows(certificate) };
        if peer.is_gatekeeper {
            trust.set();
        }
        self.answer(stream, Shown::Calls(peer)).await;
    }

    /// Answers probes and scrapers, who need not say who they are.
    pub async fn serve_probes(&self, listener: TcpListener, end: impl Future<Output = ()> + Send) {
        let this = self.clone();
        take(listener, PROBES, end, move |stream, _| {
            let this = this.clone();
            async move { this.answer(stream, Shown::Probes).await }
        })
        .await;
    }

    /// One request. Gatekeeper opens a connection for each call and would never use it again.
    async fn answer(self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, shown: Shown) {
        let service = service_fn(|request| {
            let this = &self;
            async move { Ok::<_, Infallible>(this.route(request, shown).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds::HANDSHAKE)
            .keep_alive(false)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), service);
        // Whoever hangs up or is too slow gets nothing.
        let _ = timeout(LONGEST, connection).await;
    }
}

/// Takes connections, at most so many, until the end.
async fn take<F>(
    listener: TcpListener,
    most: usize,
    end: impl Future<Output = ()> + Send,
    serve: impl Fn(tokio::net::TcpStream, Trust) -> F + Send,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = Connections::new(most);
    let mut end = std::pin::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connections.add(|trust| serve(stream, trust)).await,
                Err(error) => {
                    tracing::warn!(%error, "cannot take connections; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    connections.drain(DRAIN).await;
}
