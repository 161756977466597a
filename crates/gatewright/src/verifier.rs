//! `gatewright verifier`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use gatewright_verifier::run::Options;

use crate::log::{self, LogFormat};
use crate::operator::{host, stop_signal};

/// How the verifier runs.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operator's settings file; without one all defaults hold. A changed file takes effect without a restart
    #[arg(long, env = "GATEWRIGHT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder with the serving certificate tls.crt and its key tls.key
    #[arg(long, env = "GATEWRIGHT_TLS_DIR", value_name = "DIR")]
    tls_dir: PathBuf,
    /// The Docker configuration for entries without dockerCfg
    #[arg(long, env = "GATEWRIGHT_REGISTRY_CONFIG", value_name = "FILE")]
    registry_config: Option<PathBuf>,
    /// Where Gatekeeper and the operator ask
    #[arg(long, env = "GATEWRIGHT_ADDRESS", value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    address: SocketAddr,
    /// Where /metrics, /livez and /readyz are served
    #[arg(long, env = "GATEWRIGHT_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// The name of this replica in its status: its Pod's
    #[arg(long, env = "POD_NAME", value_name = "NAME", default_value_t = host())]
    replica: String,
    /// What the log contains: error, warn, info, debug or trace, also for single modules
    #[arg(long, env = "GATEWRIGHT_LOG", default_value = log::DEFAULT)]
    log: String,
    /// How the log is written
    #[arg(long, env = "GATEWRIGHT_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
}

/// Runs the verifier until it is asked to end.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // Its level stays as it is.
    let _ = log::start(&args.log, args.log_format)?;
    let options = Options {
        config: args.config.clone(),
        tls_dir: args.tls_dir.clone(),
        registry_config: args.registry_config.clone(),
        address: args.address,
        listen: args.listen,
        replica: args.replica.clone(),
    };
    // Two threads: a signature that takes long to judge must not keep a call from its answer.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    runtime.block_on(gatewright_verifier::run::run(options, stop_signal()))?;
    Ok(ExitCode::SUCCESS)
}
