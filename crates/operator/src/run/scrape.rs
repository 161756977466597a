//! What the operator sees, computed when somebody asks for it.
//!
//! To add a gauge: describe it, name it in [`SEEN`], and give its samples in [`samples`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use gatewright_api::{ConditionType, Guarded, OperationPolicy, PolicyStatus, SecurityPolicy, StandardStatus};
use k8s_openapi::jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use crate::act::queue::Requests;
use crate::judge::builtin::Builtin;
use crate::judge::conditions::find;
use crate::metrics::{Description, Kind, Labels, described};
use crate::report::{Summary, Told};
use crate::run::leadership::Leadership;
use crate::run::throttle::Throttle;
use crate::watch::cache::Knowledge;
use crate::watch::observe::{Gatekeeper, StandardSnapshot};
use crate::watch::world::{Watched, World};
use crate::{judge, system};

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

/// All gauges of what the operator sees.
pub(crate) const SEEN: [&Description; 13] = [
    &LEADER,
    &POLICIES,
    &CONSTRAINTS,
    &VIOLATIONS,
    &NAMESPACES,
    &AUDIT,
    &OBJECTS,
    &ABSENT,
    &PROCESSES,
    &QUEUE,
    &TRUNCATED,
    &REPORT_RESULTS,
    &REPORTS_FAILED,
];

/// What is watched now, and what waits.
#[derive(Clone)]
struct Seen {
    world: Arc<World>,
    builtin: Arc<Builtin>,
    waiting: Requests,
}

/// What the operator is and sees at the moment, for those who ask over HTTP.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) leadership: Leadership,
    pub(crate) throttle: Throttle,
    seen: Arc<RwLock<Option<Seen>>>,
}

impl State {
    pub(crate) fn new(leadership: Leadership, throttle: Throttle) -> Self {
        Self { leadership, throttle, seen: Arc::default() }
    }

    /// What is watched now; none at the very start.
    pub(crate) fn world(&self) -> Option<Arc<World>> {
        self.seen().map(|seen| seen.world)
    }

    fn seen(&self) -> Option<Seen> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, world: Arc<World>, builtin: Arc<Builtin>, waiting: Requests) {
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Some(Seen { world, builtin, waiting });
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

type Samples = BTreeMap<Labels, f64>;

impl Collector for State {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let leader = Samples::from([(vec![], f64::from(u8::from(self.leadership.may_write())))]);
        let mut all = vec![(&LEADER, leader)];
        all.extend(self.seen().map(|seen| samples(&seen)).unwrap_or_default());
        for (description, samples) in all {
            let Description { name, help, .. } = description;
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (labels, value) in samples {
                if labels.is_empty() {
                    metric.encode_gauge(&value)?;
                } else {
                    metric.encode_family(&labels)?.encode_gauge(&value)?;
                }
            }
        }
        Ok(())
    }
}

fn samples(Seen { world, builtin, waiting }: &Seen) -> Vec<(&'static Description, Samples)> {
    let (mut policies, mut constraints, mut violations) = (Samples::new(), Samples::new(), Samples::new());
    let security = statuses::<SecurityPolicy>(world);
    let operation = statuses::<OperationPolicy>(world);
    for (kind, name, status) in security.iter().chain(&operation) {
        count_conditions(kind, status, &mut policies);
        let counts = status.constraints.unwrap_or_default();
        count_constraints(kind, [counts.desired, counts.applied, counts.enforced], &mut constraints);
        violations.extend(violations_of(kind, name, status));
    }
    count_constraints("PodSecurityStandard", standards(world, builtin), &mut constraints);
    let mut namespaces = Samples::new();
    for StandardStatus { level, action, namespaces: reached, violations: found, .. } in
        system::standards(world, builtin)
    {
        let labels =
            [("kind", "PodSecurityStandard"), ("policy", level.as_str()), ("action", action.as_str())];
        if let Some(found) = found.filter(|count| *count > 0) {
            violations.insert(labels.map(|(name, value)| (name, value.to_owned())).to_vec(), number(found));
        }
        namespaces.insert(vec![("level", level), ("action", action)], f64::from(reached));
    }
    let audit = world.last_audit().and_then(|text| text.parse::<Timestamp>().ok());
    let single = |value: f64| Samples::from([(vec![], value)]);
    let caches = world.caches();
    let by_cache = |value: &dyn Fn(Knowledge, usize) -> f64| {
        caches
            .iter()
            .map(|(name, known, count)| (vec![("cache", (*name).to_owned())], value(*known, *count)))
            .collect()
    };
    let mut samples = vec![
        (&POLICIES, policies),
        (&CONSTRAINTS, constraints),
        (&VIOLATIONS, violations),
        (&NAMESPACES, namespaces),
        (&AUDIT, audit.map(|time| single(number(time.as_second()))).unwrap_or_default()),
        (&OBJECTS, by_cache(&|_, count| number(count))),
        (&ABSENT, by_cache(&|known, _| f64::from(u8::from(known == Knowledge::Absent)))),
        (&PROCESSES, single(number(world.expected_processes().len()))),
        (&QUEUE, single(number(waiting.waiting()))),
    ];
    samples.extend(world.reports.told.borrow().as_ref().map(samples_of_reports).into_iter().flatten());
    samples
}

