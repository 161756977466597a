//! Starts and stops local clusters from the command line.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{Parser, Subcommand};
use gatewright_e2e::{Cluster, Options, down, operator, paths, reap, tools};
use tokio::runtime::Runtime;

/// Local clusters of real programs, without containers
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a cluster that stays until `down`
    Up {
        #[command(flatten)]
        name: Name,
        /// How many Gatekeeper processes to run; 0 leaves Gatekeeper out
        #[arg(long, default_value_t = 1)]
        gatekeepers: usize,
        /// How many nodes to have
        #[arg(long, default_value_t = 1)]
        nodes: usize,
    },
    /// Stop a cluster and remove its data, in whatever state it is
    Down {
        #[command(flatten)]
        name: Name,
    },
    /// Run the operator's Pods of a cluster as processes, until this process ends
    #[command(hide = true)]
    RunPods {
        #[command(flatten)]
        name: Name,
    },
    /// End a cluster when standard input ends
    #[command(hide = true)]
    Reap {
        /// The data directory of the cluster
        directory: PathBuf,
    },
    /// Own a cluster as a test does, until this process ends
    #[command(hide = true)]
    Hold {
        #[command(flatten)]
        name: Name,
    },
}

#[derive(clap::Args)]
struct Name {
    /// The name of the cluster
    #[arg(long, default_value = "dev")]
    name: String,
}

fn main() -> ExitCode {
    // The chain of causes in one line; with a backtrace nobody would see it.
    run(Arguments::parse().command).map_or_else(
        |error| {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Up { name, gatekeepers, nodes } => {
            let gatekeepers = Options::gatekeeper_names(gatekeepers);
            Runtime::new()?.block_on(up(Options { gatekeepers, nodes, ..Options::new(&name.name) }))
        }
        Command::Down { name } => stop(&name.name),
        Command::RunPods { name } => {
            let (cluster, binary) = (Cluster::attach(&name.name)?, operator::binary()?);
            Runtime::new()?.block_on(cluster.run_pods(&binary))
        }
        Command::Reap { directory } => reap(&directory),
        Command::Hold { name } => Runtime::new()?.block_on(hold(&name.name)),
    }
}

async fn up(options: Options) -> Result<()> {
    let name = options.name.clone();
    let start = Instant::now();
    let state = if Cluster::attach(&name).is_ok_and(|cluster| cluster.is_up()) {
        "runs already".to_owned()
    } else {
        let cluster = Cluster::up(options).await?;
        // Nobody else changes what is known of the cluster from now on.
        let mut command = std::process::Command::new(std::env::current_exe()?);
        cluster.spawn("pods", command.args(["run-pods", "--name", &name]), None).await?;
        format!("is ready after {:.1} s", start.elapsed().as_secs_f32())
    };
    let directory = paths::cluster(&name)?;
    say(&format!(
        "cluster {name} {state}
  use it:  export KUBECONFIG={}
  kubectl: {}
  logs:    {}
  stop it: make cluster-down NAME={name}",
        directory.join("kubeconfig").display(),
        tools::path("kubectl").display(),
        directory.join("logs").display(),
    ));
    Ok(())
}

fn stop(name: &str) -> Result<()> {
    say(&match down(name)? {
        Some(count) => format!("cluster {name}: stopped {count} processes and removed the data"),
        None => format!("cluster {name}: nothing to stop"),
    });
    Ok(())
}

/// What was done is done, even if nobody listens any more; `println!` would panic then.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

async fn hold(name: &str) -> Result<()> {
    let _cluster = Cluster::start(Options { gatekeepers: Vec::new(), ..Options::new(name) }).await?;
    say("ready");
    std::future::pending().await
}
