//! A registry within the test process, on loopback, that answers whatever a test wants.

pub(crate) mod sign;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::registry::{RegistryEntry, RegistrySettings};
use gatewright_signatures::Digest;

pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

/// What is said before an answer is served: none serves what is stored.
type Hook = Box<dyn Fn(&Seen) -> Option<Response<Body>> + Send + Sync>;

/// What the registry holds, and what it did.
#[derive(Default)]
pub(crate) struct TestRegistry {
    pub(crate) stored: Mutex<BTreeMap<String, (String, Vec<u8>)>>,
    pub(crate) seen: Mutex<Vec<Seen>>,
    hook: Mutex<Option<Hook>>,
    pub(crate) sent: Arc<AtomicU64>,
    address: Mutex<Option<SocketAddr>>,
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    BoxBody::new(Full::new(bytes.into()))
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(full(body)).unwrap()
}

impl TestRegistry {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Arc<Self> {
        let registry = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        *registry.address.lock().unwrap() = Some(listener.local_addr().unwrap());
        let serving = registry.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let registry = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| {
                        let response = registry.serve(&request);
                        async move { Ok::<_, Infallible>(response) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        registry
    }

    pub(crate) fn host(&self) -> String {
        self.address.lock().unwrap().unwrap().to_string()
    }

    /// Settings with which it can be asked by plain HTTP on loopback.
    pub(crate) fn settings(&self) -> RegistrySettings {
        let entry = RegistryEntry { host: self.host(), insecure: true, ..RegistryEntry::default() };
        RegistrySettings { allowed_networks: vec!["127.0.0.0/8".parse().unwrap()], registries: vec![entry] }
    }

    /// Lets the hook answer first.
    pub(crate) fn hook(&self, hook: impl Fn(&Seen) -> Option<Response<Body>> + Send + Sync + 'static) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect()
    }

    pub(crate) fn store(&self, path: &str, media_type: &str, bytes: impl Into<Vec<u8>>) {
        self.stored.lock().unwrap().insert(path.to_owned(), (media_type.to_owned(), bytes.into()));
    }

    /// Stores a manifest by its digest and, if there is one, a tag. Returns the digest.
    pub(crate) fn manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        kind: &str,
        bytes: impl Into<Vec<u8>>,
    ) -> String {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes).to_string();
        for reference in tag.into_iter().chain([digest.as_str()]) {
            self.store(&format!("/v2/{repository}/manifests/{reference}"), kind, bytes.clone());
        }
        digest
    }

    /// Stores a blob. Returns its digest.
    pub(crate) fn blob(&self, repository: &str, bytes: impl Into<Vec<u8>>) -> String {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes).to_string();
        self.store(&format!("/v2/{repository}/blobs/{digest}"), "application/octet-stream", bytes);
        digest
    }

    fn serve(&self, request: &Request<Incoming>) -> Response<Body> {
        let seen = Seen {
            method: request.method().to_string(),
            path: request.uri().path_and_query().unwrap().to_string(),
            headers: request.headers().clone(),
        };
        self.seen.lock().unwrap().push(seen.clone());
        let hooked = self.hook.lock().unwrap().as_ref().and_then(|hook| hook(&seen));
        hooked.unwrap_or_else(|| {
            let stored = self.stored.lock().unwrap().get(request.uri().path()).cloned();
            match stored {
                Some((kind, bytes)) => {
                    let digest = Digest::of(&bytes).to_string();
                    answer(200, &[("content-type", &kind), ("docker-content-digest", &digest)], bytes)
                }
                None => answer(404, &[], ""),
            }
        })
    }

    /// A body that never ends, in pieces of 64 KiB; `sent` counts its bytes.
    pub(crate) fn endless(sent: &Arc<AtomicU64>) -> Response<Body> {
        let sent = sent.clone();
        let pieces = stream::repeat_with(move || {
            sent.fetch_add(64 << 10, Ordering::Relaxed);
            Ok(Frame::data(Bytes::from(vec![b' '; 64 << 10])))
        });
        Response::new(BoxBody::new(StreamBody::new(pieces)))
    }

    /// A body that comes byte by byte.
    pub(crate) fn dripping(every: Duration) -> Response<Body> {
        let pieces = stream::repeat(()).then(move |()| async move {
            tokio::time::sleep(every).await;
            Ok(Frame::data(Bytes::from_static(b" ")))
        });
        Response::new(BoxBody::new(StreamBody::new(SyncStream(Mutex::new(Box::pin(pieces))))))
    }
}

/// Bodies must be `Sync`.
struct SyncStream<S>(Mutex<S>);

impl<S: stream::Stream + Unpin> stream::Stream for SyncStream<S> {
    type Item = S::Item;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::pin::Pin::new(&mut *self.0.lock().unwrap()).poll_next(context)
    }
}
