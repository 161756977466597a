//! `gatewright migrate`: what policies and labels of elsewhere mean here, and what would mean the same.

mod cluster;
mod counting;
mod deckhouse;
mod document;
mod edit;
mod library;
mod names;
pub mod page;
mod print;
mod psa;
mod rows;
mod source;
mod trial;
mod versions;

use std::collections::HashSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use gatewright_compiler::Settings;
use serde_json::Value;

pub use self::document::Document;
use self::document::{General, ObjectName};
use self::names::Names;
use self::psa::Plan;
use self::source::Found;
use self::trial::Said;
use crate::cluster::ClusterArgs;
use crate::columns::terminal_width;
use crate::input::ReadingArgs;
use crate::sandbox::{Limits, Pool};
use crate::settings::SettingsArgs;
use crate::{FAILED, diagnostics, written};

/// Something changes its meaning, or is in the way.
const FOUND: u8 = 1;

/// Given with `--help`.
pub const LONG_ABOUT: &str = "\
Shows how policies and labels from Deckhouse, Pod Security admission and the gatekeeper-library translate, and what \
to do in which order. It changes nothing.

deckhouse: SecurityPolicy and OperationPolicy objects of Deckhouse's module admission-policy-engine. Each difference \
has a number, and says of how many of your objects it changes the verdict.
psa: namespaces with labels of Pod Security admission.
gatekeeper-library: constraints of the library's templates, and the policies that say the same.

Without --from it looks for all three. It reads the cluster as you, or files with -f; -o yaml prints the objects \
with the old meaning written out.";

const EXAMPLES: &str = "\
Examples:
  # in the cluster, from everywhere
  gatewright migrate
  # without a cluster
  gatewright migrate --from deckhouse -f backup.yaml
  # policies that mean the same
  gatewright migrate --from deckhouse -f backup.yaml -o yaml
  gatewright migrate --from psa -o json
  # what that version judges otherwise
  gatewright migrate --to 0.1.0

Exit codes: 0 nothing changes its meaning and nothing is in the way, 1 something does or is, 2 wrong usage or input, \
the cluster refused, or nothing was found where you may not see everything.";

/// What to migrate.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where it comes from; by default everywhere
    #[arg(long, value_enum, value_name = "SOURCE")]
    from: Option<Source>,
    /// Policies, namespaces, definitions, templates, constraints and objects: files or folders, or - for standard input;
    /// can be repeated. Without it the cluster is read
    #[arg(short, long = "filename", value_name = "PATH", conflicts_with_all = ["kubeconfig", "context", "user", "namespace", "all_namespaces"])]
    filenames: Vec<PathBuf>,
    /// Says what another version of gatewright judges otherwise than this one; reads nothing else
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["from", "filenames"])]
    to: Option<String>,
    /// The format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Where something comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Source {
    /// Deckhouse's module admission-policy-engine
    Deckhouse,
    /// Labels of Pod Security admission
    Psa,
    /// Templates of Gatekeeper's library
    GatekeeperLibrary,
}

/// Where to look: in one place, or everywhere.
#[derive(Clone, Copy, Debug)]
struct Sources(Option<Source>);

impl Sources {
    fn has(self, source: Source) -> bool {
        self.0.is_none_or(|only| only == source)
    }
}

/// The formats of what was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Text for people
    #[default]
    Table,
    /// One JSON document, for scripts
    Json,
    /// The objects with the old meaning written out
    Yaml,
}

/// Looks, and prints what was found.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(version) = &args.to {
        let verdicts = versions::between(version).map_err(anyhow::Error::msg)?;
        let changes = !verdicts.changes.is_empty();
        print(
            args.output,
            &Migration { document: Document { verdicts: Some(verdicts), ..empty() }, objects: vec![] },
        )?;
        return Ok(ExitCode::from(if changes { FOUND } else { 0 }));
    }
    let settings = args.settings.read(&args.reading.reading().limit)?;
    let sources = Sources(args.from);
    let found = find(args, sources, &settings)?;
    let plan = match (args.settings.is_of_file(), sources.has(Source::Deckhouse)) {
        (true, _) => Plan::File,
        (false, true) => Plan::Order,
        (false, false) => Plan::Defaults,
    };
    let migration = migrate(found, sources, (&settings, plan), &Pool::new(Limits::default()))?;
    print(args.output, &migration)?;
    print::notes(&migration.document).iter().for_each(diagnostics::note);
    Ok(ExitCode::from(exit_code(&migration.document)))
}

/// Nobody says that nothing changes who did not see everything.
fn exit_code(document: &Document) -> u8 {
    match (document.has_findings(), document.incomplete.is_empty()) {
        (true, _) => FOUND,
        (false, true) => 0,
        (false, false) => FAILED,
    }
}

