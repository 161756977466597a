//! Kubernetes admission policy without Rego: the operator, and the tools around it.

mod log;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Parser, Subcommand};
use gatewright_api::EnforcementAction;
use gatewright_compiler::{PodPolicy, Preset, Settings, StandardVersion};

use crate::log::LogFormat;

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
    Operator(OperatorArgs),
    /// Prints the CustomResourceDefinitions of the policy kinds
    Crds(CrdsArgs),
    /// Writes the pages about the rules, from the catalogue and the cases in the source tree
    #[command(hide = true)]
    Docs(DocsArgs),
}

#[derive(Debug, clap::Args)]
struct OperatorArgs {
    /// The namespace that Gatekeeper runs in
    #[arg(long, env = "GATEWRIGHT_GATEKEEPER_NAMESPACE", default_value = "gatekeeper-system")]
    gatekeeper_namespace: String,
    /// The namespace that the operator runs in; no policy reaches it
    #[arg(long, env = "GATEWRIGHT_NAMESPACE", default_value = "gatewright-system")]
    namespace: String,
    /// The Pod Security Standard of namespaces without a label for it
    #[arg(long, env = "GATEWRIGHT_DEFAULT_POLICY", default_value = "Baseline", ignore_case = true,
        value_parser = PossibleValuesParser::new(["Privileged", "Baseline", "Restricted"])
            .try_map(|text| text.parse::<PodPolicy>()))]
    default_policy: PodPolicy,
    /// What happens to violations of the standard in namespaces without a label for that
    #[arg(long, env = "GATEWRIGHT_DEFAULT_ENFORCEMENT_ACTION", default_value = "Deny", ignore_case = true,
        value_parser = PossibleValuesParser::new(["Deny", "Warn", "Dryrun"])
            .try_map(|text| text.parse::<EnforcementAction>()))]
    default_enforcement_action: EnforcementAction,
    /// The version of the standards: latest or v1.N
    #[arg(long, env = "GATEWRIGHT_STANDARDS_VERSION", default_value_t)]
    standards_version: StandardVersion,
    /// What the log tells: error, warn, info, debug or trace, also for single modules
    #[arg(long, env = "GATEWRIGHT_LOG", default_value = "info,kube_client=off")]
    log: String,
    /// How the log is written
    #[arg(long, env = "GATEWRIGHT_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
}

#[derive(Debug, clap::Args)]
struct CrdsArgs {
    /// Writes one file for each kind into this folder instead
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct DocsArgs {
    /// The folder with the rules' cases
    #[arg(long, value_name = "DIR", default_value = "templates")]
    templates: PathBuf,
    /// The folder for the pages
    #[arg(long, value_name = "DIR", default_value = "docs/rules")]
    output_dir: PathBuf,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Operator(args) => operator(&args),
        Command::Crds(args) => crds(&args),
        Command::Docs(args) => docs(&args),
    }
}

fn operator(args: &OperatorArgs) -> anyhow::Result<()> {
    log::start(&args.log, args.log_format)?;
    let mut settings = Settings::new(Preset::None, &args.gatekeeper_namespace, &args.namespace);
    settings.standards.default_policy = args.default_policy;
    settings.standards.enforcement_action = args.default_enforcement_action;
    settings.standards.version = args.standards_version;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(async {
        let client = gatewright_operator::client().await?;
        gatewright_operator::run(client, settings, stop_signal()).await?;
        Ok(())
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

fn docs(args: &DocsArgs) -> anyhow::Result<()> {
    let pages = gatewright_rules::docs::pages(&|path| std::fs::read_to_string(args.templates.join(path)))?;
    for page in pages {
        let path = args.output_dir.join(&page.file);
        std::fs::write(&path, page.text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn a_wrong_setting_names_what_is_allowed() {
        use clap::Parser as _;
        for (flag, expected) in [
            ("--default-policy=resticted", "[possible values: Privileged, Baseline, Restricted]"),
            ("--default-enforcement-action=audit", "[possible values: Deny, Warn, Dryrun]"),
            ("--standards-version=1.31", "is neither `latest` nor a version such as `v1.37`"),
        ] {
            let said = Cli::try_parse_from(["gatewright", "operator", flag]).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        }
        assert!(Cli::try_parse_from(["gatewright", "operator", "--default-policy=restricted"]).is_ok());
    }

    /// `make generated` writes them.
    #[test]
    fn committed_crds_are_those_of_the_types() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds");
        let mut files = 0;
        for crd in gatewright_api::crds() {
            let path = format!("{folder}/{}.yaml", crd.spec.names.plural);
            let committed = std::fs::read_to_string(&path).unwrap();
            assert_eq!(committed, serde_saphyr::to_string(&crd).unwrap(), "{path}: run `make generated`");
            files += 1;
        }
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), files, "a CRD of no type");
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
