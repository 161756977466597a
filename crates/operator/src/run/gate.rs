//! What every request to the API server passes: who may not write does not, and what is written is counted.

use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Method, Request};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

use crate::error::NotLeading;
use crate::metrics::Metrics;
use crate::run::leadership::Leadership;

/// Lets reads pass, and writes only while this replica leads. One place, so that no write can forget to ask.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) leadership: Leadership,
    pub(crate) metrics: Metrics,
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { inner, gate: self.clone() }
    }
}

/// A client's service behind the gate.
#[derive(Clone)]
pub(crate) struct Gated<S> {
    inner: S,
    gate: Gate,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>>,
    S::Error: Into<BoxError>,
    S::Response: Send + 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if let Some(verb) = verb(request.method()) {
            if !self.gate.leadership.may_write() {
                return futures::future::ready(Err(NotLeading.into())).boxed();
            }
            self.gate.metrics.wrote(&resource(request.uri().path()), verb);
        }
        self.inner.call(request).map(|answer| answer.map_err(Into::into)).boxed()
    }
}

/// The API server's verb of a request that writes.
fn verb(method: &Method) -> Option<&'static str> {
    match *method {
        Method::POST => Some("create"),
        Method::PUT => Some("update"),
        Method::PATCH => Some("patch"),
        Method::DELETE => Some("delete"),
        _ => None,
    }
}

/// The resource that a path is about, with its subresource.
fn resource(path: &str) -> String {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (["api", _, ref rest @ ..] | ["apis", _, _, ref rest @ ..]) = parts[..] else {
        return "other".to_owned();
    };
    let rest = if let ["namespaces", _, resource @ ..] = rest
        && !resource.is_empty()
    {
        resource
    } else {
        rest
    };
    match rest {
        [resource, _, subresource, ..] => format!("{resource}/{subresource}"),
        [resource, ..] => (*resource).to_owned(),
        [] => "other".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Gate, NotLeading, resource};
    use crate::metrics::Metrics;
    use crate::run::leadership::Leadership;
    use http::{Request, Response};
    use kube::client::Body;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;
    use tower::{Layer as _, Service as _, service_fn};

    #[test]
    fn paths_tell_the_resource() {
        for (path, expected) in [
            ("/apis/deckhouse.io/v1alpha1/securitypolicies/a/status", "securitypolicies/status"),
            ("/apis/constraints.gatekeeper.sh/v1beta1/d8securitypolicy", "d8securitypolicy"),
            ("/apis/events.k8s.io/v1/namespaces/default/events", "events"),
            ("/api/v1/namespaces/shop", "namespaces"),
            ("/api/v1/namespaces", "namespaces"),
            ("/version", "other"),
        ] {
            assert_eq!(resource(path), expected, "{path}");
        }
    }

    #[tokio::test]
    async fn nobody_writes_but_the_leader_and_not_after_its_time() {
        let time = Arc::new(AtomicU64::new(1));
        let clock = Arc::clone(&time);
        let leadership = Leadership::new(Arc::new(move || Duration::from_secs(clock.load(Ordering::SeqCst))));
        let gate = Gate { leadership: leadership.clone(), metrics: Metrics::new() };
        let answer = async |_: Request<Body>| Ok::<_, std::convert::Infallible>(Response::new(()));
        let mut service = gate.layer(service_fn(answer));
        let mut passes = async |method: &str| {
            let request = Request::builder().method(method).uri("/api/v1/pods").body(Body::empty()).unwrap();
            let answer = service.call(request).await;
            assert!(answer.as_ref().err().is_none_or(|error| error.is::<NotLeading>()));
            answer.is_ok()
        };
        let writes = ["POST", "PUT", "PATCH", "DELETE"];
        assert!(passes("GET").await && !passes("POST").await);
        leadership.extend(Duration::from_secs(10));
        for method in writes {
            assert!(passes(method).await, "{method}");
        }
        time.store(10, Ordering::SeqCst);
        for method in writes {
            assert!(!passes(method).await, "{method}");
        }
        assert!(passes("GET").await);
        leadership.extend(Duration::from_secs(20));
        leadership.end();
        assert!(!passes("PATCH").await);
    }
}