fn find(args: &Args, sources: Sources, settings: &Settings) -> anyhow::Result<Found> {
    if !args.filenames.is_empty() {
        let mut found = source::of_files(&args.filenames, &args.reading.reading())?;
        found.keep_what_counts(sources, settings);
        return Ok(found);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(cluster::read(&args.cluster, sources, settings))
}

/// What is said, and the objects that `-o yaml` prints with what is said of each; of those that are left out that alone.
struct Migration {
    document: Document,
    objects: Vec<(Vec<String>, Option<Value>)>,
}

fn empty() -> Document {
    Document { kind: "Migration", version: 1, ..Document::default() }
}

/// Everything from everywhere, with the settings and where these come from.
fn migrate(
    mut found: Found,
    sources: Sources,
    (settings, plan): (&Settings, Plan),
    pool: &Arc<Pool>,
) -> anyhow::Result<Migration> {
    let mut names = Names::of(&found);
    let mut policies = if sources.has(Source::Deckhouse) {
        deckhouse::examine(&found, settings, &mut names)
    } else {
        deckhouse::Examination::default()
    };
    let mut namespaces = if sources.has(Source::Psa) { psa::examine(&found, settings, plan) } else { vec![] };
    let constraints = if sources.has(Source::GatekeeperLibrary) {
        library::examine(&found, settings, &mut names)
    } else {
        vec![]
    };
    let conflicts = if sources.has(Source::Deckhouse) { deckhouse::conflicts(&found) } else { vec![] };
    let has_traces = deckhouse::has_traces(&found, &conflicts);
    // The order has the settings of a module that has no policies.
    let of_deckhouse =
        !policies.all.is_empty() || !conflicts.is_empty() || (has_traces && sources.has(Source::Deckhouse));
    let with_order = of_deckhouse && (has_traces || !found.is_of_cluster);
    let said = trial(&mut found, &policies, &namespaces, settings, pool)?;
    if let Some(said) = &said {
        deckhouse::count(&mut policies, said);
        count_unlabelled(&mut namespaces, said);
    }
    let mut general: Vec<General> = vec![];
    general.extend(with_order.then(deckhouse::general).into_iter().flatten());
    general.extend((!namespaces.is_empty()).then(|| rows::general(psa::ROWS)).into_iter().flatten());
    general.extend((!constraints.is_empty()).then(|| rows::general(library::ROWS)).into_iter().flatten());
    let mut document = Document {
        judged: said.as_ref().map(Said::objects),
        not_judged: said.as_ref().map_or(0, |said| said.not_judged),
        general,
        has_module: (of_deckhouse && (has_traces || found.is_of_cluster)).then_some(has_traces),
        order: if with_order { deckhouse::order(&found, &conflicts) } else { vec![] },
        conflicts,
        incomplete: std::mem::take(&mut found.incomplete),
        ..empty()
    };
    let all = policies.all.into_iter().map(|it| (it.migrated, it.written, it.is_refused, it.has_credentials));
    let all = all.chain(namespaces.into_iter().map(|it| (it.migrated, it.written, false, false)));
    let all = all.chain(constraints.into_iter().map(|it| (it.migrated, it.written, false, false)));
    let (mut objects, mut known) = (vec![], HashSet::new());
    for (migrated, object, is_refused, credentials) in all {
        // One policy can say what several say.
        let is_new = object.as_ref().is_some_and(|object| known.insert(ObjectName::of(object)));
        if is_new || is_refused {
            let comments = print::comments(&migrated, is_refused, credentials);
            objects.push((comments, object));
        }
        document.objects.push(migrated);
    }
    Ok(Migration { document, objects })
}

/// Tries the policies on the objects; none where there is nothing to try, nothing to try it on, or where nobody knows the
/// labels of namespaces, by which policies choose.
fn trial(
    found: &mut Found,
    policies: &deckhouse::Examination,
    namespaces: &[psa::Examined],
    settings: &Settings,
    pool: &Arc<Pool>,
) -> anyhow::Result<Option<Said>> {
    let objects = std::mem::take(&mut found.rest);
    let counted = namespaces.iter().any(|it| it.counted.is_some());
    if objects.candidates.iter().all(crate::check::collect::Candidate::is_namespace) {
        return Ok(None);
    }
    let blind = found.incomplete.iter().any(|it| it.needs == "list on namespaces");
    if blind || (policies.tried.is_empty() && !counted) {
        return Ok(None);
    }
    trial::try_on(&policies.tried, objects, &found.counting, settings, pool).map(Some)
}

fn count_unlabelled(namespaces: &mut [psa::Examined], said: &Said) {
    for one in namespaces {
        let Some(namespace) = &one.counted else { continue };
        let objects = said.refused_by_standards(namespace);
        for entry in &mut one.migrated.differences {
            entry.objects = Some(objects);
        }
    }
}

fn print(format: Format, migration: &Migration) -> anyhow::Result<()> {
    let Migration { document, objects } = migration;
    let text = match format {
        Format::Table => print::text(document, terminal_width().map(usize::from)),
        Format::Json => serde_json::to_string_pretty(document)? + "\n",
        Format::Yaml if document.verdicts.is_some() => {
            bail!("--to prints no objects: use -o table or -o json")
        }
        Format::Yaml => written::documents(objects)?,
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use gatewright_compiler::Settings;
    use serde_json::json;

    use super::{Found, Names, Source, Sources, deckhouse, trial};
    use crate::cluster::Unseen;
    use crate::input::{Document, Location};
    use crate::sandbox::{Limits, Pool};

    /// Who does not see the labels of namespaces cannot say what a policy chooses.
    #[test]
    fn nothing_is_counted_where_namespaces_may_not_be_seen() {
        let settings = Settings::from_yaml("", "gatewright-system").unwrap();
        for (needs, counted) in [("list on namespaces", false), ("list on pods", true)] {
            let mut found = Found::default();
            let policy = json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": "one"},
                "spec": {"match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": {"allowPrivileged": true}}});
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"},
                "spec": {"containers": [{"name": "a", "image": "a"}]}});
            for object in [policy, pod] {
                found.take(Document::made(&object, Location { file: "a".into(), line: 1 }).unwrap());
            }
            found.incomplete.push(Unseen { what: "objects".to_owned(), needs: needs.to_owned() });
            found.keep_what_counts(Sources(Some(Source::Deckhouse)), &settings);
            let policies = deckhouse::examine(&found, &settings, &mut Names::of(&found));
            let pool = Pool::new(Limits::default());
            let said = trial(&mut found, &policies, &[], &settings, &pool).unwrap();
            assert_eq!(said.is_some(), counted, "{needs}");
        }
    }
}
