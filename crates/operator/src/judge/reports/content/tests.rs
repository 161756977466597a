use std::sync::Arc;

use gatewright_gatekeeper::{Action, Audit, AuditedViolation, Matcher, Namespace};
use serde_json::{Value, json};

use super::{Form, Summary, content, keep_times};
use crate::judge::reports::findings::{Findings, Place};
use crate::watch::observe::Audited;
use crate::watch::reports::{fingerprint, labels};

const WG: Form = Form { most: 500, open: false };

fn violation(namespace: &str, name: &str, message: &str) -> AuditedViolation {
    AuditedViolation {
        group: if namespace.is_empty() { "" } else { "apps" }.into(),
        version: "v1".into(),
        kind: if namespace.is_empty() { "Node" } else { "Deployment" }.into(),
        namespace: namespace.into(),
        name: name.into(),
        message: message.into(),
    }
}

/// What audit found for a policy that looks at the namespaces `shop` and `till`; `hidden` is not listed.
fn audited(policy: &str, action: Action, listed: &[(&str, &str, &str)], hidden: i64) -> Audited {
    let listed: Vec<_> =
        listed.iter().map(|(namespace, name, message)| violation(namespace, name, message)).collect();
    let total = i64::try_from(listed.len()).unwrap() + hidden;
    let scope = if policy == "cluster" { "*" } else { "Namespaced" };
    let reach = json!({"namespaces": ["shop", "till"], "scope": scope});
    Audited {
        category: "SecurityPolicy",
        policy: policy.to_owned(),
        action,
        audit: Arc::new(Audit { total, listed, timestamp: "2026-01-01T00:00:05Z".into() }),
        hidden: (hidden > 0).then(|| Arc::new(Matcher::parse(&reach).unwrap())),
    }
}

fn namespace(name: &str) -> Namespace {
    Namespace { name: name.to_owned(), ..Namespace::default() }
}

fn in_namespace(name: &str, all: Vec<Audited>, form: Form) -> Option<(Value, Summary)> {
    content(&Findings::new(all), Place::Namespace(&namespace(name)), form)
}

