//! `gatewright check`: verdicts on manifests, without a cluster.

pub mod collect;
pub mod fixing;
pub mod judge;
mod kinds;
pub mod namespaces;
pub mod notes;
pub mod placed;
mod pods;
pub mod report;
pub mod result;
pub mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use gatewright_compiler::Settings;
use gatewright_verifier::registry::RegistrySettings;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use crate::fix::Mode;
use crate::input::{InputError, Limit, ReadingArgs};
use crate::sandbox::{Limits, Pool};
use crate::settings::SettingsArgs;
use crate::signatures::{Standing, Verification, registry_config};
use crate::{FAILED, diagnostics, is_closed};
use collect::{Collected, collect};
use fixing::{Fixes, Fixing};
use judge::Judge;
pub use kinds::{Scope, Scopes, is_gatekeepers};
use namespaces::{CommandLine, NamespaceLabels};
pub use notes::{Exempted, idle};
use notes::{Unread, Unverified};
use placed::Placed;
pub use report::Document;
use report::{Format, Report};
use result::{ObjectResult, Summary, Verdict};
use world::World;

const EXAMPLES: &str = "\
Examples:
  gatewright check -f policies/ -f manifests/
  helm template shop ./chart | gatewright check -f policies/ -f - --namespace shop
  gatewright check -f policies/ -f pod.yaml --namespace-labels shop:tier=web,team=blue
  gatewright check -f policies/ -f manifests/ -o sarif > gatewright.sarif
  gatewright check -f policies/ -f manifests/ --fix | patch -p0

Exit codes: 0 nothing is refused, 1 something is, with --fix after the fixes, 2 wrong usage or input.";

/// What the help says at length.
pub const LONG_ABOUT: &str = "\
Judges manifests by policies, without a cluster, as Gatekeeper would.

The input is everything at once, in any order: SecurityPolicy and OperationPolicy, Namespaces with their labels, \
ConstraintTemplates and constraints of your own, and the objects to judge. The Pod Security Standards hold as the \
labels of the namespaces say. Recorded AdmissionReview documents are judged as the requests that they are, \
everything else as it is created.

A controller, a Deployment for one, is judged together with the Pods that it will create, and the worse verdict \
counts.";

/// What to judge, and by what.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Policies and manifests: files or folders, or - for standard input; can be repeated
    #[arg(short, long = "filename", value_name = "PATH", required = true)]
    filenames: Vec<PathBuf>,
    /// The format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// What makes the exit code 1: refused objects, or also those that are warned about
    #[arg(long, value_enum, default_value_t, value_name = "VERDICT")]
    fail_on: FailOn,
    /// The namespace of objects that name none [default: default]
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// The labels of a namespace; wins over its manifest; can be repeated
    #[arg(long, value_name = "NAME:KEY=VALUE,...")]
    namespace_labels: Vec<NamespaceLabels>,
    /// Also lists the objects that pass, and what was assumed of each object
    #[arg(short, long)]
    verbose: bool,
    /// Prints a diff that undoes what is wrong, for patch -p0, and the report on stderr; with -o json the fixes are in the
    /// document; write edits the files
    #[arg(long, value_enum, value_name = "MODE", num_args = 0..=1, require_equals = true,
          default_missing_value = "diff")]
    fix: Option<Mode>,
    #[command(flatten)]
    accepted: Accepted,
    #[command(flatten)]
    signatures: SignatureArgs,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    limits: Limits,
}

/// What is let pass that would not be without.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Accepted {
    /// Judges what can be judged although some input is wrong; the exit code stays 2
    #[arg(short, long)]
    keep_going: bool,
    /// Lets an input pass that holds nothing to judge; without it the exit code is 2
    #[arg(long)]
    allow_empty: bool,
    /// Accepts what something outside of the input may set on Pods: resources, user and group ids, and that the service
    /// account's token is not mounted
    #[arg(long)]
    assume_defaults: bool,
}

/// Whether registries are asked.
#[derive(Clone, Debug, clap::Args)]
struct SignatureArgs {
    /// Asks the registries of images that verifyImageSignatures covers whether they are signed, as you; without it nobody
    /// is contacted, and such images pass
    #[arg(long)]
    verify_images: bool,
    /// The Docker configuration with the credentials of registries; by default yours
    #[arg(long, value_name = "FILE", requires = "verify_images")]
    registry_config: Option<PathBuf>,
}

impl SignatureArgs {
    /// The registries, where they are to be asked.
    fn verified(&self, settings: &Settings, limit: &Limit) -> anyhow::Result<Option<Standing>> {
        if !self.verify_images {
            return Ok(None);
        }
        let file = registry_config(self.registry_config.as_deref(), limit)?;
        let verification = Verification::new(RegistrySettings::from(settings.signatures.clone()), file)?;
        Ok(Some(Standing::Verified(Arc::new(verification))))
    }
}

