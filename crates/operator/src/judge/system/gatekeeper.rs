//! Gatekeeper, our templates, and the standards.

use std::collections::BTreeSet;

use gatewright_api::{ExemptNamespaces, GatekeeperProcess, Notice, Reason};
use gatewright_compiler::is_system_namespace;
use gatewright_gatekeeper::{IGNORE_LABEL, PodStatus, Process, Verdict, expected_processes, judge_template};
use gatewright_rules::pod_security_standard::NEWEST_MINOR;

use crate::judge::age::{too_old, unknown};
use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::enforcement::{not_enforced_by, rejected};
use crate::judge::skew::sentences;
use crate::judge::standard;
use crate::judge::template::is_wanted;
use crate::watch::desired::Found;
use crate::watch::observe::{SystemSnapshot, TemplateSnapshot};

/// How many namespaces a message or a list names.
const NAMED: usize = 10;

fn reports(snapshot: &SystemSnapshot) -> Vec<PodStatus> {
    let live = snapshot.templates.iter().filter_map(|template| template.template.live.as_ref());
    live.flat_map(|live| live.reports.iter().cloned()).collect()
}

/// The processes that must enforce.
pub(super) fn expected(snapshot: &SystemSnapshot) -> BTreeSet<String> {
    let processes = snapshot.gatekeeper.processes.iter().flatten().map(AsRef::as_ref);
    expected_processes(processes, &reports(snapshot))
}

pub(super) fn policies_served(snapshot: &SystemSnapshot) -> Judgement {
    let missing = snapshot.policies.iter().filter(|(_, served)| !served);
    let missing: Vec<_> = missing.map(|(kind, _)| kind.as_ref()).collect();
    if missing.is_empty() && !snapshot.lacking.is_empty() {
        return Judgement::no(Reason::CrdOutdated, sentences(&snapshot.lacking).join("; "));
    }
    if missing.is_empty() {
        return Judgement::yes(Reason::Served, "the API server serves the kinds of policies");
    }
    let message = format!(
        "the API server does not serve {}, or not to the operator: install the CRDs of gatewright. What policies left \
         in the API stays meanwhile",
        missing.join(", ")
    );
    Judgement::no(Reason::NotServed, message)
}

pub(super) fn found(snapshot: &SystemSnapshot, expected: &BTreeSet<String>) -> Judgement {
    if !snapshot.templates_served {
        let message = "the API server serves no ConstraintTemplates: install Gatekeeper";
        return Judgement::no(Reason::WaitingForGatekeeper, message);
    }
    if let Some(too_old) = too_old(&snapshot.gatekeeper) {
        return too_old;
    }
    if expected.is_empty() {
        let message =
            "no process of Gatekeeper answers admission requests: look at the Pods of its namespace";
        return Judgement::no(Reason::NoGatekeeperProcess, message);
    }
    let processes: Vec<_> = expected.iter().map(String::as_str).collect();
    let mut message = format!("admission requests are answered by {}", processes.join(", "));
    if let Some(unknown) = unknown(&snapshot.gatekeeper) {
        message = format!("{message}; {unknown}");
    }
    Judgement::yes(Reason::Found, message)
}

/// The first template that is not installed, or that all are.
pub(super) fn templates(
    snapshot: &SystemSnapshot,
    builtin: &Builtin,
    expected: &BTreeSet<String>,
) -> Judgement {
    let wanted = snapshot.templates.iter().filter(|it| is_wanted(it.which, &builtin.settings));
    let mut all = wanted.map(|template| installed(template, builtin, expected));
    let missing = all.find(|judgement| !judgement.holds);
    missing.unwrap_or_else(|| Judgement::yes(Reason::Installed, "Gatekeeper has taken in every template"))
}

fn installed(snapshot: &TemplateSnapshot, builtin: &Builtin, expected: &BTreeSet<String>) -> Judgement {
    let name = &snapshot.id.name;
    let Some(live) = &snapshot.template.live else {
        let message = format!("the ConstraintTemplate {name} is not there yet");
        return Judgement::no(Reason::WaitingForGatekeeper, message);
    };
    match builtin.template(snapshot.which).compare(Some(live)) {
        Found::Blocked(obstacle) => return Judgement::failed(&obstacle.error(&snapshot.id)),
        Found::Differs(_) => {
            let message = format!("the ConstraintTemplate {name} is not as it should be; see the log");
            return Judgement::no(Reason::ApplyFailed, message);
        }
        Found::Applied(_) => {}
    }
    match judge_template(expected, &live.subject()) {
        Verdict::Enforced => Judgement::yes(Reason::Installed, name),
        Verdict::NoProcess => Judgement::no(
            Reason::NoGatekeeperProcess,
            "there is no process of Gatekeeper to take in our templates",
        ),
        Verdict::TemplateRejected(error) => rejected(&error, &format!("the ConstraintTemplate {name}")),
        Verdict::NotEnforcedBy(missing) => {
            let judgement = not_enforced_by(&missing);
            Judgement { message: format!("{name}: {}", judgement.message), ..judgement }
        }
    }
}

