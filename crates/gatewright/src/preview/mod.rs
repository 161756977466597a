//! `gatewright preview`: what a change would refuse of what is in a cluster.

mod change;
mod cluster;
mod document;
mod dump;
mod labels;
pub mod owners;
mod plan;
mod print;
mod run;
mod sides;
mod tally;
#[cfg(test)]
mod tests;
mod wanted;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use gatewright_compiler::Settings;
use serde_json::{Value, json};

use self::change::Deleted;
pub use self::document::Preview;
use self::labels::LabelEdit;
use self::tally::{Answer, Row, Tally};
use crate::check::report::sarif;
use crate::check::result::ObjectResult;
use crate::cluster::{ClusterArgs, Unseen};
use crate::columns::terminal_width;
use crate::input::{InputError, Limit, ReadingArgs};
use crate::sandbox::Limits;
use crate::settings::SettingsArgs;
use crate::{FAILED, diagnostics};

/// Something new is refused.
const REFUSED: u8 = 1;

/// How many images are named in a note.
const NAMED: usize = 5;

/// Given with `--help`.
pub const LONG_ABOUT: &str = "\
Shows which objects in a cluster a change would refuse, before anybody makes the change. It changes nothing.

Everything is judged twice: by the templates and constraints that are in the cluster, and by those with the change. \
The change is a new or changed policy (-f), a label of a namespace, other settings, a deletion, the rules of this \
program, or several of these at once. Objects are judged as if they were created anew, a controller together with \
the Pods that it will create. Pods count for what made them.

It runs as you: what you may not see is named in a line \"not shown\". Signatures of images are not verified.";

const EXAMPLES: &str = "\
Examples:
  # a new or changed policy
  gatewright preview -f strict.yaml
  gatewright preview --label ns=shop,security.deckhouse.io/pod-policy=restricted
  # without the label
  gatewright preview --label ns=shop,tier-
  gatewright preview --settings new.yaml --config old.yaml
  gatewright preview --delete SecurityPolicy/baseline
  # what an upgrade to this version would refuse
  gatewright preview --rules builtin
  # without a cluster
  gatewright preview -f strict.yaml --dump must-gather/

Exit codes: 0 nothing new is refused, 1 something is, 2 wrong usage or input, the cluster refused, something may not \
be seen, or the result cannot be determined.";

/// What to preview.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    change: ChangeArgs,
    /// Takes the objects from files in place of a cluster: what `kubectl get -A -o yaml` wrote, or a must-gather folder;
    /// can be repeated
    #[arg(long, value_name = "PATH", conflicts_with_all = ["kubeconfig", "context", "user"])]
    dump: Vec<PathBuf>,
    /// How many owners are listed; the others are counted
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    limit: usize,
    /// The format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    limits: Limits,
}

/// The change; several together are one.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct ChangeArgs {
    /// New or changed policies, constraints and templates: files or folders, or - for standard input; can be repeated
    #[arg(short, long = "filename", value_name = "PATH")]
    filenames: Vec<PathBuf>,
    /// Labels that a namespace gets, or with KEY- loses; can be repeated
    #[arg(long = "label", value_name = "ns=NAME,KEY=VALUE,...")]
    labels: Vec<LabelEdit>,
    /// The settings file to try; --config is the one in force
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// A policy, ConstraintTemplate or constraint that is deleted; can be repeated
    #[arg(long, value_name = "KIND/NAME", value_parser = plan::deleted)]
    delete: Vec<Deleted>,
    /// Takes the rules of this program in place of the cluster's
    #[arg(long, value_enum, value_name = "RULES")]
    rules: Option<Rules>,
}

/// Whose rules are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Rules {
    /// Those of this program
    Builtin,
}

/// The formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Text for people
    #[default]
    Table,
    /// One JSON document, for scripts
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// What was found out.
#[derive(Default)]
struct Previewed {
    tally: Tally,
    /// Which new policies and constraints were applied to no object.
    idle: Vec<String>,
    /// What may not be seen and without which nobody can say what is refused.
    blind: Vec<Unseen>,
    /// What else may not be seen.
    incomplete: Vec<Unseen>,
    /// What is wrong with the dump.
    problems: Vec<InputError>,
}

impl Args {
    /// The settings in force, and those after the change.
    fn both_settings(&self, limit: &Limit) -> anyhow::Result<(Settings, Settings)> {
        let in_force = self.settings.read(limit)?;
        let then = match &self.change.settings {
            Some(path) => self.settings.read_file(path, limit)?,
            None => in_force.clone(),
        };
        Ok((in_force, then))
    }

    /// The one namespace to look in; none for all.
    fn namespace(&self) -> Option<String> {
        self.cluster.namespace_or("").filter(|name| !name.is_empty())
    }
}

/// Previews, and prints it.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let previewed = if args.dump.is_empty() { cluster::preview(args)? } else { dump::preview(args)? };
    let Previewed { tally, idle, blind, incomplete, problems } = previewed;
    let is_blind = !blind.is_empty();
    let exempt = tally.exempt.notes();
    let (document, rows) = document::preview(tally, blind.into_iter().chain(incomplete).collect());
    let text = match args.output {
        Format::Table => print::text(&document, terminal_width()),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&document)?),
        Format::Sarif => format!("{:#}\n", in_sarif(&rows, &problems)),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    problems.iter().for_each(diagnostics::error);
    notes(&document).into_iter().chain(exempt).chain(idle).for_each(diagnostics::note);
    if is_blind {
        diagnostics::error("not everything that the change may refuse could be seen");
    }
    Ok(ExitCode::from(exit_code(&document, is_blind || !problems.is_empty())))
}

fn exit_code(document: &Preview, failed: bool) -> u8 {
    match document.summary.newly_refused {
        _ if failed || document.summary.unknown > 0 => FAILED,
        0 => 0,
        _ => REFUSED,
    }
}

/// What has to be known beside the table.
fn notes(document: &Preview) -> Vec<String> {
    let mut notes: Vec<_> = document.incomplete.iter().map(ToString::to_string).collect();
    notes.dedup();
    notes.extend(document.not_judged.iter().map(|it| {
        let objects = if it.objects == 1 { "object" } else { "objects" };
        let constraint = format!("{}/{}", it.constraint.kind, it.constraint.name);
        format!("{constraint} judges {} {objects} and {}", it.objects, it.reason)
    }));
    let images = &document.not_verified;
    let named: Vec<_> = images.iter().take(NAMED).map(ToString::to_string).collect();
    let others = match images.len().saturating_sub(NAMED) {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    if !named.is_empty() {
        notes.push(format!(
            "signatures of images are not verified here; the change asks about {}{others}: gatewright verify IMAGE",
            named.join(", ")
        ));
    }
    notes
}

/// The rows as results of `check`, those that are refused today already as unchanged.
fn in_sarif(rows: &[Row], problems: &[InputError]) -> Value {
    let details = || rows.iter().filter_map(|row| Some((row.light, row.detail.as_ref()?)));
    let results: Vec<ObjectResult> = details().map(|(_, detail)| detail.result.clone()).collect();
    let mut document = sarif::document(&results, problems);
    let states = details().flat_map(|(light, detail)| {
        let state = if light.today == Answer::Refused { "unchanged" } else { "new" };
        std::iter::repeat_n(state, detail.result.violations.len())
    });
    let found = document.pointer_mut("/runs/0/results").and_then(Value::as_array_mut);
    for (result, state) in found.into_iter().flatten().zip(states) {
        result["baselineState"] = json!(state);
    }
    document
}
