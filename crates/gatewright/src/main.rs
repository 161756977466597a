//! Kubernetes admission policy without Rego: the operator, and the tools around it.

mod log;
mod operator;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

/// Typed policies and namespace labels, enforced by Gatekeeper.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keeps Gatekeeper's templates and constraints right for all policies, and reports on their status
    Operator(operator::Args),
    /// Prints the CustomResourceDefinitions of the policy kinds
    Crds(CrdsArgs),
}

#[derive(Debug, clap::Args)]
struct CrdsArgs {
    /// Writes one file for each kind into this folder instead
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Operator(args) => operator::run(&args),
        Command::Crds(args) => crds(&args).map(|()| ExitCode::SUCCESS),
    }
}

fn crds(args: &CrdsArgs) -> anyhow::Result<()> {
    for crd in gatewright_api::crds() {
        let text = serde_saphyr::to_string(&crd).context("cannot write a CRD as YAML")?;
        match &args.output_dir {
            None => write!(std::io::stdout(), "---\n{text}")?,
            Some(folder) => {
                let path = folder.join(format!("{}.yaml", crd.spec.names.plural));
                std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory as _;

    /// `make crds` writes them.
    #[test]
    fn committed_crds_are_those_of_the_types() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds");
        let mut files = 0;
        for crd in gatewright_api::crds() {
            let path = format!("{folder}/{}.yaml", crd.spec.names.plural);
            let committed = std::fs::read_to_string(&path).unwrap();
            assert_eq!(committed, serde_saphyr::to_string(&crd).unwrap(), "{path}: run `make crds`");
            files += 1;
        }
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), files, "a CRD of no type");
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
