//! `gatewright status`: what is enforced, what is not and why, and what violates it.

mod document;
mod print;
mod probe;
pub mod read;
mod view;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use gatewright_api::PolicyKind;
use tokio::time::Instant;

pub use self::document::{State, Status};
use self::probe::Probe;
pub use self::probe::ProbeDocument;
pub use self::view::state;
use crate::cluster::{ClusterArgs, Connection, Format, OPERATOR_NAMESPACE, duration};
use crate::columns::terminal_width;
use crate::{FAILED, diagnostics};

/// Something is not ready.
const NOT_READY: u8 = 1;

/// How often a cluster is looked at while somebody waits.
const INTERVAL: Duration = Duration::from_secs(1);

/// Given with `--help`.
pub const LONG_ABOUT: &str = "\
Shows whether policies and standards are enforced, by every process of Gatekeeper, and what audit found.

It runs as you: what you may not see is named in a line \"not shown\". The ClusterRole gatewright-viewer has all the \
rights that it needs, except for --probe, which creates a Pod as a dry run.

With --probe it asks the API server to create a privileged Pod as a dry run: the sure way to see that admission \
refuses.";

const EXAMPLES: &str = "\
Examples:
  gatewright status
  # until everything is ready, at most 60 seconds
  gatewright status --wait
  # one policy, with its processes
  gatewright status SecurityPolicy/baseline
  # does admission refuse a privileged Pod in shop?
  gatewright status --probe shop

Exit codes: 0 everything is ready, 1 something is not ready or the Pod of --probe passed, 2 wrong usage, the cluster \
refused, or something may not be seen.";

/// What to look at.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// One policy, as KIND/NAME; without one the whole system
    #[arg(value_name = "KIND/NAME", value_parser = policy_name)]
    policy: Option<(PolicyKind, String)>,
    /// Waits until it is ready; 60s if no time is given
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "60s",
          value_parser = duration)]
    wait: Option<Duration>,
    /// Tries whether a privileged Pod would be refused in this namespace
    #[arg(long, value_name = "NAMESPACE", conflicts_with = "policy")]
    probe: Option<String>,
    /// The format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// A policy as `KIND/NAME`; the kind also in lower case, in the plural, or short, as kubectl takes it.
pub fn policy_name(text: &str) -> Result<(PolicyKind, String), String> {
    let wrong = || {
        let kinds =
            PolicyKind::ALL.iter().map(|kind| format!("{kind}/NAME")).collect::<Vec<_>>().join(" or ");
        format!("{text:?} is not a policy; write it as {kinds}")
    };
    let (kind, name) = text.split_once('/').filter(|(_, name)| !name.is_empty()).ok_or_else(wrong)?;
    let kind = PolicyKind::ALL.iter().find(|it| names(**it).iter().any(|it| it.eq_ignore_ascii_case(kind)));
    Ok((*kind.ok_or_else(wrong)?, name.to_owned()))
}

/// What people call the kind.
fn names(kind: PolicyKind) -> Vec<String> {
    let crds = gatewright_api::crds();
    let crd = crds.into_iter().find(|crd| crd.spec.names.kind == kind.name());
    let names = crd.map(|crd| crd.spec.names);
    names
        .into_iter()
        .flat_map(|it| [vec![it.kind, it.plural], it.short_names.unwrap_or_default()].concat())
        .collect()
}

/// Looks, and prints what it saw.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(look(args))
}

async fn look(args: &Args) -> anyhow::Result<ExitCode> {
    let connection = args.cluster.connect().await?;
    if let Some(namespace) = &args.probe {
        return probe(&connection, namespace, args.wait, args.output).await;
    }
    let until = Instant::now() + args.wait.unwrap_or_default();
    let status = loop {
        let seen = observe(&connection, args).await;
        // What is missing a right now is missing it later, too. While things start, an answer may fail to come.
        let is_final = seen.as_ref().is_ok_and(|status| status.ready || !status.incomplete.is_empty());
        if is_final || Instant::now() >= until {
            break seen?;
        }
        tokio::time::sleep(INTERVAL).await;
    };
    let text = match (args.output, &args.policy) {
        (Format::Json, _) => format!("{}\n", serde_json::to_string_pretty(&status)?),
        (Format::Table, None) => print::text(&status, terminal_width()),
        (Format::Table, Some(_)) => print::policy(&status, terminal_width()),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    for unseen in &status.incomplete {
        diagnostics::note(unseen);
    }
    Ok(match status.ready {
        _ if !status.incomplete.is_empty() => ExitCode::from(FAILED),
        true => ExitCode::SUCCESS,
        false => ExitCode::from(NOT_READY),
    })
}

/// The whole system, or the one policy that was asked for.
async fn observe(connection: &Connection, args: &Args) -> anyhow::Result<Status> {
    let namespace = args.cluster.namespace_or(OPERATOR_NAMESPACE);
    let mut status = view::status(&read::read(connection, namespace.as_deref()).await?);
    if let Some((kind, name)) = &args.policy {
        status.policies.retain(|policy| policy.kind == *kind && policy.name.raw() == name);
        if status.policies.is_empty() && status.incomplete.is_empty() {
            bail!("there is no {kind}/{name} in the cluster");
        }
        status.ready = status.policies.iter().all(|policy| policy.ready);
    }
    Ok(status)
}

async fn probe(
    connection: &Connection,
    namespace: &str,
    wait: Option<Duration>,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let until = Instant::now() + wait.unwrap_or_default();
    let mut found = probe::probe(connection, namespace).await?;
    while matches!(found, Probe::Passed) && Instant::now() < until {
        tokio::time::sleep(INTERVAL).await;
        found = probe::probe(connection, namespace).await?;
    }
    let text = match format {
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&found.document(namespace))?),
        Format::Table => found.text(namespace),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    match found {
        Probe::Refused { .. } => Ok(ExitCode::SUCCESS),
        Probe::Passed => Ok(ExitCode::from(NOT_READY)),
        Probe::Unknown { because } => Err(anyhow!("{because}")),
    }
}

#[cfg(test)]
mod tests {
    use super::policy_name;
    use gatewright_api::PolicyKind;

    #[test]
    fn policies_are_named_as_for_kubectl() {
        for (text, kind) in [
            ("SecurityPolicy/a", PolicyKind::SecurityPolicy),
            ("securitypolicies/a", PolicyKind::SecurityPolicy),
            ("secpol/a", PolicyKind::SecurityPolicy),
            ("OperationPolicy/a", PolicyKind::OperationPolicy),
        ] {
            assert_eq!(policy_name(text), Ok((kind, "a".to_owned())), "{text}");
        }
        for text in ["a", "Pod/a", "SecurityPolicy/", "/a"] {
            let said = policy_name(text).unwrap_err();
            assert_eq!(
                said,
                format!("{text:?} is not a policy; write it as SecurityPolicy/NAME or OperationPolicy/NAME")
            );
        }
    }
}
