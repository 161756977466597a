//! What became of the reports.

use std::collections::BTreeMap;

use gatewright_api::Reason;

use crate::Error;
use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::watch::kind::Id;
use crate::watch::observe::{Preferred, ReportKinds};
use crate::watch::published::{Problem, ReportsOutcome, Summary};

/// How many problems a condition names.
const MOST: usize = 3;

/// What became of all reports so far, and the first error after which all is to be tried again.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) published: ReportsOutcome,
    pub(crate) failed: Option<Error>,
}

impl Outcome {
    /// Counts the results of a report.
    pub(crate) fn count(&mut self, results: Summary) {
        self.published.results += results;
    }

    /// Notes that a report is not as it should be. What stands in the way goes by itself, and is watched.
    pub(crate) fn failed(&mut self, id: Id, error: Error) {
        let Judgement { reason, message, .. } = Judgement::failed(&error);
        self.published.problems.insert(id, Problem { reason, message });
        if !error.is_obstacle() && self.failed.is_none() {
            self.failed = Some(error);
        }
    }
}

/// A report that is not as it should be, and was not so before, or for another reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct News<'a> {
    pub(crate) id: &'a Id,
    pub(crate) problem: &'a Problem,
    /// Whether those who look at the namespace should know. What is only late is no matter of theirs.
    pub(crate) event: bool,
}

/// What of an outcome nobody knows yet.
pub(crate) fn news<'a>(before: Option<&ReportsOutcome>, now: &'a ReportsOutcome) -> Vec<News<'a>> {
    let known = |id: &Id| before.and_then(|before| before.problems.get(id));
    let new = now.problems.iter().filter(|(id, problem)| known(id) != Some(problem));
    let event = |id: &Id, problem: &Problem| problem.reason == Reason::Conflict && !id.namespace.is_empty();
    new.map(|(id, problem)| News { id, problem, event: event(id, problem) }).collect()
}

/// Whether reports are as the settings want them.
pub(crate) fn judge(kinds: &ReportKinds, outcome: Option<&ReportsOutcome>, builtin: &Builtin) -> Judgement {
    if !builtin.settings.reports.enabled {
        return Judgement::yes(Reason::NotNeeded, "reports.enabled is false in the settings");
    }
    let written: Vec<_> = [kinds.namespaced, kinds.cluster].into_iter().filter_map(kind).collect();
    if written.is_empty() {
        let message = "the API server serves no reports, neither of openreports.io nor of wgpolicyk8s.io";
        return Judgement::yes(Reason::NotNeeded, message);
    }
    if !kinds.sources_known {
        let message = "reports stay as they are while not all constraints are known";
        return Judgement::no(Reason::WaitingForGatekeeper, message);
    }
    outcome.and_then(|outcome| problem(&outcome.problems)).unwrap_or_else(|| {
        Judgement::yes(Reason::Written, format!("audit's results are written as {}", written.join(" and ")))
    })
}

fn kind(preferred: Preferred) -> Option<String> {
    let Preferred::Kind(kind) = preferred else { return None };
    Some(kind.with_group())
}

fn problem(problems: &BTreeMap<Id, Problem>) -> Option<Judgement> {
    // What does not pass by itself comes first.
    let conflict = problems.values().find(|problem| problem.reason == Reason::Conflict);
    let reason = conflict.or(problems.values().next())?.reason;
    let mut messages: Vec<_> = problems.values().map(|problem| problem.message.as_str()).take(MOST).collect();
    let more = format!("and {} more", problems.len().saturating_sub(MOST));
    if problems.len() > MOST {
        messages.push(&more);
    }
    Some(Judgement::no(reason, messages.join("; ")))
}
