//! `gatewright test`: Gatekeeper's suites, and cases of policies.

mod answers;
mod cases;
mod connect;
mod files;
mod filter;
mod report;
mod result;
mod suite;
mod verify;

use std::process::ExitCode;
use std::sync::Arc;

use gatewright_engine::sandbox::Sandbox;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::FAILED;
use crate::input::{Envelope, LimitArgs, Reading};
use crate::sandbox::{Limits, Pool};
use files::{File, Kind};
use filter::Filter;
pub use report::Document;
use report::Format;
use result::{FileResult, Outcome, Summary, TestResult};

const EXAMPLES: &str = "\
Examples:
  gatewright test tests/...
  gatewright test tests/suite.yaml --run 'required-labels//without-owner'
  gatewright test policies/... -o junit > gatewright.xml

Exit codes: 0 everything passes, 1 something fails, 2 wrong usage, or a test that cannot be run.";

/// What the help says at length.
pub const LONG_ABOUT: &str = "\
Runs tests of policies, templates and constraints, without a cluster, as Gatekeeper's gator verify would.

There are two kinds of files: Gatekeeper's Suite, for templates and constraints of your own, and cases.yaml, for \
policies: pod specs and the messages by which they are refused, tried in every kind of workload.";

/// Which tests to run.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Files, folders, or folders with all below them, written folder/...
    #[arg(value_name = "PATH[/...]", required = true)]
    paths: Vec<String>,
    /// Runs what matches: a regular expression for the names of tests or cases, or TEST//CASE for both
    #[arg(long, value_name = "REGEX", value_parser = Filter::parse, default_value = "", hide_default_value = true)]
    run: Filter,
    /// The format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Also lists the cases that pass or are skipped
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    limit: LimitArgs,
    #[command(flatten)]
    limits: Limits,
}

/// Runs the tests.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let files = files::find(&args.paths, &args.limit)?;
    let sandbox: Arc<dyn Sandbox> = Pool::new(args.limits);
    let results: Vec<_> = files.par_iter().map(|file| run_file(file, args, &sandbox)).collect();
    let summary: Summary = results.iter().flat_map(|file| &file.results).map(|it| it.outcome).collect();
    report::write(args.output, args.verbose, &results, summary)?;
    Ok(ExitCode::from(match summary.worst() {
        Outcome::Broken => FAILED,
        Outcome::Failed => 1,
        Outcome::Passed | Outcome::Skipped => 0,
    }))
}

fn run_file(file: &File, args: &Args, sandbox: &Arc<dyn Sandbox>) -> FileResult {
    let reading = reading(&args.limit);
    let mut results = match file.kind {
        Kind::Suite => verify::run(file, &args.run, &reading, sandbox),
        Kind::Cases => cases::run(file, &args.run, &reading),
    };
    results.iter_mut().for_each(TestResult::cut);
    FileResult { file: file.name(), results }
}

/// How a file of tests is read, with all that it names: of objects, `kind` is enough, as it is for `gator`.
fn reading(limit: &LimitArgs) -> Reading {
    Reading::new(limit.limit(), Envelope::Kind)
}