/// What counts as failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum FailOn {
    /// Refused objects
    #[default]
    Deny,
    /// Refused objects, and those that are warned about
    Warn,
}

impl FailOn {
    /// Whether a verdict counts as failed.
    fn fails(self, verdict: Verdict) -> bool {
        verdict == Verdict::Deny || (verdict == Verdict::Warn && self == Self::Warn)
    }
}

/// What is said of an input without objects.
pub const NOTHING_JUDGED: &str = "nothing was judged: the input holds no objects but policies and namespaces";

/// How many objects are judged before the results are written.
const BATCH: usize = 512;

/// Judges the input.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let fixing = Fixing::new(args.fix, args.output)?;
    let reading = args.reading.reading();
    let settings = args.settings.read(&reading.limit)?;
    let verified = args.signatures.verified(&settings, &reading.limit)?;
    let pool = Pool::new(args.limits);
    let mut collected = collect(&args.filenames, &reading);
    let line = CommandLine { labels: &args.namespace_labels, default: args.namespace.as_deref() };
    let (mut world, problems) = World::build(&mut collected, &settings, line, &pool);
    if args.accepted.assume_defaults {
        world.cluster = world.cluster.without_unknown_tokens();
    }
    collected.problems.extend(problems);
    let placed = place(&mut collected, &mut world, args.namespace.as_deref());
    collected.problems.sort_by_key(|problem| (Arc::clone(&problem.location.file), problem.location.line));
    collected.problems.iter().for_each(diagnostics::error);
    if !collected.problems.is_empty() && !args.accepted.keep_going {
        return Ok(ExitCode::from(FAILED));
    }
    if placed.is_empty() && !args.accepted.allow_empty {
        diagnostics::error(format!("{NOTHING_JUDGED}; --allow-empty lets that pass"));
        return Ok(ExitCode::from(FAILED));
    }
    notes::of_disabled_signatures(&world, &settings).for_each(diagnostics::note);
    world.signatures = verified.unwrap_or(world.signatures);
    notes::of_system_namespaces(&world).for_each(diagnostics::note);
    notes::of_meaningless_labels(&world, &settings.standards).for_each(diagnostics::note);
    let used = placed.iter().filter_map(Placed::labelled_by).collect();
    notes::of_unused_namespaces(&args.namespace_labels, &used).for_each(diagnostics::note);
    let judge = Judge {
        world: &world,
        assumed: not_done(&collected, &world),
        assume_defaults: args.accepted.assume_defaults,
    };
    judge.assumed.iter().for_each(diagnostics::note);
    let Judged { summary, unsaved, unwritten } =
        judge_and_fix(args, fixing, &judge, placed, &collected.problems)?;
    notes::of_idle(&world).for_each(diagnostics::note);
    let exceeded = report_exceeded(&pool, &world);
    let failed = exceeded || unsaved || !collected.problems.is_empty();
    match unwritten {
        Err(error) if !is_closed(&error) => Err(error),
        _ => Ok(ExitCode::from(exit_code(args.fail_on, summary, failed))),
    }
}

fn exit_code(fail_on: FailOn, summary: Summary, problems: bool) -> u8 {
    let found = |verdict, count| count > 0 && fail_on.fails(verdict);
    if problems || summary.errors > 0 {
        FAILED
    } else {
        u8::from(found(Verdict::Deny, summary.denied) || found(Verdict::Warn, summary.warned))
    }
}

/// Says which templates could not be evaluated; returns whether there are any.
pub fn report_exceeded(pool: &Pool, world: &World) -> bool {
    let exceeded = pool.exceeded();
    let stopped = exceeded.iter().map(|(kind, limit)| {
        let location = world.template(kind).map(|location| format!("{location}: ")).unwrap_or_default();
        format!("{location}ConstraintTemplate of {kind}: {limit}")
    });
    let left_out = "objects that its constraints match are not judged";
    for said in world.beyond.iter().map(ToString::to_string).chain(stopped) {
        diagnostics::error(format!("{said}; {left_out}"));
    }
    !(world.beyond.is_empty() && exceeded.is_empty())
}

/// Finds out where objects stand, and says the engine of everything that it must know before it is asked.
pub fn place(collected: &mut Collected, world: &mut World, default: Option<&str>) -> Vec<Placed> {
    let mut all = vec![];
    for candidate in std::mem::take(&mut collected.candidates) {
        if candidate.is_namespace() && !world.engine.names_kind("", "Namespace") {
            continue;
        }
        match Placed::new(candidate, &collected.scopes, default) {
            Ok(placed) => {
                if let Some(namespace) = placed.namespace() {
                    world.namespaces.assume(namespace);
                    if let Some(object) = placed.gives_to_pods() {
                        world.cluster.learn(&object, namespace);
                    }
                }
                all.push(placed);
            }
            Err(problem) => collected.problems.push(problem),
        }
    }
    world.add_namespaces();
    if world.engine.reads_inventory() {
        let stored = all.iter().filter_map(|placed| placed.stored(&world.cluster));
        stored.for_each(|object| world.engine.add_object(&object));
    }
    all
}

