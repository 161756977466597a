//! A provider of external data that answers whatever a scenario wants, and remembers what it was asked.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use gatewright_signatures::protocol::{Key, Outcome, ProviderRequest, ProviderResponse};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::tls::{Pair, acceptor};
use super::{lock, serving_pair};

/// A key of a call.
#[derive(Clone, Debug)]
pub struct Asked {
    /// As it was sent.
    pub text: String,
    /// What it says.
    pub key: Key,
}

/// What is answered to a call.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status code and a body.
    Text(u16, String),
    /// The same after this time.
    Late(Duration, String),
}

impl Reply {
    /// An answer with these items and this `systemError`, as they are.
    #[must_use]
    pub fn raw(items: &Value, system_error: &Value) -> Self {
        let response = json!({"idempotent": true, "items": items, "systemError": system_error});
        let answer = json!({
            "apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderResponse", "response": response,
        });
        Self::Text(200, answer.to_string())
    }
}

/// The answer that the verifier would give with these outcomes, by image.
#[must_use]
pub fn answers(asked: &[Asked], outcome: impl Fn(&Key) -> Outcome) -> Reply {
    let outcomes = asked.iter().map(|one| (one.text.clone(), one.key.image.clone(), outcome(&one.key)));
    let answer = ProviderResponse::new(outcomes).map(|answer| json!(answer).to_string());
    answer.map_or_else(|error| Reply::Text(500, error.to_string()), |text| Reply::Text(200, text))
}

type Script = Arc<dyn Fn(&[Asked]) -> Reply + Send + Sync>;

struct State {
    script: Mutex<Script>,
    calls: Mutex<Vec<Vec<Asked>>>,
}

/// The provider; it ends with its value.
pub struct ScriptedProvider {
    port: u16,
    pair: Pair,
    state: Arc<State>,
    listening: Mutex<JoinSet<()>>,
}

impl std::fmt::Debug for ScriptedProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptedProvider").field("port", &self.port).finish_non_exhaustive()
    }
}

impl ScriptedProvider {
    /// Starts it on this port of 127.0.0.1. It passes nothing yet.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(port: u16) -> Result<Self> {
        Self::start_as(port, serving_pair()?).await
    }

    /// Starts it in the place of another server, with this pair.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start_as(port: u16, pair: Pair) -> Result<Self> {
        let nothing: Script = Arc::new(|_| Reply::raw(&json!([]), &json!("")));
        let state = Arc::new(State { script: Mutex::new(nothing), calls: Mutex::default() });
        let provider = Self { port, pair, state, listening: Mutex::default() };
        provider.listen().await?;
        Ok(provider)
    }

    /// Where it is, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Its certificate, which is its own authority.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.pair.certificate
    }

    /// What it answers from now on.
    pub fn script(&self, script: impl Fn(&[Asked]) -> Reply + Send + Sync + 'static) {
        *lock(&self.state.script) = Arc::new(script);
    }

    /// The calls of admissions since this was last asked, each with its keys.
    pub fn calls(&self) -> Vec<Vec<Asked>> {
        self.take(true)
    }

    /// The calls of audits since this was last asked, each with its keys.
    pub fn audits(&self) -> Vec<Vec<Asked>> {
        self.take(false)
    }

    /// Audit comes at any time, so its calls are kept apart.
    fn take(&self, wait: bool) -> Vec<Vec<Asked>> {
        let mut calls = lock(&self.state.calls);
        let is_wanted = |call: &Vec<Asked>| call.iter().any(|asked| asked.key.wait) == wait;
        let (taken, left) = std::mem::take(&mut *calls).into_iter().partition(is_wanted);
        *calls = left;
        taken
    }

    /// The images of all calls of admissions since these were last asked, sorted.
    #[must_use]
    pub fn images(&self) -> Vec<String> {
        let mut images: Vec<_> = self.calls().into_iter().flatten().map(|asked| asked.key.image).collect();
        images.sort();
        images
    }

    /// Lets nobody connect any more, and ends all connections.
    pub async fn stop(&self) {
        let mut tasks = std::mem::take(&mut *lock(&self.listening));
        tasks.shutdown().await;
    }

    /// Listens again.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn listen(&self) -> Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.context("the provider's port")?;
        let accept = accept(listener, acceptor(&self.pair)?, Arc::clone(&self.state));
        lock(&self.listening).spawn(accept);
        Ok(())
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(stream, acceptor.clone(), Arc::clone(&state)));
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, state: Arc<State>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(|request| answer(Arc::clone(&state), request));
    // An error is a connection that Gatekeeper has closed.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
    let texts = ProviderRequest::parse(&body).unwrap_or_default();
    let asked: Vec<_> =
        texts.into_iter().filter_map(|text| Some(Asked { key: Key::parse(&text)?, text })).collect();
    lock(&state.calls).push(asked.clone());
    let script = Arc::clone(&lock(&state.script));
    let (status, text) = match script(&asked) {
        Reply::Text(status, text) => (status, text),
        Reply::Late(time, text) => {
            tokio::time::sleep(time).await;
            (200, text)
        }
    };
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    Ok(answer)
}
