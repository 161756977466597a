//! What the operator says of itself.

use gatewright_api::{Notice, Reason};

use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::exemption::{Exemption, Renewal};
use crate::names::LEASE;
use crate::watch::observe::SystemSnapshot;

/// Whether the settings file on disk is in force.
pub(super) fn settings(snapshot: &SystemSnapshot) -> Judgement {
    match &snapshot.settings_problem {
        None => Judgement::yes(Reason::InForce, "the settings file is in force"),
        Some(problem) => Judgement::no(
            Reason::Broken,
            format!(
                "the settings file is refused and the settings before it stay in force: {}",
                one_line(problem)
            ),
        ),
    }
}

/// The same where there are no settings before it.
pub(super) fn unsettled(problem: &str) -> Judgement {
    Judgement::no(
        Reason::Broken,
        format!(
            "the settings file is refused and was so when the operator started: it writes nothing until the file is right, \
             and what is in the cluster stays: {}",
            one_line(problem)
        ),
    )
}

fn one_line(problem: &str) -> String {
    problem.lines().collect::<Vec<_>>().join("; ")
}

/// Who leads. Only a leader writes this, so it holds when it is written.
pub(super) fn judge(snapshot: &SystemSnapshot, builtin: &Builtin) -> Judgement {
    let (identity, namespace) = (&snapshot.identity, &builtin.settings.operator_namespace);
    if !snapshot.elects {
        return Judgement::yes(Reason::Leading, format!("{identity} works alone, without a Lease"));
    }
    let mut message = format!("{identity} holds the Lease {namespace}/{LEASE}");
    if let Some(sentence) = exemption(snapshot, builtin).and_then(|found| found.sentence(namespace)) {
        message = format!("{message}; {sentence}");
    }
    Judgement::yes(Reason::Leading, message)
}

/// That Gatekeeper can cost the replicas their Lease.
pub(super) fn not_exempt(snapshot: &SystemSnapshot, builtin: &Builtin) -> Option<Notice> {
    let missing = exemption(snapshot, builtin).filter(|it| matches!(it, Exemption::Missing { .. }))?;
    let message = missing.sentence(&builtin.settings.operator_namespace)?;
    Some(Notice { reason: "LeaseNotExempt".to_owned(), message })
}

/// None without a Lease, or where the operator's namespace is not known.
fn exemption(snapshot: &SystemSnapshot, builtin: &Builtin) -> Option<Exemption> {
    let namespace = snapshot.own_namespace.as_deref().filter(|_| snapshot.elects)?;
    let gatekeeper = &snapshot.gatekeeper;
    let webhooks: Vec<_> = gatekeeper.webhooks.iter().map(AsRef::as_ref).collect();
    let processes: Vec<_> = gatekeeper.processes.iter().flatten().map(AsRef::as_ref).collect();
    let renewal = Renewal {
        webhooks: &webhooks,
        upstream: builtin.settings.routing.upstream.as_deref(),
        namespace,
        processes: &processes,
    };
    Some(renewal.exemption())
}
