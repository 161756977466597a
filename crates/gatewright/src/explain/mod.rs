//! `gatewright explain`: which policies apply to an object, which do not, and why.

mod cluster;
mod document;
mod facts;
mod files;
mod print;
mod rows;
#[cfg(test)]
mod tests;
mod words;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

pub use self::cluster::unusable;
pub use self::document::{Explain, ExplainList};
pub use self::facts::{Known, beyond_engine, is_exec_guard, not_applied, without_failing};
use crate::check::collect::Candidate;
use crate::check::placed::Placed;
use crate::check::result::Verdict;
use crate::check::world::World;
use crate::cluster::ClusterArgs;
use crate::columns::terminal_width;
use crate::input::ReadingArgs;
use crate::sandbox::{Limits, Pool};
use crate::settings::SettingsArgs;
use crate::{FAILED, diagnostics, written};

/// Something is refused.
const REFUSED: u8 = 1;

/// How many objects are explained at once.
const MOST_OBJECTS: usize = 100;

/// How large an object may be, in bytes: twice what an API server stores.
const LARGEST: usize = 3 << 20;

/// Given with `--help`.
pub const LONG_ABOUT: &str = "\
Says which policies, standards and constraints apply to an object, which do not, and why.

It judges with the templates and constraints that are in the cluster: what is not enforced yet is marked. An object \
of the cluster is judged as if it were created anew, a controller together with the Pods that it will create. With \
-f the objects of files are explained against the cluster, and with --policies against other files, without a \
cluster.

Where a change of the object undoes what is wrong, it says so, and what may break: the changed object was judged \
again.

It runs as you: what you may not see is named in a line \"not shown\". Signatures of images are not verified.";

const EXAMPLES: &str = "\
Examples:
  gatewright explain deploy/checkout -n shop
  gatewright explain pod/web-0 -n shop -o json
  # with everything fixed that can be
  gatewright explain deploy/checkout -n shop -o yaml
  # before it is applied
  gatewright explain -f checkout.yaml
  # as a change of what is there
  gatewright explain -f checkout.yaml --operation update
  # without a cluster
  gatewright explain -f checkout.yaml --policies policies/

Exit codes: 0 it passes or is warned about, 1 it is refused, 2 wrong usage or input, the cluster refused, or the \
result cannot be determined.";

/// What to explain.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An object of the cluster; the kind in any form that kubectl takes
    #[arg(value_name = "KIND/NAME", required_unless_present = "filenames", conflicts_with = "filenames")]
    object: Option<String>,
    /// Objects to explain: files or folders, or - for standard input; can be repeated
    #[arg(short, long = "filename", value_name = "PATH")]
    filenames: Vec<PathBuf>,
    /// Policies, constraints, templates and namespaces that take the place of the cluster: files or folders; can be
    /// repeated
    #[arg(long, value_name = "PATH", requires = "filenames",
          conflicts_with_all = ["kubeconfig", "context", "user", "all_namespaces"])]
    policies: Vec<PathBuf>,
    /// What is done with the object
    #[arg(long, value_enum, default_value_t, value_name = "OPERATION")]
    operation: Operation,
    /// The format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Also lists what was assumed
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    limits: Limits,
}

/// The formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Text for people
    #[default]
    Table,
    /// One JSON document, for scripts
    Json,
    /// The objects with all fixes made, to be applied
    Yaml,
}

/// What is done with an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Operation {
    /// It is created
    #[default]
    Create,
    /// It replaces what is in the cluster; where nothing is there, it is created
    Update,
}

/// Explains, and prints it.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let pool = Pool::new(args.limits);
    let explained =
        if args.policies.is_empty() { cluster::explain(args, &pool)? } else { files::explain(args, &pool)? };
    let text = match (args.output, args.object.is_some()) {
        (Format::Table, _) => {
            let text = |it: &Explain| print::text(it, args.verbose, terminal_width());
            explained.iter().map(text).collect::<Vec<_>>().join("\n")
        }
        (Format::Yaml, _) => yaml(&explained)?,
        (Format::Json, true) => json(&explained.first())?,
        (Format::Json, false) => {
            json(&ExplainList { kind: "ExplainList", version: 1, items: explained.clone() })?
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    let mut unseen: Vec<_> = explained.iter().flat_map(|it| &it.incomplete).collect();
    unseen.sort_by_key(|it| (&it.what, &it.needs));
    unseen.dedup();
    unseen.into_iter().for_each(diagnostics::note);
    for one in explained.iter().filter(|it| it.verdict == Verdict::Error) {
        diagnostics::error(format!("{}: nobody can say here what becomes of it", one.object));
    }
    Ok(ExitCode::from(exit_code(&explained)))
}

fn json(document: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(document)?))
}

/// The objects with all fixes, as people apply them.
fn yaml(explained: &[Explain]) -> anyhow::Result<String> {
    let mut documents = vec![];
    for one in explained {
        if (one.object.api_version.raw(), one.object.kind.raw()) == ("v1", "Secret") {
            bail!("{}: -o yaml prints no Secret; -o json has the patch", one.object);
        }
        if written::has_credentials(&one.patched) {
            diagnostics::note(format!("{}: {}", one.object, written::LEFT_OUT));
        }
        documents.push(written::yaml(&written::cleaned(&one.patched))?);
    }
    Ok(documents.join("---\n"))
}

fn exit_code(explained: &[Explain]) -> u8 {
    match explained.iter().map(|it| it.verdict).max() {
        Some(Verdict::Error) => FAILED,
        Some(Verdict::Deny) => REFUSED,
        _ => 0,
    }
}

/// Whether a Namespace of the files is explained, as `check` judges it: where some constraint names its kind, or where there
/// is nothing else. Beside other objects it says where these stand.
fn explains_namespaces<'a>(world: &World, mut all: impl Iterator<Item = &'a Placed>) -> bool {
    world.engine.names_kind("", "Namespace") || all.all(Placed::is_namespace)
}

/// Refuses more objects, and larger ones, than are explained.
fn within_bounds(candidates: &[Candidate]) -> anyhow::Result<()> {
    if candidates.is_empty() {
        bail!("the files of -f hold no object to explain");
    }
    if candidates.len() > MOST_OBJECTS {
        bail!(
            "the files of -f hold {} objects; at most {MOST_OBJECTS} are explained at once",
            candidates.len()
        );
    }
    let size = |candidate: &Candidate| candidate.0.clone().into_json().len();
    match candidates.iter().find(|candidate| size(candidate) > LARGEST) {
        Some(Candidate(document)) => {
            bail!("{}: the object is larger than {} MiB", document.location, LARGEST >> 20)
        }
        None => Ok(()),
    }
}
