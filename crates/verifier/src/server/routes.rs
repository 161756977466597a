//! What is answered at which path.

use gatewright_signatures::protocol::{PATH, RequestError};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use jiff::Timestamp;
use serde_json::json;

use super::Server;
use crate::bounds;
use crate::verifier::Verifier;

/// Who is on the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// It has Gatekeeper's certificate, or needs none.
    pub(super) is_gatekeeper: bool,
}

/// Which paths there are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    /// Those of Gatekeeper and the operator.
    Calls(Peer),
    /// Those of probes and scrapers.
    Probes,
}

type Answer = Response<Full<Bytes>>;

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    answer(status, "text/plain; charset=utf-8", body)
}

const JSON: &str = "application/json";
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Server {
    pub(super) async fn route(&self, request: Request<Incoming>, shown: Shown) -> Answer {
        let path = request.uri().path().to_owned();
        match (shown, request.method(), path.as_str()) {
            (Shown::Calls(peer), &Method::POST, PATH) if peer.is_gatekeeper => self.verify(request).await,
            (Shown::Calls(_), &Method::POST, PATH) => {
                text(StatusCode::FORBIDDEN, "only Gatekeeper may ask, with its certificate\n")
            }
            (Shown::Calls(_), &Method::GET, "/status") => self.status(),
            (Shown::Probes, &Method::GET, "/livez") => text(StatusCode::OK, "ok\n"),
            (Shown::Probes, &Method::GET, "/readyz") => self.readiness(),
            (Shown::Probes, &Method::GET, "/metrics") => self.show_metrics(),
            (Shown::Calls(_), _, PATH | "/status")
            | (Shown::Probes, _, "/livez" | "/readyz" | "/metrics") => {
                text(StatusCode::METHOD_NOT_ALLOWED, "")
            }
            _ => text(StatusCode::NOT_FOUND, ""),
        }
    }

    async fn verify(&self, request: Request<Incoming>) -> Answer {
        let Ok(body) = Limited::new(request.into_body(), bounds::REQUEST_BYTES).collect().await else {
            return text(StatusCode::PAYLOAD_TOO_LARGE, "the request is larger than 1 MiB\n");
        };
        match self.verifier().answer(&body.to_bytes()).await {
            Ok(bytes) => answer(StatusCode::OK, JSON, bytes),
            Err(error @ (RequestError::Malformed | RequestError::TooManyKeys)) => {
                text(StatusCode::BAD_REQUEST, format!("{error}\n"))
            }
        }
    }

    fn status(&self) -> Answer {
        let ends = self.identity.not_after().and_then(|seconds| Timestamp::from_second(seconds).ok());
        let status = json!({
            "replica": *self.replica,
            "ready": self.missing().is_empty(),
            "certificate": {"notAfter": ends.map(|at| at.to_string())},
            "constraints": self.verifier().policies.revisions(),
        });
        answer(StatusCode::OK, JSON, status.to_string())
    }

    fn readiness(&self) -> Answer {
        let missing = self.missing();
        if missing.is_empty() {
            text(StatusCode::OK, "ok\n")
        } else {
            text(StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n")
        }
    }

    fn show_metrics(&self) -> Answer {
        let Verifier { checks, metrics, .. } = self.verifier();
        metrics.now(checks.count(), checks.registry().hosts().down());
        metrics.certificate_ends(self.identity.not_after().unwrap_or_default());
        let mut shown = String::new();
        let encoded = prometheus_client::encoding::text::encode(&mut shown, &metrics.registry());
        let status = if encoded.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
        answer(status, METRICS, shown)
    }
}
