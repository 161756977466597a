//! An API server for tests: it answers what it is given, and keeps what it was asked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

/// What the server answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// An object.
    Object(Value),
    /// The object that it was sent, as a new version.
    Stored,
    /// A refusal, with its code and reason.
    Refused(u16, &'static str),
    /// That there is no object of this name.
    Absent(String),
    /// That the namespace is being deleted.
    NamespaceTerminating,
}

/// The server. Clones share what they keep.
#[derive(Clone, Default)]
pub(crate) struct Server {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Server {
    /// Gives these answers, one after the other. Nothing else may be asked.
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), asked: Arc::default() }
    }

    pub(crate) fn client(&self) -> Client {
        let server = self.clone();
        let service = service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        Client::new(service, "default")
    }

    /// The verb and path of each request.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(what, _)| what.clone()).collect()
    }

    /// What was sent with each request.
    pub(crate) fn sent(&self) -> Vec<Value> {
        self.asked.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
        let what = format!("{} {}", parts.method, parts.uri.to_string().replace("?&", "?"));
        self.asked.lock().unwrap().push((what.clone(), sent.clone()));
        let answer = self.answers.lock().unwrap().pop_front();
        let (code, answer) = match answer {
            Some(Answer::Object(object)) => (200, object),
            Some(Answer::Stored) => (200, stored(sent)),
            Some(Answer::Refused(code, reason)) => (code, failure(code, reason)),
            Some(Answer::Absent(name)) => (404, absent(&name)),
            Some(Answer::NamespaceTerminating) => (403, terminating()),
            None => (500, failure(500, "NobodyExpectsThis")),
        };
        Response::builder().status(code).body(Body::from(answer.to_string().into_bytes())).unwrap()
    }
}

fn stored(mut object: Value) -> Value {
    object["metadata"]["uid"] = json!("stored");
    object["metadata"]["resourceVersion"] = json!("2");
    object
}

fn failure(code: u16, reason: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason,
    })
}

fn absent(name: &str) -> Value {
    let mut status = failure(404, "NotFound");
    status["details"] = json!({"name": name});
    status
}

fn terminating() -> Value {
    let mut status = failure(403, "Forbidden");
    status["details"] = json!({"causes": [{"reason": "NamespaceTerminating"}]});
    status
}
