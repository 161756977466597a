//! The exec guard, and the routing of requests.

use gatewright_api::Reason;
use gatewright_compiler::GuardMode;
use gatewright_gatekeeper::{Finding, Operation, Route};

use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::enforcement::enforced;
use crate::judge::guard::prepared;
use crate::watch::desired::Found;
use crate::watch::observe::SystemSnapshot;
use crate::watch::published::RoutingOutcome;

/// Whether the exec guard is as the settings want it.
pub(super) fn judge(snapshot: &SystemSnapshot, builtin: &Builtin) -> Judgement {
    let Some(outcome) = &snapshot.routing else { return not_looked() };
    if !outcome.guard {
        let why = match builtin.settings.exec_guard.mode {
            GuardMode::Off => "execGuard.mode is Off in the settings",
            GuardMode::Auto | GuardMode::Always => "there is no Pod labelled heritage: deckhouse",
        };
        return Judgement::yes(Reason::NotNeeded, format!("the exec guard does not stand: {why}"));
    }
    match &outcome.guard_problem {
        Some(problem) => Judgement::no(Reason::NotApplied, problem),
        None => standing(snapshot, builtin),
    }
}

fn standing(snapshot: &SystemSnapshot, builtin: &Builtin) -> Judgement {
    let Some((template, constraint)) =
        snapshot.guard_template.as_ref().zip(snapshot.guard_constraint.as_ref())
    else {
        return Judgement::no(
            Reason::WaitingForGatekeeper,
            "the constraint of the exec guard is not there yet",
        );
    };
    let unsynced = unsynced(snapshot);
    let prepared = prepared(&unsynced, snapshot.release.as_ref(), builtin);
    let Found::Applied(applied) = prepared.compare(Some(constraint)) else {
        return Judgement::no(Reason::NotApplied, "the constraint of the exec guard is not as it should be");
    };
    let mut judgement = enforced(&snapshot.gatekeeper, &builtin.settings, template, &applied, &routes());
    if judgement.holds && !unsynced.is_empty() {
        let unsynced = unsynced.join(", ");
        let more = format!(
            "; Gatekeeper's Config keeps Pods of {unsynced} out of its inventory: unknown Pods there are let in"
        );
        judgement.message.push_str(&more);
    }
    judgement
}

fn unsynced(snapshot: &SystemSnapshot) -> Vec<String> {
    let unsynced = snapshot.gatekeeper.exemptions.iter().filter(|exemption| exemption.sync);
    unsynced.map(|exemption| exemption.namespaces.clone()).collect()
}

fn routes() -> Vec<Route> {
    let route = |resource: &str| Route {
        group: String::new(),
        resource: resource.to_owned(),
        operation: Operation::Connect,
    };
    ["pods/attach", "pods/exec"].map(route).to_vec()
}

fn not_looked() -> Judgement {
    Judgement::no(Reason::WaitingForGatekeeper, "nothing is known yet of what Gatekeeper is asked")
}

/// Whether Gatekeeper is asked about all that constraints are about. What the administrator has decided, or a user's
/// template that is wrong in itself, stands in the message and is no fault of the routing.
pub(super) fn routing(outcome: Option<&RoutingOutcome>) -> Judgement {
    let Some(outcome) = outcome else { return not_looked() };
    let (blocking, others): (Vec<_>, Vec<_>) = outcome.findings.iter().partition(|finding| blocks(finding));
    let blocked = !blocking.is_empty();
    let findings = [blocking, others].concat();
    let findings: Vec<_> =
        findings.iter().map(|finding| format!("{}: {finding}", finding.reason())).collect();
    let findings = findings.join("; ");
    match &outcome.routing_problem {
        Some(problem) if findings.is_empty() => Judgement::no(Reason::ApplyFailed, problem),
        Some(problem) => Judgement::no(Reason::ApplyFailed, format!("{problem}; {findings}")),
        None if blocked => Judgement::no(Reason::NotRouted, findings),
        None if findings.is_empty() => {
            Judgement::yes(Reason::Routed, "Gatekeeper is asked about all that constraints are about")
        }
        None => Judgement::yes(Reason::Routed, findings),
    }
}

fn blocks(finding: &Finding) -> bool {
    match finding {
        Finding::WokenByMistake { routed, .. } => !routed,
        Finding::ObjectSelector | Finding::NoUpstream => true,
        Finding::Off { .. } | Finding::NeverTrue { .. } | Finding::UnknownKind { .. } => false,
    }
}
