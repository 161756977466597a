//! `make demo`: the whole path, shown and checked.

mod guards;
mod policies;
mod replicas;
mod reports;
mod signatures;
mod stage;
mod workloads;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use gatewright_e2e::{Cluster, Options, down};

use stage::Stage;

const NAME: &str = "demo";

/// Shows on a local cluster what policies do, and checks every answer
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Leave the cluster running
    #[arg(long)]
    keep: bool,
    /// Show this alone, which needs more programs
    part: Option<Part>,
}

/// A part of the demo that is not shown with the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Image signatures: needs cosign and a registry.
    Signatures,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = run(Arguments::parse()).await;
    if let Err(error) = &outcome {
        eprintln!("error: {error:#}");
    }
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Brings up a cluster with the operator, shows what it does, and checks every answer.
async fn run(Arguments { keep, part }: Arguments) -> Result<()> {
    down(NAME)?;
    let options = Options { audit_interval: 2, ..Options::new(NAME) };
    let cluster = if keep { Cluster::up(options).await? } else { Cluster::start(options).await? };
    let mut stage = Stage::new(&cluster);
    let outcome = match part {
        Some(Part::Signatures) => signatures::play(&mut stage).await,
        None => play(&mut stage).await,
    };
    let wrong = std::mem::take(&mut stage.wrong);
    if keep {
        println!("\nThe cluster goes on:  export KUBECONFIG={}", cluster.kubeconfig().display());
        println!("Stop it with:         make cluster-down NAME={NAME}");
    } else {
        cluster.clean().await?;
    }
    outcome?;
    if !wrong.is_empty() {
        bail!("not as it should be: {}", wrong.join("; "));
    }
    println!("\nEverything was as it should be.");
    Ok(())
}

/// Each scene in its turn.
async fn play(stage: &mut Stage<'_>) -> Result<()> {
    policies::policies_become_ready(stage).await?;
    workloads::workloads_are_refused(stage).await?;
    workloads::good_ones_pass(stage).await?;
    workloads::warn_and_dryrun_let_pass(stage).await?;
    workloads::standards_hold_by_label(stage).await?;
    policies::an_edit_takes_effect(stage).await?;
    policies::what_is_deleted_comes_back(stage).await?;
    policies::a_wrong_key_is_said(stage).await?;
    guards::the_platforms_pods_are_guarded(stage).await?;
    guards::nodes_are_kept(stage).await?;
    reports::a_team_reads_its_report(stage).await?;
    replicas::another_leads_when_one_dies(stage).await?;
    policies::a_deleted_policy_leaves_nothing(stage).await?;
    stage.title("What an administrator sees")?;
    stage.kubectl(&["get", "securitypolicies,operationpolicies", "-o", "wide"]).await?;
    let wait = ["wait", "--for=condition=Ready", "gatewrightstatus/cluster", "--timeout=100s"];
    let output = stage.kubectl(&wait).await?;
    stage.check("the system works, too", output.status.success());
    stage.kubectl(&["get", "gatewrightstatus", "-o", "wide"]).await.map(drop)
}
