//! From violations to rows, and to what is printed of them.

use gatewright_gatekeeper::Action;
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::document::{AuditRun, By, Omitted, Rows, Subject};
use super::fold::{Finding, MOST_BYTES, MOST_ROWS, bounded, by_owner};
use super::owners::{Object, Owners};
use super::{Material, csv, page, print, report};
use crate::cluster::Unseen;

const DAY: i64 = 86_400;

fn now() -> Timestamp {
    Timestamp::from_second(100 * DAY).unwrap()
}

fn finding(object: &Object, policy: &str, action: Action, days_ago: Option<i64>) -> Finding {
    let (kind, name) = policy.split_once('/').unwrap();
    let policy = Subject { kind: kind.into(), name: name.into() };
    let since = days_ago.map(|days| (100 - days) * DAY);
    Finding { object: object.clone(), policy, action, message: "rule: m".into(), since }
}

/// The one that the contract shows.
fn material() -> Material {
    let pod = |name: &str| Object::new("", "Pod", "shop", name);
    let mut owners = Owners::default();
    for name in ["legacy-a", "legacy-b"] {
        let reference = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "legacy", "controller": true,
            "uid": "u"}]);
        owners.learn(pod(name), &serde_json::from_value::<Vec<_>>(reference).unwrap());
    }
    let agent = Object::new("apps", "DaemonSet", "logging", "agent");
    let lone = Object::new("", "Pod", "web", "one-off");
    let findings = vec![
        finding(&lone, "SecurityPolicy/ports", Action::Dryrun, Some(0)),
        finding(&agent, "PodSecurityStandard/baseline", Action::Warn, None),
        finding(&agent, "PodSecurityStandard/baseline", Action::Warn, None),
        finding(&agent, "PodSecurityStandard/baseline", Action::Deny, Some(41)),
        finding(&pod("legacy-a"), "OperationPolicy/common", Action::Deny, Some(3)),
        finding(&pod("legacy-a"), "SecurityPolicy/baseline", Action::Deny, Some(12)),
        finding(&pod("legacy-b"), "SecurityPolicy/baseline", Action::Deny, Some(5)),
    ];
    let audit =
        AuditRun { timestamp: "2026-01-01T09:14:00Z".into(), listed: 7, total: 7, ..AuditRun::default() };
    Material {
        findings,
        owners,
        audit: Some(audit),
        namespace: None,
        all_namespaces: Some(61),
        notes: vec![],
        incomplete: vec![],
        failed: false,
    }
}

fn text(material: &Material, by: By) -> String {
    let owners = by_owner(&material.findings, &material.owners);
    print::text(&report(material, &owners, by), now(), None)
}

#[test]
fn a_row_for_each_owner_the_worst_first() {
    let expected = "\
NAMESPACE   OWNER               FAIL   WARN   POLICIES                                          SINCE
shop        Deployment/legacy      3      0   OperationPolicy/common, SecurityPolicy/baseline   12 days
logging     DaemonSet/agent        1      2   PodSecurityStandard/baseline                      41 days
web         Pod/one-off            0      1   SecurityPolicy/ports                              0 seconds
3 owners, 4 failed, 3 warned, in 3 of 61 namespaces
audit of 2026-01-01T09:14:00Z lists all that it found
";
    assert_eq!(text(&material(), By::Owner), expected);
}

#[test]
fn a_row_for_each_namespace_and_for_each_policy() {
    let expected = "\
NAMESPACE   OWNERS   FAIL   WARN   POLICIES                                          SINCE
shop             1      3      0   OperationPolicy/common, SecurityPolicy/baseline   12 days
logging          1      1      2   PodSecurityStandard/baseline                      41 days
web              1      0      1   SecurityPolicy/ports                              0 seconds
";
    assert!(text(&material(), By::Namespace).starts_with(expected), "{}", text(&material(), By::Namespace));
    let expected = "\
POLICY                         NAMESPACES   OWNERS   FAIL   WARN   SINCE
SecurityPolicy/baseline                 1        1      2      0   12 days
PodSecurityStandard/baseline            1        1      1      2   41 days
OperationPolicy/common                  1        1      1      0   3 days
SecurityPolicy/ports                    1        1      0      1   0 seconds
";
    assert!(text(&material(), By::Policy).starts_with(expected), "{}", text(&material(), By::Policy));
}

