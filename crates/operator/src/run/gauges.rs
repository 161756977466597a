//! The gauges: what they are called, and what they show of what is seen.
//!
//! To add one: describe it, name it in [`SEEN`], and give its samples in [`samples`].

use std::collections::BTreeMap;

use gatewright_api::{ConditionType, PolicyStatus, StandardStatus};
use gatewright_compiler::is_system_namespace;
use k8s_openapi::jiff::Timestamp;

use crate::judge::builtin::Builtin;
use crate::judge::conditions::find;
use crate::judge::{standard, system};
use crate::metrics::{Description, Kind, Labels, described};
use crate::watch::cache::Knowledge;
use crate::watch::observe::{CacheSeen, PolicySeen, ScrapeSnapshot};
use crate::watch::published::{ReportsOutcome, Summary};

const LEADER: Description =
    described("gatewright_leader", Kind::Gauge, &[], "1 on the replica that leads, 0 on the others");
const POLICIES: Description = described(
    "gatewright_policies",
    Kind::Gauge,
    &["kind", "condition", "status", "reason"],
    "Policies by condition, its status (True, False, Unknown before there is one) and its reason",
);
const CONSTRAINTS: Description = described(
    "gatewright_constraints",
    Kind::Gauge,
    &["kind", "state"],
    "Constraints of policies and standards by how far they are: desired, applied (in the API exactly so), enforced (by every Gatekeeper process)",
);
const VIOLATIONS: Description = described(
    "gatewright_violations",
    Kind::Gauge,
    &["kind", "policy", "action"],
    "What audit found in violation of a policy or standard, by what would happen to it at admission",
);
const NAMESPACES: Description = described(
    "gatewright_namespaces",
    Kind::Gauge,
    &["level", "action"],
    "Namespaces under each Pod Security Standard, by what happens to violations",
);
const AUDIT: Description = described(
    "gatewright_audit_timestamp_seconds",
    Kind::Gauge,
    &[],
    "When Gatekeeper's audit last looked at a constraint of ours, in seconds since 1970; absent before the first time",
);
const OBJECTS: Description = described(
    "gatewright_cache_objects",
    Kind::Gauge,
    &["cache"],
    "Objects that the operator holds in memory, by what they are",
);
const ABSENT: Description = described(
    "gatewright_kind_absent",
    Kind::Gauge,
    &["cache"],
    "1 if the API server does not serve a kind (its CRD is missing) or not to the operator, else 0",
);
const PROCESSES: Description = described(
    "gatewright_gatekeeper_processes",
    Kind::Gauge,
    &[],
    "Gatekeeper processes that answer admission requests, and so must enforce",
);
const QUEUE: Description = described(
    "gatewright_queue_length",
    Kind::Gauge,
    &[],
    "What waits to be reconciled, or to be tried again after an error",
);

const TRUNCATED: Description = described(
    "gatewright_constraints_truncated",
    Kind::Gauge,
    &[],
    "Constraints of policies and standards of which audit found more violations than it lists: what is said of namespaces and objects is incomplete",
);
const EXEMPT: Description = described(
    "gatewright_exempt_namespace",
    Kind::Gauge,
    &["namespace"],
    "1 for each namespace, but for system namespaces, that the label admission.gatekeeper.sh/ignore takes out of every policy and standard",
);
const REPORT_RESULTS: Description = described(
    "gatewright_report_results",
    Kind::Gauge,
    &["result"],
    "Results of all reports (fail, warn, skip), those included that a report counts and does not list",
);
const REPORTS_FAILED: Description = described(
    "gatewright_reports_unwritten",
    Kind::Gauge,
    &[],
    "Reports that are not as they should be, because somebody else's stands in the way or the API server refuses them",
);

const CERTIFICATE: Description = described(
    "gatewright_signature_certificate_not_after_seconds",
    Kind::Gauge,
    &[],
    "When the certificate ends that the leader holds for the verifier of image signatures, in seconds since 1970; absent without one",
);

/// All gauges of what the operator sees.
pub(crate) const SEEN: [&Description; 15] = [
    &LEADER,
    &POLICIES,
    &CONSTRAINTS,
    &VIOLATIONS,
    &NAMESPACES,
    &EXEMPT,
    &AUDIT,
    &OBJECTS,
    &ABSENT,
    &PROCESSES,
    &QUEUE,
    &TRUNCATED,
    &REPORT_RESULTS,
    &REPORTS_FAILED,
    &CERTIFICATE,
];

/// The values of a gauge, by their labels.
pub(crate) type Samples = BTreeMap<Labels, f64>;

/// Whether this replica leads.
pub(crate) fn leader(leads: bool) -> (&'static Description, Samples) {
    (&LEADER, single(f64::from(u8::from(leads))))
}

/// How many keys wait.
pub(crate) fn waiting(keys: usize) -> (&'static Description, Samples) {
    (&QUEUE, single(number(keys)))
}

