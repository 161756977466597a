//! Waiting, always with an end.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kube::{Client, Config};
use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use super::certificates::Files;
use super::process::{Process, last_lines};
use super::processes;

/// How long a process may take to become healthy; much more than needed, for machines under load.
const START: Duration = Duration::from_secs(90);
/// How long a process may take to end after SIGTERM.
const END: Duration = Duration::from_secs(15);
/// How often a condition is looked at, at first.
const INTERVAL: Duration = Duration::from_millis(50);
/// How often at last: each look is a program that starts, and what is waited for needs the processors, too.
const LONGEST_INTERVAL: Duration = Duration::from_millis(400);

/// Waits until the health URL of `process` answers with success.
///
/// # Errors
///
/// The process ends, or is not healthy in time; the error shows the end of its log.
pub async fn healthy(cluster: &Path, process: &Process) -> Result<()> {
    let Some(url) = &process.health else { return Ok(()) };
    let (client, path) = probe(cluster, url)?;
    let deadline = Instant::now() + START;
    loop {
        let answer = get(&client, &path).await;
        let log = || last_lines(cluster, &process.name);
        // First, because another process may answer at that URL.
        if processes::named(cluster, &process.name).is_empty() {
            bail!("{} has ended; {}", process.name, log());
        }
        let Err(error) = answer else { return Ok(()) };
        if Instant::now() > deadline {
            bail!("{} is not healthy after {START:?}: {url}: {error:#}; {}", process.name, log());
        }
        sleep(INTERVAL).await;
    }
}

fn probe(cluster: &Path, url: &str) -> Result<(Client, String)> {
    let uri: http::Uri = url.parse().with_context(|| format!("{url} is no URL"))?;
    let path = uri.path().to_owned();
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
    let mut config = Config::new(http::Uri::from_parts(parts)?);
    config.root_cert_file = Some(Files::new(cluster).authority());
    config.default_retry = false;
    Ok((Client::try_from(config)?, path))
}

async fn get(client: &Client, path: &str) -> Result<()> {
    let request = http::Request::get(path).body(Vec::new())?;
    timeout(Duration::from_secs(5), client.request_text(request)).await.context("no answer in 5 s")??;
    Ok(())
}

/// Waits until no process has the name any more.
///
/// # Errors
///
/// One is still there after `limit`.
pub async fn gone(cluster: &Path, name: &str, limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !processes::named(cluster, name).is_empty() {
        if Instant::now() > deadline {
            bail!("{name} still runs after {limit:?}; {}", last_lines(cluster, name));
        }
        sleep(INTERVAL).await;
    }
    Ok(())
}

/// Sends `signal` to the processes with the name and waits until they are gone.
///
/// # Errors
///
/// One is still there after 15 seconds.
pub async fn end(cluster: &Path, name: &str, signal: Signal) -> Result<()> {
    let found = processes::named(cluster, name);
    processes::signal(&found, signal);
    gone(cluster, name, END).await?;
    let what = format!("{name} has let go of its ports");
    until(&what, END, async || Ok(found.iter().all(processes::has_ended))).await
}

/// Asks again and again until `condition` is true; errors of it count as false.
///
/// # Errors
///
/// It is not true in time; the error says the last reason.
pub async fn until<F>(what: &str, limit: Duration, mut condition: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    let deadline = Instant::now() + limit;
    let mut interval = INTERVAL;
    loop {
        let outcome = timeout(limit, condition()).await.context("no answer").flatten();
        if let Ok(true) = outcome {
            return Ok(());
        }
        if Instant::now() > deadline {
            let reason = outcome.err().map(|error| format!(": {error:#}")).unwrap_or_default();
            bail!("waited {limit:?} in vain until {what}{reason}");
        }
        sleep(interval).await;
        interval = (interval * 3 / 2).min(LONGEST_INTERVAL);
    }
}
