//! What became of the reports, for those who ask.

use std::collections::BTreeMap;

use gatewright_api::Reason;
use tracing::warn;

use super::content::Summary;
use super::kinds::{Preferred, Watched, preferred};
use super::reconcile::is_known;
use crate::judge::conditions::Judgement;
use crate::watch::world::World;

/// How many problems a condition names.
const MOST: usize = 3;

/// What was made of audit's results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The results of all reports.
    pub(crate) results: Summary,
    /// How many constraints have found more than audit lists.
    pub(crate) truncated: usize,
    /// Reports that are not as they should be.
    pub(crate) problems: BTreeMap<String, Problem>,
}

/// Why a report is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The namespace of the report; empty for the cluster's.
    pub(crate) namespace: String,
    pub(crate) judgement: Judgement,
}

/// Keeps what was made of the results, and tells what stands in the way, once.
pub(crate) fn tell(world: &World, new: Told) {
    world.reports.told.send_if_modified(|old| {
        let known = old.as_ref().map(|old| &old.problems);
        for (report, problem) in &new.problems {
            if known.is_none_or(|known| known.get(report) != Some(problem)) {
                warn(world, report, problem);
            }
        }
        let changed = old.as_ref() != Some(&new);
        if changed {
            *old = Some(new);
            world.wake_system();
        }
        changed
    });
}

fn warn(world: &World, report: &str, problem: &Problem) {
    let Problem { namespace, judgement: Judgement { reason, message, .. } } = problem;
    warn!(report, because = message, "a report is not as it should be");
    // What is only late is no matter of those who wait for it.
    if *reason == Reason::Conflict && !namespace.is_empty() {
        world.events.warn(namespace, "ReportNotWritten", message);
    }
}

/// Whether reports are as the settings want them.
pub(crate) fn judge(world: &World) -> Judgement {
    if !world.settings.reports.enabled {
        return Judgement::yes(Reason::NotNeeded, "reports.enabled is false in the settings");
    }
    let reports = &world.reports;
    let kinds: Vec<_> =
        [&reports.namespaced, &reports.cluster].into_iter().filter_map(|all| kind(all)).collect();
    if kinds.is_empty() {
        let message = "the API server serves no reports, neither of openreports.io nor of wgpolicyk8s.io";
        return Judgement::yes(Reason::NotNeeded, message);
    }
    if !is_known(world) {
        let message = "reports stay as they are while not all constraints are known";
        return Judgement::no(Reason::WaitingForGatekeeper, message);
    }
    let told = reports.told.borrow();
    told.as_ref().and_then(|told| problem(&told.problems)).unwrap_or_else(|| {
        Judgement::yes(Reason::Written, format!("audit's results are written as {}", kinds.join(" and ")))
    })
}

fn kind(all: &[Watched]) -> Option<String> {
    let Preferred::Kind(watched) = preferred(all) else { return None };
    Some(watched.kind.with_group())
}

fn problem(problems: &BTreeMap<String, Problem>) -> Option<Judgement> {
    let all = || problems.values().map(|problem| &problem.judgement);
    // What does not pass by itself comes first.
    let reason = all().find(|judgement| judgement.reason == Reason::Conflict).or(all().next())?.reason;
    let mut messages: Vec<_> = all().map(|judgement| judgement.message.as_str()).take(MOST).collect();
    let more = format!("and {} more", problems.len().saturating_sub(MOST));
    if problems.len() > MOST {
        messages.push(&more);
    }
    Some(Judgement::no(reason, messages.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::{Problem, problem};
    use crate::judge::conditions::Judgement;
    use gatewright_api::Reason;

    #[test]
    fn a_condition_names_some_problems() {
        let problems = |count: usize, conflict: bool| {
            let one = |i| {
                let reason = if conflict && i == 1 { Reason::Conflict } else { Reason::ApplyFailed };
                let judgement = Judgement::no(reason, format!("no {i}"));
                (format!("Report {i}"), Problem { namespace: "n".into(), judgement })
            };
            (0..count).map(one).collect()
        };
        assert!(problem(&problems(0, false)).is_none());
        let one = problem(&problems(1, false)).unwrap();
        assert_eq!((one.reason, one.message.as_str()), (Reason::ApplyFailed, "no 0"));
        let five = problem(&problems(5, true)).unwrap();
        assert_eq!((five.reason, five.message.as_str()), (Reason::Conflict, "no 0; no 1; no 2; and 2 more"));
    }
}
