//! `/metrics`, `/livez` and `/readyz`. Nothing here changes anything, so nobody has to prove who they are.

mod connections;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use gatewright_api::PolicyKind;
use gatewright_rules::Template;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tracing::info;

use crate::Error;
use crate::judge::age::too_old;
use crate::judge::skew::sentences;
use crate::metrics::Metrics;
use crate::run::scrape::State;
use crate::watch::cache::Knowledge;
use crate::watch::observe::{Gatekeeper, lacking};

/// Beside our own kinds: without these nothing can be enforced.
const ESSENTIAL: [&str; 2] = ["ConstraintTemplate", "Pods of Gatekeeper"];

struct Served {
    registry: Registry,
    state: State,
}

/// Listens on an address; port 0 takes one that is free. The log shows which.
///
/// # Errors
/// The address cannot be listened on.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let failed = |reason| Error::Listen { address, reason };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    info!(address = %listener.local_addr().map_err(failed)?, "serving probes and metrics");
    Ok(listener)
}

/// Answers forever.
pub(crate) async fn serve(listener: TcpListener, metrics: &Metrics, state: State) {
    let mut registry = metrics.registry();
    registry.register_collector(Box::new(state.clone()));
    let routes = Router::new()
        .route("/metrics", get(show_metrics))
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(show_readiness))
        .with_state(Arc::new(Served { registry, state }));
    connections::serve(listener, routes).await;
}

async fn show_metrics(Shared(served): Shared<Arc<Served>>) -> impl IntoResponse {
    let mut text = String::new();
    let encoded = prometheus_client::encoding::text::encode(&mut text, &served.registry);
    let status = if encoded.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (status, [(header::CONTENT_TYPE, kind)], text)
}

async fn show_readiness(Shared(served): Shared<Arc<Served>>) -> impl IntoResponse {
    let state = &served.state;
    let caches = state.world().map(|world| {
        let caches = world.caches();
        caches.into_iter().map(|(name, known, _)| (name.to_owned(), known)).collect::<Vec<_>>()
    });
    let mut missing = missing(caches.as_deref(), &state.throttle.failing(), state.leadership.trouble());
    match state.world() {
        Some(world) => {
            missing.extend(sentences(&lacking(&world)));
            missing.extend(too_old(&Gatekeeper::observe(&world)).map(|why| why.message));
        }
        None => missing.extend(unsettled(state.settings_problem.borrow().as_deref())),
    }
    if missing.is_empty() {
        let role = if state.leadership.may_write() { "leader" } else { "standby" };
        return (StatusCode::OK, format!("ok: {role}\n"));
    }
    (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n")
}

/// The settings file, where it was broken from the start; each of its problems.
fn unsettled(problem: Option<&str>) -> Vec<String> {
    let problems = problem.into_iter().flat_map(str::lines);
    problems.map(|problem| format!("the settings file is broken: {problem}")).collect()
}

/// Why the replica could not do its work, or take it over. A replica that stands by is as ready as the leader.
fn missing(
    caches: Option<&[(String, Knowledge)]>,
    failing: &[String],
    trouble: Option<String>,
) -> Vec<String> {
    let Some(caches) = caches else { return vec!["nothing is watched yet".to_owned()] };
    // Signatures are off by default, and what is wrong with them is said of the policies that need them.
    let is_installed =
        |name: &str| Template::of_kind(name).is_some_and(|template| !template.needs_verifier());
    let is_ours = |name: &str| name.parse::<PolicyKind>().is_ok() || is_installed(name);
    let absent = |name: &str| ESSENTIAL.contains(&name) || is_ours(name);
    let caches = caches.iter().filter_map(|(name, known)| match known {
        Knowledge::Unknown => Some(format!("not listed yet: {name}")),
        Knowledge::Absent if absent(name) => Some(format!("not served, or not to the operator: {name}")),
        Knowledge::Absent | Knowledge::Complete => None,
    });
    let trouble = trouble.map(|trouble| format!("cannot tell who leads: {trouble}"));
    let failing = failing.iter().map(|failing| format!("cannot be followed now: {failing}"));
    caches.chain(failing).chain(trouble).collect()
}

#[cfg(test)]
mod tests {
    use super::{missing, unsettled};
    use crate::watch::cache::Knowledge::{Absent, Complete, Unknown};

    #[test]
    fn every_problem_of_the_settings_file_is_named() {
        let problems = unsettled(Some("line 1: a\nline 2: b"));
        assert_eq!(
            problems,
            ["the settings file is broken: line 1: a", "the settings file is broken: line 2: b"]
        );
        assert!(unsettled(None).is_empty());
    }

    #[test]
    fn what_is_missing_is_named() {
        let caches = |known| vec![("SecurityPolicy".to_owned(), known), ("Config".to_owned(), Complete)];
        assert_eq!(missing(None, &[], None), ["nothing is watched yet"]);
        assert_eq!(missing(Some(&caches(Unknown)), &[], None), ["not listed yet: SecurityPolicy"]);
        assert_eq!(
            missing(Some(&caches(Absent)), &[], None),
            ["not served, or not to the operator: SecurityPolicy"]
        );
        for other in ["Config", "D8VerifyImageSignatures"] {
            assert!(missing(Some(&[(other.to_owned(), Absent)]), &[], None).is_empty(), "{other}");
        }
        assert_eq!(missing(Some(&[("D8SecurityPolicy".to_owned(), Absent)]), &[], None).len(), 1);
        let failing = ["/api/v1/pods: 500".to_owned()];
        assert_eq!(
            missing(Some(&caches(Complete)), &failing, Some("no".into())),
            ["cannot be followed now: /api/v1/pods: 500", "cannot tell who leads: no"]
        );
    }
}
