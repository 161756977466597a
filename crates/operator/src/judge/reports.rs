//! The reports: what audit found, in the namespace that it was found in, for those who may not look at policies.

pub(crate) mod content;
pub(crate) mod findings;
#[cfg(test)]
pub(crate) mod fixtures;
mod outcome;

use std::collections::BTreeSet;

use serde_json::Value;

pub(crate) use self::outcome::{Outcome, judge, news};
use crate::judge::builtin::Builtin;
use crate::judge::reports::content::{Form, content};
use crate::judge::reports::findings::{Findings, Place};
use crate::names::REPORT as NAME;
use crate::watch::kind::{Id, Kind};
use crate::watch::observe::{Preferred, ReportsSnapshot};
use crate::watch::published::Summary;
use crate::watch::report_kind::ReportKind;
use crate::watch::reports::{Seen, fingerprint, labels};

/// What there is to do about one report, and what it counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decision {
    pub(crate) id: Id,
    /// The results of the report as it should be.
    pub(crate) results: Summary,
    pub(crate) work: Option<Work>,
}

/// Something to do about a report.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Work {
    /// To make it so.
    Write {
        content: Value,
        /// Whether there is a report of this name, of ours or not.
        exists: bool,
    },
    /// To take it away.
    Delete,
}

/// The decisions about all reports. They are made one by one: their contents together may be very large.
pub(crate) struct Decisions<'a> {
    snapshot: &'a ReportsSnapshot,
    findings: Findings,
    /// How many results a report lists.
    most: usize,
    targets: Vec<Target<'a>>,
}

/// A report that may be there, or should be.
struct Target<'a> {
    kind: &'static ReportKind,
    /// The namespace; empty for the cluster's.
    namespace: String,
    /// What the report is about; none if there should be no report.
    place: Option<Place<'a>>,
}

impl<'a> Decisions<'a> {
    /// None while not everything is known that reports are made from: then reports stay as they are.
    pub(crate) fn of(snapshot: &'a ReportsSnapshot, builtin: &Builtin) -> Option<Self> {
        let settings = &builtin.settings.reports;
        if settings.enabled && !snapshot.kinds.sources_known {
            return None;
        }
        let audited = if settings.enabled { snapshot.audited.clone() } else { vec![] };
        let findings = Findings::new(audited);
        let targets = targets(snapshot, settings.enabled);
        Some(Self { snapshot, findings, most: settings.max_results, targets })
    }

    /// How many constraints have found more than audit lists.
    pub(crate) fn truncated(&self) -> usize {
        self.findings.count_truncated()
    }

    /// One decision after the other.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Decision> {
        self.targets.iter().map(|target| self.decide(target))
    }

    fn decide(&self, target: &Target<'_>) -> Decision {
        let id = Id {
            kind: Kind::Report(target.kind),
            namespace: target.namespace.clone(),
            name: NAME.to_owned(),
        };
        let seen = self.snapshot.seen.get(&id);
        let form = Form { most: self.most, open: target.kind.open };
        let Some((content, results)) = target.place.and_then(|place| content(&self.findings, place, form))
        else {
            let ours = seen.is_some_and(|seen| seen.ours);
            return Decision { id, results: Summary::default(), work: ours.then_some(Work::Delete) };
        };
        let as_desired =
            |seen: &Seen| seen.ours && seen.fingerprint == fingerprint(&labels(), content.clone());
        let work = (!seen.is_some_and(as_desired)).then(|| Work::Write { exists: seen.is_some(), content });
        Decision { id, results, work }
    }
}

fn targets(snapshot: &ReportsSnapshot, enabled: bool) -> Vec<Target<'_>> {
    let namespaces = snapshot.namespaces.iter().map(|namespace| Place::Namespace(namespace)).collect();
    let mut targets = vec![];
    for (preferred, kinds, places) in [
        (snapshot.kinds.namespaced, &crate::watch::report_kind::NAMESPACED, namespaces),
        (snapshot.kinds.cluster, &crate::watch::report_kind::CLUSTER, vec![Place::Cluster]),
    ] {
        let chosen = match preferred {
            Preferred::Unknown => continue,
            Preferred::Kind(kind) if enabled => Some(kind),
            Preferred::Kind(_) | Preferred::None => None,
        };
        for kind in kinds.iter().filter(|kind| snapshot.known.contains(kind)) {
            let places = if chosen == Some(kind) { places.as_slice() } else { &[] };
            targets.extend(targets_of(snapshot, kind, places));
        }
    }
    targets
}

/// The reports that should be there, if there is anything to report, and those that are there and should not be.
fn targets_of<'a>(
    snapshot: &'a ReportsSnapshot,
    kind: &'static ReportKind,
    places: &[Place<'a>],
) -> Vec<Target<'a>> {
    let wanted =
        places.iter().map(|place| Target { kind, namespace: place.name().to_owned(), place: Some(*place) });
    let known: BTreeSet<_> = places.iter().map(Place::name).collect();
    let ours = snapshot.seen.iter().filter(|(id, seen)| id.kind == Kind::Report(kind) && seen.ours);
    let surplus = ours.map(|(id, _)| &id.namespace).filter(|name| !known.contains(name.as_str()));
    let surplus = surplus.map(|namespace| Target { kind, namespace: namespace.clone(), place: None });
    wanted.chain(surplus).collect()
}

#[cfg(test)]
mod tests;
