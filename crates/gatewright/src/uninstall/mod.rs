//! `gatewright uninstall`: lists what is ours and left in the cluster, and deletes it.

mod decide;
mod delete;
mod kinds;
mod lease;
mod print;
mod role;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use self::decide::{Object, Plan, decide};
use self::kinds::{Kind, Mark, kinds};
pub use self::print::Document;
use self::print::Outcome;
use crate::cluster::{ClusterArgs, Connection, Format, Listed, OPERATOR_NAMESPACE, Unseen, list};
use crate::{FAILED, diagnostics};

/// How many lists are under way at once.
const AT_ONCE: usize = 4;

/// How long what was deleted may take to be gone.
const GONE: Duration = Duration::from_secs(30);

/// Something is left.
const LEFT: u8 = 1;

/// Given with `--help`.
pub const LONG_ABOUT: &str = "\
Deletes what gatewright left in a cluster.

First uninstall the release (helm uninstall gatewright -n gatewright-system): the ClusterRole gatewright goes, and \
with it what it owns. This command deletes the rest: the constraints of standards and policies, the templates, the \
verifier's certificate, the reports and the state of the system. It refuses while an operator runs. Policies and \
their CRDs are kept, unless --policies is given.

Nothing is deleted without --yes. Objects of others are never deleted. It can be repeated.";

const EXAMPLES: &str = "\
Examples:
  # lists what would be deleted
  gatewright uninstall
  gatewright uninstall --yes
  # policies and CRDs, too
  gatewright uninstall --policies --yes

Exit codes: 0 nothing is left, 1 something is left, 2 wrong usage, or the cluster refused.";

/// What to delete.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Deletes the policies and the CRDs, too
    #[arg(long)]
    policies: bool,
    /// Deletes; without it, what would be deleted is only listed
    #[arg(long)]
    yes: bool,
    /// The format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Lists, and deletes if asked to.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(uninstall(args))
}

async fn uninstall(args: &Args) -> anyhow::Result<ExitCode> {
    let connection = args.cluster.connect().await?;
    let kinds = kinds();
    let own = args.cluster.namespace_or(OPERATOR_NAMESPACE);
    let (found, mut incomplete) = look(&connection, &kinds, own.as_deref()).await?;
    let (leases, unseen) = lease::fresh(&connection, &args.cluster).await?;
    incomplete.extend(unseen);
    let mut outcome = Outcome {
        plan: decide(&kinds, &found, args.policies),
        leases,
        incomplete,
        yes: args.yes,
        left: vec![],
    };
    if args.yes {
        refuse(&outcome, args.policies)?;
        outcome.left = delete(&connection, &kinds, &outcome.plan).await?;
    }
    print::print(&outcome, &kinds, args.output)?;
    for unseen in &outcome.incomplete {
        diagnostics::note(unseen);
    }
    Ok(match outcome.is_done() {
        _ if !outcome.incomplete.is_empty() => ExitCode::from(FAILED),
        true => ExitCode::SUCCESS,
        false => ExitCode::from(LEFT),
    })
}

/// Nothing is deleted while an operator would put it back, or while not all is known that hangs on it.
fn refuse(outcome: &Outcome, policies: bool) -> anyhow::Result<()> {
    if let Some(lease) = outcome.leases.first() {
        bail!(
            "an operator runs: {} is fresh. While it runs, it puts everything back. First `{}`; without Helm delete its \
             Deployment and the ClusterRole gatewright. Then repeat this command",
            lease.full_name(),
            lease.uninstall()
        );
    }
    if outcome.incomplete.is_empty() {
        return Ok(());
    }
    let missing: Vec<_> = outcome.incomplete.iter().map(Unseen::to_string).collect();
    bail!(
        "nothing was deleted, because you may not see everything:\n  {}\nBind this role to yourself, or ask somebody who may:\n{}",
        missing.join("\n  "),
        role::needed(policies)?
    )
}

/// Everything of these kinds, and what may not be seen. `own` is the operator's namespace; none for all.
async fn look(
    connection: &Connection,
    kinds: &[Kind],
    own: Option<&str>,
) -> anyhow::Result<(Vec<Object>, Vec<Unseen>)> {
    let lists = kinds.iter().enumerate().map(|(at, kind)| async move {
        let namespace = own.filter(|_| kind.of_operator);
        list(connection, &kind.resource, namespace, kind.name).await.map(|listed| (at, listed))
    });
    let lists: Vec<_> = stream::iter(lists).buffered(AT_ONCE).try_collect().await?;
    let (mut found, mut unseen) = (vec![], vec![]);
    for (at, listed) in lists {
        match listed {
            Listed::All(all) => found.extend(all.iter().map(|metadata| Object::new(kinds, at, metadata))),
            Listed::Unseen(one) => unseen.push(one),
        }
    }
    // Of CRDs only ours are of interest.
    found.retain(|object| {
        !matches!(kinds[object.at].mark, Mark::Names(_)) || object.is_ours(&kinds[object.at])
    });
    Ok((found, unseen))
}

/// Deletes kind by kind. Returns what is still there, and why.
async fn delete(
    connection: &Connection,
    kinds: &[Kind],
    plan: &Plan,
) -> anyhow::Result<Vec<(Object, String)>> {
    let mut left = vec![];
    for objects in plan.delete.chunk_by(|a, b| a.at == b.at) {
        let kind = &kinds[objects[0].at];
        let deletions = objects.iter().map(|object| delete::delete(connection, kind, object));
        let results: Vec<_> = stream::iter(deletions).buffered(AT_ONCE).collect().await;
        for (object, result) in objects.iter().zip(results) {
            if let Err(error) = result {
                left.push((object.clone(), error.to_string()));
            }
        }
        let asked: Vec<_> =
            objects.iter().filter(|object| !left.iter().any(|(it, _)| it == *object)).collect();
        left.extend(delete::still_there(connection, kind, &asked, GONE).await?);
    }
    Ok(left)
}