/// All other gauges. What is not known yet has no samples.
pub(crate) fn samples(snapshot: &ScrapeSnapshot, builtin: &Builtin) -> Vec<(&'static Description, Samples)> {
    let standards = system::standards(&snapshot.standards, builtin);
    let audit = snapshot.audit.as_ref().and_then(|text| text.parse::<Timestamp>().ok());
    let mut samples = vec![
        (&POLICIES, policies(&snapshot.policies)),
        (&CONSTRAINTS, constraints(snapshot, builtin)),
        (&VIOLATIONS, violations(&snapshot.policies, &standards)),
        (&NAMESPACES, standards.iter().map(namespaces).collect()),
        (&EXEMPT, exempt(snapshot, builtin)),
        (&AUDIT, audit.map(|time| single(number(time.as_second()))).unwrap_or_default()),
        (&OBJECTS, by_cache(snapshot, |cache| number(cache.objects))),
        (&ABSENT, by_cache(snapshot, |cache| f64::from(u8::from(cache.knowledge == Knowledge::Absent)))),
        (&PROCESSES, single(number(snapshot.processes))),
        (&CERTIFICATE, snapshot.certificate.map(|ends| single(number(ends))).unwrap_or_default()),
    ];
    samples.extend(snapshot.reports.iter().flat_map(reports));
    samples
}

fn single(value: f64) -> Samples {
    Samples::from([(vec![], value)])
}

/// Counts and times are far below what a floating-point number holds exactly.
fn number<T: TryInto<u32> + Copy + ToString>(value: T) -> f64 {
    value.try_into().map_or_else(|_| value.to_string().parse().unwrap_or(f64::NAN), f64::from)
}

fn labels<const N: usize>(labels: [(&'static str, &str); N]) -> Labels {
    labels.map(|(name, value)| (name, value.to_owned())).to_vec()
}

fn by_cache(snapshot: &ScrapeSnapshot, value: impl Fn(&CacheSeen) -> f64) -> Samples {
    snapshot.caches.iter().map(|cache| (labels([("cache", &cache.name)]), value(cache))).collect()
}

fn policies(seen: &[PolicySeen]) -> Samples {
    let mut samples = Samples::new();
    for PolicySeen { kind, status, .. } in seen {
        for r#type in
            [ConditionType::Valid, ConditionType::Applied, ConditionType::Enforced, ConditionType::Ready]
        {
            let found = find(Some(status), r#type);
            let (value, reason) = found.map_or(("Unknown", ""), |found| (&found.status, &found.reason));
            let of = [
                ("kind", kind.as_ref()),
                ("condition", r#type.as_str()),
                ("status", value),
                ("reason", reason),
            ];
            *samples.entry(labels(of)).or_default() += 1.0;
        }
    }
    samples
}

fn constraints(snapshot: &ScrapeSnapshot, builtin: &Builtin) -> Samples {
    let mut samples = Samples::new();
    let mut add = |kind: &str, counts: [i32; 3]| {
        for (state, count) in ["desired", "applied", "enforced"].into_iter().zip(counts) {
            *samples.entry(labels([("kind", kind), ("state", state)])).or_default() += f64::from(count);
        }
    };
    for PolicySeen { kind, status, .. } in &snapshot.policies {
        let counts = status.constraints.clone().unwrap_or_default();
        add(kind.as_ref(), [counts.desired, counts.applied, counts.enforced]);
    }
    for seen in &snapshot.standards {
        let state = standard::judge(&seen.snapshot, builtin, &snapshot.gatekeeper);
        add("PodSecurityStandard", [1, i32::from(state.applied), i32::from(state.enforced.holds)]);
    }
    samples
}

fn violations(policies: &[PolicySeen], standards: &[StandardStatus]) -> Samples {
    let of_policies = policies.iter().flat_map(|PolicySeen { kind, name, status }| {
        let found = by_action(status).into_iter().filter(|(_, count)| *count > 0);
        found.map(|(action, count)| {
            (labels([("kind", kind.as_ref()), ("policy", name), ("action", action)]), number(count))
        })
    });
    let of_standards = standards.iter().filter_map(|StandardStatus { level, action, violations, .. }| {
        let found = violations.filter(|count| *count > 0)?;
        let of = [("kind", "PodSecurityStandard"), ("policy", level), ("action", action)];
        Some((labels(of), number(found)))
    });
    of_policies.chain(of_standards).collect()
}

fn by_action(status: &PolicyStatus) -> [(&'static str, i64); 3] {
    let by = status.violations.as_ref().map(|violations| violations.by_enforcement).unwrap_or_default();
    [("deny", by.deny), ("warn", by.warn), ("dryrun", by.dryrun)]
}

fn namespaces(StandardStatus { level, action, namespaces, .. }: &StandardStatus) -> (Labels, f64) {
    (labels([("level", level), ("action", action)]), f64::from(*namespaces))
}

fn exempt(snapshot: &ScrapeSnapshot, builtin: &Builtin) -> Samples {
    let ignored = snapshot.ignored.iter().flatten();
    let exempt = ignored.filter(|name| !is_system_namespace(name, &builtin.settings));
    exempt.map(|name| (labels([("namespace", name)]), 1.0)).collect()
}

fn reports(outcome: &ReportsOutcome) -> [(&'static Description, Samples); 3] {
    let Summary { fail, warn, skip, .. } = outcome.results;
    let result = |(name, count): (&str, usize)| (labels([("result", name)]), number(count));
    let results = [("fail", fail), ("warn", warn), ("skip", skip)].map(result).into();
    [
        (&TRUNCATED, single(number(outcome.truncated))),
        (&REPORT_RESULTS, results),
        (&REPORTS_FAILED, single(number(outcome.problems.len()))),
    ]
}

#[cfg(test)]
mod tests;