/// Rule, result, severity and the name of the object, of each result.
fn rows(report: &Value) -> Vec<String> {
    let row = |result: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let name = text(&result["resources"][0]["name"]);
        [
            text(&result["policy"]),
            text(&result["rule"]),
            text(&result["result"]),
            text(&result["severity"]),
            name,
        ]
        .join(" ")
    };
    report["results"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn a_team_sees_what_is_in_its_namespace() {
    use gatewright_gatekeeper::Action::{Deny, Dryrun, Warn};
    let all = || {
        vec![
            audited("strict", Dryrun, &[("shop", "a", "allowPrivileged: no")], 0),
            audited(
                "common",
                Warn,
                &[("shop", "b", "unable to match constraints: x"), ("till", "c", "x: y")],
                0,
            ),
            audited("broken", Deny, &[("shop", "d", "allowHostPID: no")], 0),
            audited("hidden", Deny, &[("till", "e", "allowHostIPC: no")], 7),
            audited("cluster", Warn, &[("", "node", "requiredLabels: no")], 1),
        ]
    };
    for (name, expected) in [
        (
            "shop",
            Some((
                vec![
                    "cluster - skip - -",
                    "hidden - skip - -",
                    "broken allowHostPID fail high d",
                    "common - warn medium b",
                    "strict allowPrivileged warn low a",
                ],
                [1, 2, 2],
            )),
        ),
        (
            "till",
            Some((
                vec![
                    "cluster - skip - -",
                    "hidden - skip - -",
                    "hidden allowHostIPC fail high e",
                    "common x warn medium c",
                ],
                [1, 1, 2],
            )),
        ),
        ("elsewhere", None),
    ] {
        let found = in_namespace(name, all(), WG);
        let expected = expected.map(|(rows, [fail, warn, skip])| {
            (rows.into_iter().map(String::from).collect(), Summary { fail, warn, skip, ..Summary::default() })
        });
        assert_eq!(found.as_ref().map(|(report, summary)| (rows(report), *summary)), expected, "{name}");
        if let Some((report, summary)) = found {
            assert_eq!(report["summary"], json!(summary));
            assert_eq!(report["scope"], json!({"apiVersion": "v1", "kind": "Namespace", "name": name}));
        }
    }
    let (cluster, _) = content(&Findings::new(all()), Place::Cluster, WG).unwrap();
    assert_eq!(rows(&cluster), ["cluster - skip - -", "cluster requiredLabels warn medium node"]);
    assert_eq!(cluster["scope"], Value::Null);
}

#[test]
fn a_result_has_everything() {
    let all = vec![audited("strict", Action::Deny, &[("shop", "web", "allowPrivileged: no")], 0)];
    let (report, _) = in_namespace("shop", all.clone(), WG).unwrap();
    assert_eq!(
        report["results"],
        json!([{
            "source": "gatewright", "category": "SecurityPolicy", "policy": "strict", "rule": "allowPrivileged",
            "result": "fail", "scored": true, "severity": "high", "message": "allowPrivileged: no",
            "properties": {"enforcementAction": "deny"},
            "resources": [{"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"}],
            "timestamp": {"seconds": 1_767_225_605, "nanos": 0},
        }])
    );
    let (open, _) = in_namespace("shop", all, Form { open: true, ..WG }).unwrap();
    assert_eq!(
        (&open["source"], &open["configuration"]["limits"]["maxResults"]),
        (&json!("gatewright"), &json!(500))
    );
    assert_eq!(open["results"], report["results"]);
}

#[test]
fn a_report_is_bounded_and_counts_the_rest() {
    let names: Vec<_> = (0..10).map(|i| format!("pod-{i}")).collect();
    let listed: Vec<_> = names.iter().map(|name| ("shop", name.as_str(), "r: m")).collect();
    for (most, hidden, results, summary) in [
        (10, 0, 10, [10, 0]),
        // The policy that is not listed whole has a result, and so has what is cut off.
        (11, 1, 11, [10, 1]),
        (10, 1, 10, [10, 2]),
        (3, 0, 3, [10, 1]),
        (1, 1, 1, [10, 2]),
    ] {
        let all = vec![audited("strict", Action::Deny, &listed, hidden)];
        let (report, found) = in_namespace("shop", all, Form { most, ..WG }).unwrap();
        let rows = rows(&report);
        assert_eq!((rows.len(), [found.fail, found.skip]), (results, summary), "{most} {hidden}");
        let cut = 10 + usize::try_from(hidden).unwrap() > most;
        let last = &report["results"][rows.len() - 1];
        assert_eq!(last["rule"] == "reports.maxResults", cut, "{last}");
        if cut {
            let rest = 10 + usize::try_from(hidden).unwrap() - (most - 1);
            assert!(last["message"].as_str().unwrap().starts_with(&format!("{rest} more results")), "{last}");
        }
    }
}

#[test]
fn a_report_is_never_larger_than_the_api_server_takes() {
    let message = format!("r: {}", "m".repeat(250));
    let name = "n".repeat(250);
    let listed = vec![("shop", name.as_str(), message.as_str()); 5000];
    let all = vec![audited("strict", Action::Deny, &listed, 0)];
    let (report, summary) = in_namespace("shop", all, Form { most: 10_000, ..WG }).unwrap();
    let bytes = report.to_string().len();
    assert!((900_000..1_010_000).contains(&bytes), "{bytes}");
    assert_eq!((summary.fail, summary.skip), (5000, 1));
}

#[test]
fn an_audit_that_found_the_same_changes_nothing() {
    let found = |timestamp: &str, hidden: i64, name: &str| {
        let mut one = audited("strict", Action::Deny, &[("shop", name, "r: m")], hidden);
        let audit = Audit { timestamp: timestamp.into(), ..(*one.audit).clone() };
        one.audit = Arc::new(audit);
        in_namespace("shop", vec![one], WG).unwrap().0
    };
    let first = found("2026-01-01T00:00:05Z", 3, "a");
    let number = |content: &Value| fingerprint(&labels(), content.clone());
    for (content, same) in [
        (found("2026-01-01T00:01:05Z", 3, "a"), true),
        // How many are hidden would change all the time, in every namespace.
        (found("2026-01-01T00:01:05Z", 900, "a"), true),
        (found("2026-01-01T00:01:05Z", 0, "a"), false),
        (found("2026-01-01T00:01:05Z", 3, "b"), false),
    ] {
        assert_eq!(number(&first) == number(&content), same, "{content}");
    }
    let mut foreign = labels();
    foreign.remove("app.kubernetes.io/managed-by");
    assert_ne!(number(&first), fingerprint(&foreign, first.clone()));
    let mut more = labels();
    more.insert("team".into(), "web".into());
    assert_eq!(number(&first), fingerprint(&more, first.clone()));
}

#[test]
fn a_result_keeps_the_time_at_which_it_was_found() {
    let at = |timestamp: &str, listed: &[(&str, &str, &str)]| {
        let mut one = audited("strict", Action::Deny, listed, 0);
        one.audit = Arc::new(Audit { timestamp: timestamp.into(), ..(*one.audit).clone() });
        in_namespace("shop", vec![one], WG).unwrap().0
    };
    let before = at("2026-01-01T00:00:00Z", &[("shop", "a", "r: m"), ("shop", "b", "r: m")]);
    let mut now = at("2026-01-01T00:01:00Z", &[("shop", "b", "r: m"), ("shop", "c", "r: m")]);
    keep_times(&mut now, &before);
    let seconds = |i: usize| now["results"][i]["timestamp"]["seconds"].as_i64().unwrap();
    assert_eq!((seconds(0), seconds(1)), (1_767_225_600, 1_767_225_660));
    // What is no report has no times.
    keep_times(&mut now, &Value::Null);
    assert_eq!(fingerprint(&labels(), Value::Null), fingerprint(&labels(), Value::Null));
}
