//! `gatewright operator`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use gatewright_operator::Options;

use crate::log::{self, LogFormat};

/// How the operator runs.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The settings file; without one all defaults hold. A changed file takes effect without a restart
    #[arg(long, env = "GATEWRIGHT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The namespace that the operator runs in, with its Lease; no policy reaches it
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME", default_value = "gatewright-system")]
    operator_namespace: String,
    /// The image that the operator runs from. Policies whose verifyImageSignatures covers it say so in their status
    #[arg(long, env = "GATEWRIGHT_IMAGE", value_name = "IMAGE")]
    image: Option<String>,
    /// The name of this replica in the Lease, in events and in the API server's audit log: its Pod's
    #[arg(long, env = "POD_NAME", value_name = "NAME", default_value_t = host())]
    replica: String,
    /// Whether replicas elect one that writes; false is for a single process that nobody else runs beside
    #[arg(long, env = "GATEWRIGHT_LEADER_ELECT", value_name = "BOOL", default_value_t = true,
        action = clap::ArgAction::Set)]
    leader_elect: bool,
    /// How many seconds after its last sign of life a leader is replaced
    #[arg(long, env = "GATEWRIGHT_LEASE_SECONDS", value_name = "SECONDS", default_value_t = 15,
        value_parser = clap::value_parser!(u64).range(3..=600))]
    lease_seconds: u64,
    /// Where /metrics, /livez and /readyz are served; port 0 takes a free one, which the log shows
    #[arg(long, env = "GATEWRIGHT_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// What the log contains: error, warn, info, debug or trace, also for single modules. log.level in the settings file
    /// goes before it
    #[arg(long, env = "GATEWRIGHT_LOG", default_value = log::DEFAULT)]
    log: String,
    /// How the log is written
    #[arg(long, env = "GATEWRIGHT_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
}

/// The name of the machine; in a Pod, that is the Pod's.
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "gatewright".to_owned() } else { name.to_owned() }
}

/// Runs the operator until it is asked to end.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    end_on_panic();
    without_huge_pages();
    let set_log_level = log::start(&args.log, args.log_format)?;
    let options = Options {
        config: args.config.clone(),
        namespace: args.operator_namespace.clone(),
        image: args.image.clone().filter(|image| !image.is_empty()),
        replica: args.replica.clone(),
        lease: args.leader_elect.then(|| Duration::from_secs(args.lease_seconds)),
        listen: args.listen,
        set_log_level,
    };
    // What the operator does is wait. Each further thread would keep memory of its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    runtime.block_on(gatewright_operator::run(options, stop_signal()))?;
    Ok(ExitCode::SUCCESS)
}

/// Keeps a long-running process small: the allocator asks for huge pages, and uses little of each 2 MiB. Nothing depends
/// on it, so a kernel without the switch is no error.
pub fn without_huge_pages() {
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// What a panic leaves half done must not go on: the process ends, and another replica takes over.
fn end_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}

/// Done when the process is asked to end. A signal that cannot be listened to never comes.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = async |kind| match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(error) => {
            tracing::error!(%error, "cannot listen to signals");
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn huge_pages_can_be_switched_off() {
        super::without_huge_pages();
        assert!(rustix::thread::transparent_huge_pages_are_disabled().is_ok_and(|they_are| they_are));
    }
}