fn samples_of_reports(told: &Told) -> [(&'static Description, Samples); 3] {
    let Summary { fail, warn, skip, .. } = told.results;
    let result = |(name, count): (&str, usize)| (vec![("result", name.to_owned())], number(count));
    let results = [("fail", fail), ("warn", warn), ("skip", skip)].map(result).into();
    let single = |value: usize| Samples::from([(vec![], number(value))]);
    [
        (&TRUNCATED, single(told.truncated)),
        (&REPORT_RESULTS, results),
        (&REPORTS_FAILED, single(told.problems.len())),
    ]
}

/// Counts and times are far below what a floating-point number holds exactly.
fn number<T: TryInto<u32> + Copy + ToString>(value: T) -> f64 {
    value.try_into().map_or_else(|_| value.to_string().parse().unwrap_or(f64::NAN), f64::from)
}

fn statuses<P: Watched>(world: &World) -> Vec<(String, String, PolicyStatus)> {
    let status = |policy: &Guarded<P>| {
        let name = policy.metadata.name.clone().unwrap_or_default();
        (P::KIND.to_string(), name, policy.status.clone().unwrap_or_default())
    };
    P::cache(world).values().iter().map(|policy| status(policy)).collect()
}

fn count_conditions(kind: &str, status: &PolicyStatus, policies: &mut Samples) {
    for r#type in
        [ConditionType::Valid, ConditionType::Applied, ConditionType::Enforced, ConditionType::Ready]
    {
        let found = find(Some(status), r#type);
        let (value, reason) = found.map_or(("Unknown", ""), |found| (&found.status, &found.reason));
        let labels = [("kind", kind), ("condition", r#type.as_str()), ("status", value), ("reason", reason)];
        *policies.entry(labels.map(|(name, value)| (name, value.to_owned())).to_vec()).or_default() += 1.0;
    }
}

/// How many of the standards' constraints there should be, are in the API exactly so, and are enforced.
fn standards(world: &World, builtin: &Builtin) -> [i32; 3] {
    let gatekeeper = Gatekeeper::observe(world);
    let mut counts = [0; 3];
    for standard in &builtin.standards {
        let snapshot = StandardSnapshot::observe(world, &standard.prepared.id.name);
        let state = judge::standard::judge(&snapshot, builtin, &gatekeeper);
        counts[0] += 1;
        counts[1] += i32::from(state.applied);
        counts[2] += i32::from(state.enforced.holds);
    }
    counts
}

fn count_constraints(kind: &str, counts: [i32; 3], constraints: &mut Samples) {
    for (state, count) in ["desired", "applied", "enforced"].into_iter().zip(counts) {
        let labels = vec![("kind", kind.to_owned()), ("state", state.to_owned())];
        *constraints.entry(labels).or_default() += f64::from(count);
    }
}

fn violations_of(kind: &str, name: &str, status: &PolicyStatus) -> Vec<(Labels, f64)> {
    let Some(violations) = &status.violations else { return vec![] };
    let by = violations.by_enforcement;
    [("deny", by.deny), ("warn", by.warn), ("dryrun", by.dryrun)]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(action, count)| {
            let labels = [("kind", kind), ("policy", name), ("action", action)];
            (labels.map(|(name, value)| (name, value.to_owned())).to_vec(), number(count))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Samples, count_conditions, violations_of};
    use gatewright_api::PolicyStatus;
    use serde_json::json;

    fn status(value: serde_json::Value) -> PolicyStatus {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn policies_count_under_each_condition() {
        let mut policies = Samples::new();
        let not_ready = json!({"conditions": [{"type": "Ready", "status": "False", "reason": "NotRouted", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
        count_conditions("SecurityPolicy", &status(not_ready.clone()), &mut policies);
        count_conditions("SecurityPolicy", &status(not_ready), &mut policies);
        count_conditions("SecurityPolicy", &PolicyStatus::default(), &mut policies);
        let of = |condition: &str, status: &str, reason: &str| {
            let labels = [
                ("kind", "SecurityPolicy"),
                ("condition", condition),
                ("status", status),
                ("reason", reason),
            ];
            policies
                .get(labels.map(|(name, value)| (name, value.to_owned())).as_slice())
                .copied()
                .unwrap_or_default()
        };
        assert!((of("Ready", "False", "NotRouted") - 2.0).abs() < 0.1);
        assert!((of("Ready", "Unknown", "") - 1.0).abs() < 0.1);
        assert!((of("Valid", "Unknown", "") - 3.0).abs() < 0.1);
    }

    #[test]
    fn violations_stand_under_their_action() {
        let found = status(json!({"violations": {"total": 3, "truncated": 0, "auditTimestamp": "",
            "byEnforcement": {"deny": 0, "warn": 3, "dryrun": 0}}}));
        let samples = violations_of("SecurityPolicy", "strict", &found);
        assert_eq!(samples.len(), 1);
        assert!(samples[0].0.contains(&("action", "warn".to_owned())) && (samples[0].1 - 3.0).abs() < 0.1);
        assert!(violations_of("SecurityPolicy", "strict", &PolicyStatus::default()).is_empty());
    }
}