/// The first of the standards' constraints that is not enforced, or what is true of them all; and what they do not
/// judge.
pub(super) fn standards_enforced(snapshot: &SystemSnapshot, builtin: &Builtin) -> Judgement {
    let mut judgement = first_not_enforced(snapshot, builtin);
    let newer = newer_version(builtin).map(|notice| notice.message);
    for more in newer.into_iter().chain(exempt(snapshot, builtin)) {
        judgement.message = format!("{}; {more}", judgement.message);
    }
    judgement
}

fn first_not_enforced(snapshot: &SystemSnapshot, builtin: &Builtin) -> Judgement {
    let mut last = None;
    for seen in &snapshot.standards {
        let judgement = standard::judge(&seen.snapshot, builtin, &snapshot.gatekeeper).enforced;
        if !judgement.holds {
            let name = &seen.snapshot.id.name;
            return Judgement { message: format!("{name}: {}", judgement.message), ..judgement };
        }
        last = Some(judgement);
    }
    last.unwrap_or_else(|| Judgement::yes(Reason::Enforced, "there are no standards"))
}

/// CRDs of ours are older than this operator.
pub(super) fn outdated(snapshot: &SystemSnapshot) -> Vec<Notice> {
    let notice = |message| Notice { reason: Reason::CrdOutdated.as_str().to_owned(), message };
    sentences(&snapshot.lacking).into_iter().map(notice).collect()
}

/// Gatekeeper is older than what our templates need.
pub(super) fn old(snapshot: &SystemSnapshot) -> Option<Notice> {
    let judgement = too_old(&snapshot.gatekeeper)?;
    Some(Notice { reason: judgement.reason.as_str().to_owned(), message: judgement.message })
}

/// The settings want a version of the standards that only a newer release knows.
pub(super) fn newer_version(builtin: &Builtin) -> Option<Notice> {
    let wanted = builtin.settings.standards.version;
    let message = || {
        format!(
            "podSecurityStandards.version is {wanted}, which is newer than v1.{NEWEST_MINOR}, the newest version \
             of the standards that this release knows and that holds in its place"
        )
    };
    wanted.is_unknown().then(|| Notice { reason: "NewerVersion".to_owned(), message: message() })
}

/// The namespaces that a label keeps from every standard, but for those that the standards never reach.
fn exempt(snapshot: &SystemSnapshot, builtin: &Builtin) -> Option<String> {
    let ignored = snapshot.ignored.iter().flatten();
    let names: Vec<_> = ignored.filter(|name| !is_system_namespace(name, &builtin.settings)).collect();
    let first: Vec<_> = names.iter().take(NAMED).map(|name| name.as_str()).collect();
    let more = names.len() - first.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let message = format!("not judged, because of the label {IGNORE_LABEL}: {}{more}", first.join(", "));
    (!names.is_empty()).then_some(message)
}

/// How many namespaces the label keeps from every standard and policy, and the first of them.
pub(super) fn exempt_namespaces(ignored: &[String]) -> ExemptNamespaces {
    let count = i32::try_from(ignored.len()).unwrap_or(i32::MAX);
    ExemptNamespaces { count, names: ignored.iter().take(NAMED).cloned().collect() }
}

/// The Pods of Gatekeeper's namespace that have reported, or that upstream's label says will.
pub(super) fn processes(snapshot: &SystemSnapshot, expected: &BTreeSet<String>) -> Vec<GatekeeperProcess> {
    let reports = reports(snapshot);
    let process = |pod: &Process| {
        let of_pod = reports.iter().filter(|report| report.id == pod.name);
        let operations: BTreeSet<_> = of_pod.flat_map(|report| report.operations.iter().cloned()).collect();
        let is_one = !operations.is_empty() || expected.contains(&pod.name);
        (is_one && !pod.terminating).then(|| GatekeeperProcess {
            name: pod.name.clone(),
            version: pod.version.clone(),
            operations: operations.into_iter().collect(),
        })
    };
    let pods = snapshot.gatekeeper.processes.iter().flatten();
    let mut processes: Vec<_> = pods.filter_map(|pod| process(pod)).collect();
    processes.sort_by(|a, b| a.name.cmp(&b.name));
    processes
}