/// What a cluster would do before an object is judged, and this does not.
pub fn not_done(collected: &Collected, world: &World) -> Vec<String> {
    let not_applied = |name| format!("{name} is not applied: objects are judged as they stand in the input");
    let reading = world.constraints().into_keys().filter(|it| world.reads_others(&it.kind));
    let alone = |names: String| {
        format!("objects of the cluster are not read: {names} (data.inventory) sees those of the input alone")
    };
    let alone = notes::named(reading.map(|it| format!("{}/{}", it.kind, it.name))).map(alone);
    collected.mutators.iter().map(not_applied).chain(alone).collect()
}

/// What was found out about all objects.
struct Judged {
    /// How many have which verdict, after the fixes.
    summary: Summary,
    /// Whether a file that fixes are for could not be read or written.
    unsaved: bool,
    /// Whether results and diff could be written. The verdict is known all the same.
    unwritten: anyhow::Result<()>,
}

/// Judges all objects, reports, and hands out the fixes.
///
/// # Errors
/// The objects cannot be judged. What cannot be reported is said in the result: files are written nevertheless.
fn judge_and_fix(
    args: &Args,
    fixing: Fixing,
    judge: &Judge<'_>,
    placed: Vec<Placed>,
    problems: &[InputError],
) -> anyhow::Result<Judged> {
    let mut report = Report::new(args.output, args.verbose, args.fail_on, fixing.out());
    let (mut fixes, mut unwritten) = (Fixes::new(fixing), Ok(()));
    let (summary, said) = judge_all(judge, placed, &mut fixes, &mut |results| {
        if unwritten.is_ok() {
            unwritten = report.add(results).map_err(anyhow::Error::from);
        }
        Ok(())
    })?;
    said.iter().for_each(diagnostics::note);
    let unwritten = unwritten.and_then(|()| report.finish(summary, &judge.world.namespaces, problems));
    let judged = fixes.finish(summary, problems);
    Ok(Judged { unwritten: unwritten.and(judged.unwritten), ..judged })
}

/// Judges in parallel, some objects at a time, and hands on the results in the order of the input. Returns how many objects
/// have which verdict, and what was not judged or not verified, as sentences.
pub fn judge_all(
    judge: &Judge<'_>,
    placed: Vec<Placed>,
    fixes: &mut Fixes,
    take: &mut dyn FnMut(Vec<ObjectResult>) -> std::io::Result<()>,
) -> anyhow::Result<(Summary, Vec<String>)> {
    let (bar, fixing) = (progress(placed.len()), fixes.fixing());
    let (mut summary, mut placed) = (Summary::default(), placed.into_iter());
    let (mut unread, mut unverified) = (Unread::default(), Unverified::default());
    let mut exempt = Exempted::default();
    let mut next = || {
        let batch: Vec<_> = placed.by_ref().take(BATCH).collect();
        (!batch.is_empty()).then_some(batch)
    };
    let judge_batch = |batch: Vec<Placed>| -> Vec<_> {
        batch.into_par_iter().map(|placed| fixing.judge(judge, placed)).collect()
    };
    let mut judged = next().map(judge_batch);
    while let Some(done) = judged.take() {
        let (batch, count) = (next(), done.len());
        // What is judged is handed on while the next objects are judged.
        rayon::in_place_scope(|scope| {
            scope.spawn(|_| judged = batch.map(judge_batch));
            let results = fixes.take(done);
            for result in &results {
                summary.add(result);
                unread.add(result);
                unverified.add(result);
                exempt.add(result);
                if let (Verdict::Error, [reason, ..]) = (result.verdict, result.assumed.as_slice()) {
                    bar.suspend(|| {
                        diagnostics::error(format!("{}: {}: {reason}", result.source, result.object));
                    });
                }
            }
            bar.suspend(|| take(results))
        })?;
        bar.inc(count as u64);
    }
    bar.finish_and_clear();
    Ok((summary, exempt.notes().into_iter().chain(unread.notes()).chain(unverified.note()).collect()))
}

/// A bar on a terminal, for input that takes more than a moment.
fn progress(objects: usize) -> ProgressBar {
    const WORTH_IT: usize = 2 * BATCH;
    let target = if objects < WORTH_IT { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} objects, {eta} left");
    ProgressBar::with_draw_target(Some(objects as u64), target)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
