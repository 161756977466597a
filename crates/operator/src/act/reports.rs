//! Brings the reports into the API, each exactly as it should be, and takes away what should not be there.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::core::DynamicObject;
use serde_json::Value;
use tracing::{debug, warn};

use crate::Error;
use crate::act::apply;
use crate::error::request;
use crate::events::Events;
use crate::judge::reports::content::keep_times;
use crate::judge::reports::{Decisions, Outcome, Work, news};
use crate::names::REPORT as NAME;
use crate::watch::desired::{Found, Prepared};
use crate::watch::kind::Id;
use crate::watch::live::Live;
use crate::watch::published::ReportsOutcome;
use crate::watch::reports::labels;

/// How many reports are written at once.
const CONCURRENCY: usize = 8;

/// Writes the reports that differ, and returns what became of them all.
pub(crate) async fn carry_out(client: &Client, decisions: &Decisions<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.published.truncated = decisions.truncated();
    let mut running = FuturesUnordered::new();
    for decision in decisions.iter() {
        // Most reports are as they should be, and there may be very many.
        tokio::task::consume_budget().await;
        outcome.count(decision.results);
        let Some(work) = decision.work else { continue };
        if running.len() == CONCURRENCY
            && let Some((id, Err(error))) = running.next().await
        {
            outcome.failed(id, error);
        }
        running.push(done(client, decision.id, work));
    }
    while let Some((id, result)) = running.next().await {
        if let Err(error) = result {
            outcome.failed(id, error);
        }
    }
    outcome
}

/// Says which reports have come not to be as they should be.
pub(crate) fn say(events: &Events, before: Option<&ReportsOutcome>, now: &ReportsOutcome) {
    for news in news(before, now) {
        let message = &news.problem.message;
        warn!(report = %news.id, because = message, "a report is not as it should be");
        if news.event {
            events.warn(&news.id.namespace, "ReportNotWritten", message);
        }
    }
}

async fn done(client: &Client, id: Id, work: Work) -> (Id, Result<(), Error>) {
    let result = match work {
        Work::Write { content, exists } => write(client, &id, content, exists).await,
        Work::Delete => delete(client, &id).await,
    };
    (id, result)
}

async fn write(client: &Client, id: &Id, mut content: Value, exists: bool) -> Result<(), Error> {
    let live = if exists { live(client, id).await? } else { None };
    if let Some(live) = &live {
        keep_times(&mut content, &live.data);
    }
    let metadata = ObjectMeta {
        name: Some(NAME.to_owned()),
        namespace: Some(id.namespace.clone()),
        labels: Some(labels()),
        ..ObjectMeta::default()
    };
    let prepared = Prepared::new(id.kind, &metadata, &content);
    let write = match prepared.compare(live.map(|live| Arc::new(Live::from(live))).as_ref()) {
        Found::Applied(_) => return Ok(()),
        Found::Blocked(obstacle) => return Err(obstacle.error(id)),
        Found::Differs(write) => write,
    };
    match apply::apply(client, &prepared, &write).await {
        // The namespace is going or gone, and takes its reports with it; or the kind is, which we watch.
        Err(error) if error.is_not_found() || error.is_namespace_terminating() => Ok(()),
        outcome => {
            outcome?;
            debug!(report = %id, ?write, "report");
            Ok(())
        }
    }
}

/// The report as it is in the API; none if it, its namespace or its kind is not there.
async fn live(client: &Client, id: &Id) -> Result<Option<DynamicObject>, Error> {
    match request(format!("reading {id}"), id.api(client).get(NAME)).await {
        Err(error) if error.is_not_found() => Ok(None),
        live => live.map(Some),
    }
}

async fn delete(client: &Client, id: &Id) -> Result<(), Error> {
    let live = live(client, id).await?;
    match live.map(Live::from).filter(|live| live.obstacle().is_none()) {
        Some(live) => apply::delete(client, id, &live).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
