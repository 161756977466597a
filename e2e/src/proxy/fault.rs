//! What can go wrong, and with which requests.

use std::time::Duration;

use anyhow::Result;
use http::{Method, Request, Response, header};
use kube::client::Body;
use serde_json::json;

use super::{Answer, Full};
use http_body_util::BodyExt as _;

/// What a watch says whose version is no longer kept, as the API server itself says it.
pub const EXPIRED: &str = concat!(
    r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","#,
    r#""message":"too old resource version: 1 (2)","reason":"Expired","code":410}}"#,
    "\n"
);

/// Something that goes wrong with some requests.
#[derive(Clone, Debug)]
pub struct Fault {
    requests: Requests,
    path: String,
    after: usize,
    times: usize,
    trouble: Trouble,
}

/// Which requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requests {
    /// Every one.
    All,
    /// Those that begin a watch.
    Watches,
    /// All other reads.
    Reads,
    /// Those that change something.
    Writes,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// The API server refuses with this status code, perhaps asking to come back after so many seconds.
    Refuse {
        /// The status code.
        code: u16,
        /// `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// The request arrives late.
    Slow(Duration),
    /// The connection closes; the request never arrived.
    Cut,
    /// The request never arrives, and the connection stays open.
    Hang,
    /// The API server does what was asked, and the connection closes before it says so.
    LoseAnswer,
    /// The API server does what was asked, and never says so.
    HoldAnswer,
    /// Nothing is answered; the request arrives after this time, even if nobody waits for the answer any more.
    Keep(Duration),
    /// A watch whose version is no longer kept: an event says 410.
    Expire,
    /// A watch ends as soon as it has begun.
    End,
}

impl Fault {
    /// Trouble with all of these requests.
    #[must_use]
    pub fn new(requests: Requests, trouble: Trouble) -> Self {
        Self { requests, path: String::new(), after: 0, times: usize::MAX, trouble }
    }

    /// Only those with this in their path.
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// Only when so many of them have passed.
    #[must_use]
    pub fn after(self, after: usize) -> Self {
        Self { after, ..self }
    }

    /// Only so many times.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }
}

/// A fault, and what it has seen.
#[derive(Debug)]
pub struct Active {
    fault: Fault,
    seen: usize,
    pub hits: usize,
}

impl From<Fault> for Active {
    fn from(fault: Fault) -> Self {
        Self { fault, seen: 0, hits: 0 }
    }
}

impl Active {
    /// What goes wrong with this request, if anything does.
    pub fn strikes(&mut self, request: &Request<Body>) -> Option<Trouble> {
        if !self.fault.requests.includes(request) || !request.uri().path().contains(&self.fault.path) {
            return None;
        }
        self.seen += 1;
        if self.seen <= self.fault.after || self.hits >= self.fault.times {
            return None;
        }
        self.hits += 1;
        Some(self.fault.trouble)
    }
}

impl Requests {
    fn includes(self, request: &Request<Body>) -> bool {
        let reads = request.method() == Method::GET;
        let query = request.uri().query().unwrap_or_default();
        let watches = reads && query.split('&').any(|pair| pair == "watch=true");
        match self {
            Self::All => true,
            Self::Watches => watches,
            Self::Reads => reads && !watches,
            Self::Writes => !reads,
        }
    }
}

/// As the API server refuses.
pub fn refusal(code: u16, retry_after: Option<u64>) -> Result<Answer> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        "message": format!("trouble {code}"), "reason": reason(code),
    });
    let mut response = Response::builder().status(code).header(header::CONTENT_TYPE, "application/json");
    if let Some(seconds) = retry_after {
        response = response.header(header::RETRY_AFTER, seconds);
    }
    let body = Full::from(status.to_string()).map_err(|never| match never {});
    Ok(response.body(body.boxed_unsync())?)
}

fn reason(code: u16) -> &'static str {
    match code {
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    }
}
