//! Where the log goes and how it looks.

use std::io::{self, IsTerminal as _, Write};

use anyhow::Context as _;
use gatewright_compiler::LogLevel;
use tracing_subscriber::{EnvFilter, fmt};

use crate::foreign;

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
    let terminal = io::stderr().is_terminal();
    let log = fmt().with_env_filter(first).with_writer(io::stderr).with_ansi(terminal);
    let filter = filter.to_owned();
    if format == LogFormat::Json || (format == LogFormat::Auto && !terminal) {
        let log = log.json().flatten_event(true).with_current_span(false).with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        Ok(Box::new(move |level| report(handle.reload(new_filter(&filter, level)))))
    } else {
        let log = log.with_writer(Shown::default).with_target(false).with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        Ok(Box::new(move |level| report(handle.reload(new_filter(&filter, level)))))
    }
}

/// Standard error for lines of text with foreign parts. What colours a line stays: the formatter writes these codes out
/// where they stand in what it is given.
#[derive(Default)]
struct Shown(Vec<u8>);

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.0);
        io::stderr().lock().write_all(foreign::colored(&String::from_utf8_lossy(&line)).as_bytes())
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // A log that cannot be written must end nothing.
        let _ = self.flush();
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
