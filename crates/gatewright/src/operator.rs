//! `gatewright operator`.

use std::process::ExitCode;

use anyhow::Context as _;
use gatewright_compiler::Settings;

use crate::log::{self, LogFormat};
use crate::settings::SettingsArgs;

/// What the operator is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
    /// What the log tells: error, warn, info, debug or trace, also for single modules
    #[arg(long, env = "GATEWRIGHT_LOG", default_value = "info,kube_client=off")]
    log: String,
    /// How the log is written
    #[arg(long, env = "GATEWRIGHT_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
}

/// Runs the operator until it is asked to end.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    log::start(&args.log, args.log_format)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(async {
        let client = gatewright_operator::client().await?;
        gatewright_operator::run(client, Settings::from(&args.settings), stop_signal()).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Done when the process is asked to end. A signal that cannot be listened to never comes.
async fn stop_signal() {
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
