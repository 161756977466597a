use super::{SEEN, leader, samples, waiting};
use crate::judge::fixtures::{builtin, gatekeeper, taken_in, template, unremembered};
use crate::metrics::Kind;
use crate::watch::cache::Knowledge;
use crate::watch::kind::{Id, Kind as ObjectKind};
use crate::watch::observe::{CacheSeen, PolicySeen, ScrapeSnapshot, StandardReach, StandardSnapshot};
use crate::watch::published::{Problem, ReportsOutcome, Summary};
use crate::watch::report_kind::NAMESPACED;
use gatewright_api::{PolicyKind, Reason};
use gatewright_rules::Template;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Every sample as a line: name, labels, value.
fn lines(snapshot: &ScrapeSnapshot) -> Vec<String> {
    let mut all = samples(snapshot, builtin());
    all.extend([leader(true), waiting(4)]);
    let mut lines = vec![];
    for (description, samples) in all {
        for (labels, value) in samples {
            let names: Vec<_> = labels.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, description.labels, "{}", description.name);
            let values: Vec<_> = labels.iter().map(|(_, value)| value.as_str()).collect();
            lines.push(format!("{} {{{}}} {value}", description.name, values.join(",")));
        }
    }
    lines.sort();
    lines
}

fn policy(kind: PolicyKind, name: &str, status: Value) -> PolicySeen {
    PolicySeen { kind, name: name.to_owned(), status: serde_json::from_value(status).unwrap() }
}

fn ready(status: &str, reason: &str) -> Value {
    json!([{
        "type": "Ready", "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
    }])
}

fn cache(name: &str, knowledge: Knowledge, objects: usize) -> CacheSeen {
    CacheSeen { name: name.to_owned(), knowledge, objects }
}

#[test]
fn at_first_nothing_is_known() {
    let (standards, rest): (Vec<_>, Vec<_>) = lines(&ScrapeSnapshot::default())
        .into_iter()
        .partition(|line| line.starts_with("gatewright_namespaces") && line.ends_with(" 0"));
    let expected =
        ["gatewright_gatekeeper_processes {} 0", "gatewright_leader {} 1", "gatewright_queue_length {} 4"];
    assert_eq!((rest, standards.len()), (expected.map(str::to_owned).to_vec(), 6));
}

#[test]
fn policies_count_under_each_condition_and_show_what_audit_found() {
    let violations = json!({
        "total": 3, "truncated": 0, "auditTimestamp": "", "byEnforcement": {"deny": 0, "warn": 3, "dryrun": 0},
    });
    let status = json!({
        "conditions": ready("False", "NotRouted"), "constraints": {"desired": 1, "applied": 1, "enforced": 0},
        "violations": violations,
    });
    let snapshot = ScrapeSnapshot {
        policies: vec![
            policy(PolicyKind::SecurityPolicy, "a", status.clone()),
            policy(PolicyKind::SecurityPolicy, "b", status),
            policy(PolicyKind::OperationPolicy, "c", json!({"conditions": ready("Unknown", "Pending")})),
        ],
        ..ScrapeSnapshot::default()
    };
    let lines = lines(&snapshot);
    for expected in [
        "gatewright_policies {SecurityPolicy,Ready,False,NotRouted} 2",
        "gatewright_policies {SecurityPolicy,Valid,Unknown,} 2",
        "gatewright_policies {OperationPolicy,Ready,Unknown,Pending} 1",
        "gatewright_constraints {SecurityPolicy,desired} 2",
        "gatewright_constraints {SecurityPolicy,applied} 2",
        "gatewright_constraints {SecurityPolicy,enforced} 0",
        "gatewright_constraints {OperationPolicy,desired} 0",
        "gatewright_violations {SecurityPolicy,a,warn} 3",
        "gatewright_violations {SecurityPolicy,b,warn} 3",
    ] {
        assert!(lines.contains(&expected.to_owned()), "{expected} is not in {lines:#?}");
    }
    assert_eq!(lines.iter().filter(|line| line.starts_with("gatewright_violations")).count(), 2);
}

#[test]
fn everything_else_that_is_seen() {
    let builtin = builtin();
    let standards = builtin.standards.iter().map(|standard| StandardReach {
        snapshot: StandardSnapshot {
            id: standard.prepared.id.clone(),
            served: true,
            template: Some(template(builtin, Template::PodSecurityStandard)),
            constraint: unremembered(Some(&Arc::new(taken_in(&standard.prepared)))),
            release: None,
        },
        namespaces: Some(3),
    });
    let problem = Problem { reason: Reason::Conflict, message: String::new() };
    let reports = ReportsOutcome {
        results: Summary { fail: 5, warn: 6, skip: 7, ..Summary::default() },
        truncated: 2,
        problems: [(Id::new(ObjectKind::Report(&NAMESPACED[0]), "x"), problem)].into(),
    };
    let snapshot = ScrapeSnapshot {
        standards: standards.collect(),
        gatekeeper: gatekeeper(),
        processes: 1,
        caches: vec![cache("Config", Knowledge::Absent, 0), cache("Namespace", Knowledge::Complete, 9)],
        audit: Some("1970-01-01T00:01:00Z".to_owned()),
        ignored: Some(vec!["kube-system".to_owned(), "tenant".to_owned()]),
        reports: Some(reports),
        certificate: Some(1_800_000_000),
        policies: vec![policy(PolicyKind::SecurityPolicy, "a", json!({}))],
    };
    let lines = lines(&snapshot);
    for expected in [
        "gatewright_constraints {PodSecurityStandard,desired} 6",
        "gatewright_constraints {PodSecurityStandard,applied} 6",
        "gatewright_constraints {PodSecurityStandard,enforced} 6",
        "gatewright_namespaces {baseline,deny} 3",
        "gatewright_audit_timestamp_seconds {} 60",
        "gatewright_cache_objects {Config} 0",
        "gatewright_cache_objects {Namespace} 9",
        "gatewright_kind_absent {Config} 1",
        "gatewright_kind_absent {Namespace} 0",
        "gatewright_gatekeeper_processes {} 1",
        "gatewright_exempt_namespace {tenant} 1",
        "gatewright_constraints_truncated {} 2",
        "gatewright_report_results {fail} 5",
        "gatewright_report_results {warn} 6",
        "gatewright_report_results {skip} 7",
        "gatewright_reports_unwritten {} 1",
        "gatewright_signature_certificate_not_after_seconds {} 1800000000",
    ] {
        assert!(lines.contains(&expected.to_owned()), "{expected} is not in {lines:#?}");
    }
    assert!(!lines.iter().any(|line| line.contains("kube-system")), "a system namespace is exempt anyway");
    // Nothing is described that is not shown, but for what audit finds.
    let shown: BTreeSet<_> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
    let described = SEEN.iter().filter(|it| it.kind == Kind::Gauge && it.name != "gatewright_violations");
    assert_eq!(shown, described.map(|it| it.name).collect());
}