#[test]
fn what_nobody_knows_is_left_out_and_what_is_cut_is_said() {
    let mut material = material();
    material.findings.iter_mut().for_each(|finding| finding.since = None);
    material.audit = Some(AuditRun { timestamp: "T".into(), listed: 7, total: 19, ..AuditRun::default() });
    material.all_namespaces = None;
    let said = text(&material, By::Owner);
    assert!(!said.contains("SINCE") && said.contains("in 3 namespaces\n"), "{said}");
    assert!(said.ends_with("audit of T found 19 and lists 7\n"), "{said}");
    material.findings.clear();
    material.namespace = Some("shop".to_owned());
    assert!(text(&material, By::Owner).starts_with("0 owners, 0 failed, 0 warned, in namespace shop\n"));
    material.incomplete = vec![Unseen { what: "pods".into(), needs: "list on pods".into() }];
    assert!(text(&material, By::Owner).ends_with("\nnot everything is shown\n"));
}

#[test]
fn spreadsheets_get_a_line_for_each_row() {
    let material = material();
    let owners = by_owner(&material.findings, &material.owners);
    let said = |by| csv::text(&report(&material, &owners, by));
    assert_eq!(
        said(By::Owner).lines().take(2).collect::<Vec<_>>(),
        [
            "namespace,owner,fail,warn,policies,since",
            "shop,Deployment/legacy,3,0,\"OperationPolicy/common, SecurityPolicy/baseline\",1970-03-30T00:00:00Z",
        ]
    );
    assert_eq!(
        said(By::Namespace).lines().nth(2),
        Some("logging,1,1,2,PodSecurityStandard/baseline,1970-03-01T00:00:00Z")
    );
    assert_eq!(said(By::Policy).lines().nth(1), Some("SecurityPolicy/baseline,1,1,2,0,1970-03-30T00:00:00Z"));
}

#[test]
fn scripts_get_every_reason_once_with_its_count() {
    let mut material = material();
    material.incomplete = vec![Unseen { what: "pods".into(), needs: "list on pods".into() }];
    let owners = by_owner(&material.findings, &material.owners);
    let document = serde_json::to_value(report(&material, &owners, By::Owner)).unwrap();
    assert_eq!(
        (&document["kind"], &document["version"], &document["by"]),
        (&json!("Report"), &json!(1), &json!("owner"))
    );
    assert_eq!(
        document["summary"],
        json!({"owners": 3, "failed": 4, "warned": 3, "namespaces": 3, "allNamespaces": 61})
    );
    let row = &document["rows"][0];
    assert_eq!(row["owner"], json!({"group": "apps", "kind": "Deployment", "name": "legacy"}));
    let reason = &row["violations"][1];
    assert_eq!((&reason["policy"]["name"], &reason["count"]), (&json!("baseline"), &json!(2)));
    assert_eq!(
        (&reason["enforcementAction"], &reason["since"]),
        (&json!("deny"), &json!("1970-03-30T00:00:00Z"))
    );
    assert_eq!(document["incomplete"][0]["needs"], "list on pods");
}

#[test]
fn a_report_is_bounded_and_counts_the_rest() {
    let many = |count: usize, name: &dyn Fn(usize) -> String| {
        let one = |at| {
            let object = Object::new("", "Pod", "shop", &name(at));
            finding(&object, "SecurityPolicy/p", if at % 2 == 0 { Action::Deny } else { Action::Warn }, None)
        };
        by_owner(&(0..count).map(one).collect::<Vec<_>>(), &Owners::default())
    };
    let rows = many(MOST_ROWS + 10, &|at| format!("p{at}"));
    let (kept, omitted) = bounded(&rows, By::Owner);
    let Rows::Owner(kept) = kept else { panic!("other rows") };
    assert_eq!((kept.len(), omitted), (MOST_ROWS, Omitted { rows: 10, fail: 0, warn: 10 }));
    // Five megabytes and five more do not fit.
    let rows = many(3, &|at| format!("{at}{}", "<".repeat(MOST_BYTES / 10)));
    let (kept, omitted) = bounded(&rows, By::Owner);
    let Rows::Owner(kept) = kept else { panic!("other rows") };
    assert_eq!((kept.len(), omitted), (1, Omitted { rows: 2, fail: 1, warn: 1 }));
    let (_, omitted) = bounded(&rows, By::Policy);
    assert_eq!(omitted, Omitted::default());
}

/// What others wrote stands in the block of data alone.
#[test]
fn a_page_has_one_block_of_data() {
    let mut material = material();
    let evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}]]>";
    material.findings[0].message = evil.into();
    material.findings[0].object.name = evil.into();
    material.notes = vec![evil.to_owned()];
    let owners = by_owner(&material.findings, &material.owners);
    let page = page::page(&report(&material, &owners, By::Owner), By::Policy, now()).unwrap();
    assert_eq!((page.matches("<script").count(), page.matches("</script>").count()), (2, 2));
    assert!(!page.contains("<img") && !page.contains('\u{202e}'));
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    let data: serde_json::Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    assert_eq!((&data["by"], data["rows"].as_array().map(Vec::len)), (&json!("policy"), Some(3)));
}
