//! Where the log goes and how it looks.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use gatewright_compiler::LogLevel;
use tracing_subscriber::{EnvFilter, fmt};

/// What is logged without being asked for anything else. kube's client logs every failed request, as we do.
pub const DEFAULT: &str = "info,kube_client=off";

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere
    #[default]
    Auto,
    /// Lines for people
    Text,
    /// One JSON object per line
    Json,
}

/// Sends the log to stderr from now on. The returned function changes what it says; none goes back to the start.
///
/// # Errors
/// The filter cannot be read.
pub fn start(filter: &str, format: LogFormat) -> anyhow::Result<Box<dyn Fn(Option<LogLevel>) + Send + Sync>> {
    let first = EnvFilter::try_new(filter).with_context(|| format!("--log: {filter:?} is not a filter"))?;
    let terminal = std::io::stderr().is_terminal();
    let log = fmt().with_env_filter(first).with_writer(std::io::stderr).with_ansi(terminal);
    let filter = filter.to_owned();
    if format == LogFormat::Json || (format == LogFormat::Auto && !terminal) {
        let log = log.json().flatten_event(true).with_current_span(false).with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        Ok(Box::new(move |level| report(handle.reload(new_filter(&filter, level)))))
    } else {
        let log = log.with_target(false).with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        Ok(Box::new(move |level| report(handle.reload(new_filter(&filter, level)))))
    }
}

fn new_filter(first: &str, level: Option<LogLevel>) -> EnvFilter {
    match level {
        None => EnvFilter::new(first),
        Some(level) => EnvFilter::new(format!("{},kube_client=off", level.as_ref())),
    }
}

fn report(result: Result<(), tracing_subscriber::reload::Error>) {
    if let Err(error) = result {
        tracing::warn!(%error, "cannot change what the log says");
    }
}
