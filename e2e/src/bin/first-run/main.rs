//! `make first-run`: the README's sessions, as they stand there, in an empty folder, on a fresh control plane.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use gatewright_e2e::documents::Shell;
use gatewright_e2e::transcript::{Step, normal, rewritten, steps};
use gatewright_e2e::{Cluster, FailurePolicy, Options, down, paths};

const NAME: &str = "first-run";

/// What a reader has after cloning, as far as the sessions use it.
const CLONED: [&str; 2] = ["deploy", "examples"];

/// How long the cluster may take to show what the README says.
const SETTLED: Duration = Duration::from_secs(20);

/// Runs the sessions of the README and fails on any difference from what stands there
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Write what the commands print into the README
    #[arg(long)]
    record: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = run(Arguments::parse().record).await;
    if let Err(error) = &outcome {
        eprintln!("error: {error:#}");
    }
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(record: bool) -> Result<()> {
    let path = paths::repository().join("README.md");
    let readme = std::fs::read_to_string(&path)?;
    let steps =
        steps(&readme).map_err(|line| anyhow::anyhow!("README.md:{line}: output before any command"))?;
    ensure!(!steps.is_empty(), "README.md has no session");
    down(NAME)?;
    // As upstream installs it; and no audit, which would come at any time.
    let (failure_policy, audit_interval) = (FailurePolicy::Ignore, 3600);
    let options = Options { failure_policy, audit_interval, ..Options::new(NAME) };
    let session =
        async |cluster: &Cluster| cluster.with_pods_run(async || session(cluster, &steps).await).await;
    let outputs = Cluster::run(options, session).await?;
    if record {
        std::fs::write(&path, rewritten(&readme, &outputs))?;
        return Ok(());
    }
    compare(&steps, &outputs)
}

/// What each step prints, all of them in the same folder.
async fn session(cluster: &Cluster, steps: &[Step]) -> Result<Vec<String>> {
    let shell = Shell::new(&cluster.directory().join("folder"), &cluster.kubeconfig(), &CLONED)?;
    let mut outputs = vec![];
    for step in steps {
        println!("$ {}", step.command);
        let output = settled(&shell, step).await?;
        print!("{output}");
        outputs.push(output);
    }
    Ok(outputs)
}

/// What is shown of the cluster takes a moment to be as the README says.
async fn settled(shell: &Shell, step: &Step) -> Result<String> {
    let end = Instant::now() + SETTLED;
    loop {
        let output = shell.run(&step.command).await.with_context(|| format!("README.md:{}", step.line))?.text;
        let may_change = step.command.starts_with("kubectl get ") && !step.command.contains('|');
        if !may_change || normal(&output) == normal(&step.output) || Instant::now() > end {
            return Ok(output);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Ages, ports, uids and times may differ; nothing else.
fn compare(steps: &[Step], outputs: &[String]) -> Result<()> {
    let mut wrong = vec![];
    for (step, output) in steps.iter().zip(outputs) {
        if normal(&step.output) != normal(output) {
            let Step { line, command, output: expected } = step;
            wrong.push(format!(
                "README.md:{line}: $ {command}\nthe README says:\n{expected}it prints:\n{output}"
            ));
        }
    }
    if !wrong.is_empty() {
        bail!(
            "{}\n`make first-run RECORD=1` writes what the commands print into the README",
            wrong.join("\n")
        );
    }
    println!("\nThe README is right.");
    Ok(())
}
