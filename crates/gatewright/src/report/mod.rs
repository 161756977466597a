//! `gatewright report`: what violates policies and standards, for whoever has to change it and for whoever has to know.

mod csv;
mod document;
mod files;
mod fold;
mod owners;
mod page;
mod print;
mod read;
mod seen;
#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use gatewright_gatekeeper::Action;
use k8s_openapi::jiff::Timestamp;

pub use self::document::Report;
use self::document::{AuditRun, By};
use self::fold::{Finding, bounded, by_owner, summary};
use self::owners::Owners;
use self::seen::Seen;
use crate::cluster::{ClusterArgs, Unseen};
use crate::columns::terminal_width;
use crate::foreign::Foreign;
use crate::input::ReadingArgs;
use crate::sandbox::{Limits, Pool};
use crate::settings::SettingsArgs;
use crate::{FAILED, diagnostics};

/// Something fails.
const FAILS: u8 = 1;

/// Given with `--help`.
pub const LONG_ABOUT: &str = "\
Lists what violates policies and standards: by the object that has to be changed, by namespace, or by policy.

It reports what the last audit of Gatekeeper found in the cluster. Violations of Pods are counted for the \
Deployment, CronJob or other object that the Pods belong to. FAIL counts what is refused, WARN what passes with a \
warning or as a dry run. SINCE is when audit found the first of them, as the reports in namespaces say; without such \
reports it is not known. Gatekeeper lists only the first violations of each policy: what it leaves out is counted \
and said.

With -f the objects of files are judged as check does, without a cluster.

It runs as you: what you may not see is named in a line \"not shown\".";

const EXAMPLES: &str = "\
Examples:
  gatewright report
  gatewright report -n shop
  gatewright report --by policy -o csv > violations.csv
  # one page to search, filter and print
  gatewright report --html report.html
  kubectl get ns,deploy,ds,sts,cronjobs,jobs,pods -A -o yaml | gatewright report -f policies/ -f -

Exit codes: 0 nothing fails, 1 something does, 2 wrong usage or input, the cluster refused, or something may not be \
seen.";

/// What to report on.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Policies and manifests to judge in place of a cluster: files or folders, or - for standard input; can be repeated
    #[arg(short, long = "filename", value_name = "PATH",
          conflicts_with_all = ["kubeconfig", "context", "user", "all_namespaces"])]
    filenames: Vec<PathBuf>,
    /// What a row is about
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// The format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Writes a page, too: one file that needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    limits: Limits,
}

/// The formats of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Text for people
    #[default]
    Table,
    /// One JSON document, for scripts
    Json,
    /// Lines for a spreadsheet
    Csv,
}

/// What a report is made of.
struct Material {
    findings: Vec<Finding>,
    owners: Owners,
    audit: Option<AuditRun>,
    namespace: Option<String>,
    all_namespaces: Option<usize>,
    notes: Vec<String>,
    incomplete: Vec<Unseen>,
    /// Whether something could not be judged.
    failed: bool,
}

/// Reads or judges, and prints.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let material = if args.filenames.is_empty() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(of_cluster(args))?
    } else {
        of_files(args)?
    };
    let owners = by_owner(&material.findings, &material.owners);
    let report = |by| report(&material, &owners, by);
    let found = report(args.by);
    let text = match args.output {
        Format::Table => print::text(&found, Timestamp::now(), terminal_width()),
        Format::Json => serde_json::to_string_pretty(&found)? + "\n",
        Format::Csv => csv::text(&found),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    found.notes.iter().for_each(diagnostics::note);
    found.incomplete.iter().for_each(diagnostics::note);
    if let Some(path) = &args.html {
        ensure!(path.as_os_str() != "-", "--html -: name a file; -o json and -o csv are for pipes");
        let page = page::page(&report(By::Owner), args.by, Timestamp::now())?;
        std::fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))?;
        diagnostics::note(format!("{}: written", path.display()));
    }
    Ok(ExitCode::from(match found.summary.failed {
        _ if material.failed || !found.incomplete.is_empty() => FAILED,
        0 => 0,
        _ => FAILS,
    }))
}

/// The report of some material, whose rows by owner these are.
fn report(material: &Material, owners: &[document::OwnerRow], by: By) -> Report {
    let (rows, omitted) = bounded(owners, by);
    Report {
        kind: "Report",
        version: 1,
        by,
        namespace: material.namespace.clone().map(Foreign::from),
        audit: material.audit.clone(),
        summary: summary(owners, material.all_namespaces),
        rows,
        omitted,
        notes: material.notes.iter().map(|note| note.as_str().into()).collect(),
        incomplete: material.incomplete.clone(),
    }
}

async fn of_cluster(args: &Args) -> anyhow::Result<Material> {
    let connection = args.cluster.connect().await?;
    let namespace = args.cluster.namespace_or("").filter(|namespace| !namespace.is_empty());
    let seen = read::read(&connection, namespace.as_deref()).await?;
    let audit = seen::run(&seen);
    if audit.is_none() && seen.incomplete.is_empty() {
        bail!(
            "nothing is known: Gatekeeper's audit has not looked at any policy or standard. It runs each minute where \
             Gatekeeper and gatewright do; gatewright status says whether they do"
        );
    }
    let findings = seen::findings(&seen, namespace.as_deref());
    Ok(Material {
        notes: audit.as_ref().map(|run| seen::notes(run, &seen.exempt)).unwrap_or_default(),
        failed: namespace.as_deref().is_some_and(|namespace| nothing_is_known(&seen, namespace, &findings)),
        findings,
        owners: seen.owners,
        audit,
        namespace,
        all_namespaces: seen.namespaces,
        incomplete: seen.incomplete,
    })
}

/// Whether nobody can say that nothing fails in the namespace: audit leaves it out, or found more than it lists.
fn nothing_is_known(seen: &Seen, namespace: &str, findings: &[Finding]) -> bool {
    let fails = findings.iter().any(|finding| finding.action == Action::Deny);
    seen.is_exempt(namespace) || (seen::hides_failures(seen) && !fails)
}

fn of_files(args: &Args) -> anyhow::Result<Material> {
    let reading = args.reading.reading();
    let settings = args.settings.read(&reading.limit)?;
    let default = args.cluster.namespace_or("").filter(|namespace| !namespace.is_empty());
    let pool = Pool::new(args.limits);
    let found = files::judge(&args.filenames, &reading, &settings, default.as_deref(), &pool)?;
    Ok(Material {
        findings: found.findings,
        owners: found.owners,
        audit: None,
        namespace: None,
        all_namespaces: Some(found.namespaces),
        notes: found.notes,
        incomplete: vec![],
        failed: found.failed,
    })
}
