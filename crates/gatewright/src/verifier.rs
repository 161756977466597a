//! `gatewright verifier`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use gatewright_verifier::run::Options;

use crate::log::{self, LogFormat};
use crate::operator::{host, stop_signal, without_huge_pages};

/// Given with `--help`.
pub const LONG_ABOUT: &str = "\
Answers Gatekeeper whether images are signed as policies want it.

It runs in a cluster, beside the operator; the chart's value verifier.enabled installs it. It follows the \
constraints of signatures and the policies, asks registries for signatures, and answers Gatekeeper alone, over TLS. \
To verify an image from your machine, use gatewright verify.

Changed files take effect within 10 seconds, without a restart.";

/// How the verifier runs.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The settings file that the operator has; without one all defaults hold
    #[arg(long, env = "GATEWRIGHT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder with the serving certificate, tls.crt, and its private key, tls.key. Until they are there /readyz says so
    #[arg(long, env = "GATEWRIGHT_TLS_DIR", value_name = "DIR")]
    tls_dir: PathBuf,
    /// The Docker configuration with the credentials of registries, for entries of policies without dockerCfg; without
    /// it, registries are asked anonymously
    #[arg(long, env = "GATEWRIGHT_REGISTRY_CONFIG", value_name = "FILE")]
    registry_config: Option<PathBuf>,
    /// Where Gatekeeper and the operator ask, over TLS
    #[arg(long, env = "GATEWRIGHT_ADDRESS", value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    address: SocketAddr,
    /// Where /metrics, /livez and /readyz are served
    #[arg(long, env = "GATEWRIGHT_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// The name of this replica, by which the operator knows it: its Pod's
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
    without_huge_pages();
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
