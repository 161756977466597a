//! The state of the system.

mod gatekeeper;
mod guard;
mod operator;
mod verifier;

use std::collections::BTreeSet;

use gatewright_api::{DefaultStandard, Notice, Reason, StandardStatus, SystemCondition, SystemStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::judge::builtin::{Builtin, Standard};
use crate::judge::conditions::Judgement;
use crate::judge::plan::{Plan, Status, SystemDraft};
use crate::judge::reports;
use crate::watch::observe::{StandardReach, SystemSnapshot};
use crate::watch::system::SystemObject;

/// Writes the status if anything but time changed.
pub(crate) fn decide(snapshot: &SystemSnapshot, builtin: &Builtin) -> Plan {
    let previous = snapshot.object.as_ref().and_then(|object| object.status.as_ref());
    let notices = Notices::of(snapshot, builtin);
    let status = status(snapshot, builtin, &notices, previous);
    let known = previous.map(|status| status.notices.as_slice()).unwrap_or_default();
    let draft = SystemDraft {
        seen: snapshot.object.as_ref().map(|object| object.metadata.clone()),
        turned: turned(previous, &status).cloned(),
        events: status.notices.iter().filter(|notice| !known.contains(notice)).cloned().collect(),
        log: notices.unlogged(&snapshot.logged),
        status: (previous != Some(&status)).then(|| Box::new(status)),
    };
    let silent = draft.status.is_none() && draft.log.is_empty();
    Plan { status: if silent { Status::Nothing } else { Status::System(Box::new(draft)) }, ..Plan::default() }
}

/// What is said where the settings file was broken from the start, and nothing else is known: the rest of the status stays
/// as it is. None if that is said already.
pub(crate) fn unsettled(object: Option<&SystemObject>, problem: &str, now: &Time) -> Option<SystemDraft> {
    let previous = object.and_then(|object| object.status.as_ref());
    let settings = operator::unsettled(problem);
    let judged = [
        (SystemCondition::Ready, ready(&[(SystemCondition::Settings, settings.clone())])),
        (SystemCondition::Settings, settings),
    ];
    let mut status = previous.cloned().unwrap_or_default();
    for (r#type, judgement) in judged {
        let condition = judgement.condition(r#type.as_str(), None, find(previous, r#type), now);
        match status.conditions.iter_mut().find(|it| it.type_ == condition.type_) {
            Some(found) => *found = condition,
            None => status.conditions.push(condition),
        }
    }
    (previous != Some(&status)).then(|| SystemDraft {
        seen: object.map(|object| object.metadata.clone()),
        turned: turned(previous, &status).cloned(),
        events: vec![],
        log: vec![],
        status: Some(Box::new(status)),
    })
}

/// What an administrator should know of though it makes nothing fail, or beside what fails.
struct Notices {
    /// What the routing found, which logs that itself.
    findings: Vec<Notice>,
    others: Vec<Notice>,
}

impl Notices {
    fn of(snapshot: &SystemSnapshot, builtin: &Builtin) -> Self {
        let findings = snapshot.routing.iter().flat_map(|outcome| &outcome.findings);
        let findings = findings
            .map(|finding| Notice { reason: finding.reason().to_owned(), message: finding.to_string() });
        let others = [
            gatekeeper::old(snapshot),
            gatekeeper::newer_version(builtin),
            operator::not_exempt(snapshot, builtin),
        ];
        let outdated = gatekeeper::outdated(snapshot);
        Self {
            findings: findings.collect(),
            others: outdated.into_iter().chain(others.into_iter().flatten()).collect(),
        }
    }

    fn all(&self) -> Vec<Notice> {
        self.findings.iter().chain(&self.others).cloned().collect()
    }

    fn unlogged(&self, logged: &[Notice]) -> Vec<Notice> {
        self.others.iter().filter(|notice| !logged.contains(notice)).cloned().collect()
    }
}

fn status(
    snapshot: &SystemSnapshot,
    builtin: &Builtin,
    notices: &Notices,
    previous: Option<&SystemStatus>,
) -> SystemStatus {
    let expected = gatekeeper::expected(snapshot);
    let mut judged = judged(snapshot, builtin, &expected);
    judged.push((SystemCondition::Ready, ready(&judged)));
    let condition = |(r#type, judgement): &(SystemCondition, Judgement)| {
        judgement.condition(r#type.as_str(), None, find(previous, *r#type), &snapshot.now)
    };
    SystemStatus {
        conditions: judged.iter().map(condition).collect(),
        processes: gatekeeper::processes(snapshot, &expected),
        default_standard: Some(default_standard(builtin)),
        standards: standards(&snapshot.standards, builtin),
        exempt_namespaces: snapshot.ignored.as_deref().map(gatekeeper::exempt_namespaces),
        notices: notices.all(),
    }
}

fn judged(
    snapshot: &SystemSnapshot,
    builtin: &Builtin,
    expected: &BTreeSet<String>,
) -> Vec<(SystemCondition, Judgement)> {
    vec![
        (SystemCondition::PoliciesServed, gatekeeper::policies_served(snapshot)),
        (SystemCondition::GatekeeperFound, gatekeeper::found(snapshot, expected)),
        (SystemCondition::TemplatesInstalled, gatekeeper::templates(snapshot, builtin, expected)),
        (SystemCondition::StandardsEnforced, gatekeeper::standards_enforced(snapshot, builtin)),
        (SystemCondition::ExecGuard, guard::judge(snapshot, builtin)),
        (SystemCondition::Routing, guard::routing(snapshot.routing.as_ref())),
        (
            SystemCondition::Reports,
            reports::judge(&snapshot.report_kinds, snapshot.reports.as_ref(), builtin),
        ),
        (SystemCondition::Verifier, verifier::judge(snapshot, &builtin.settings)),
        (SystemCondition::Settings, operator::settings(snapshot)),
        (SystemCondition::Operator, operator::judge(snapshot, builtin)),
    ]
}

/// All of them, or the first that does not hold.
fn ready(judged: &[(SystemCondition, Judgement)]) -> Judgement {
    let missing = judged.iter().find(|(_, judgement)| !judgement.holds);
    missing.map_or_else(
        || Judgement::yes(Reason::Ready, "the system works"),
        |(r#type, judgement)| Judgement {
            message: format!("{}: {}", r#type.as_str(), judgement.message),
            ..judgement.clone()
        },
    )
}

fn find(status: Option<&SystemStatus>, r#type: SystemCondition) -> Option<&Condition> {
    status?.conditions.iter().find(|condition| condition.type_ == r#type.as_str())
}

/// The condition `Ready`, if it holds now and did not, or the other way round, or for another reason.
fn turned<'a>(before: Option<&SystemStatus>, now: &'a SystemStatus) -> Option<&'a Condition> {
    let old = find(before, SystemCondition::Ready).map(|condition| (&condition.status, &condition.reason));
    find(Some(now), SystemCondition::Ready).filter(|ready| old != Some((&ready.status, &ready.reason)))
}

/// What the settings in force choose where labels do not.
fn default_standard(builtin: &Builtin) -> DefaultStandard {
    let standards = &builtin.settings.standards;
    DefaultStandard {
        level: standards.default_policy.as_ref().to_owned(),
        action: standards.enforcement_action.to_string(),
    }
}

/// The standards, and what became of each with each action.
pub(crate) fn standards(seen: &[StandardReach], builtin: &Builtin) -> Vec<StandardStatus> {
    let of = |standard: &Standard| {
        let name = &standard.prepared.id.name;
        let seen = seen.iter().find(|seen| seen.snapshot.id.name == *name);
        let live = seen.and_then(|seen| seen.snapshot.constraint.live.as_ref()).filter(|live| live.ours);
        StandardStatus {
            constraint: name.clone(),
            level: standard.level.clone(),
            action: standard.action.clone(),
            namespaces: seen.and_then(|seen| seen.namespaces).unwrap_or_default(),
            violations: live.and_then(|live| live.audit.as_ref()).map(|audit| audit.total),
        }
    };
    builtin.standards.iter().map(of).collect()
}

#[cfg(test)]
pub(crate) mod tests;
