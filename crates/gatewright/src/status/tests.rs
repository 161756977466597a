use super::status;
use crate::cluster::Unseen;
use crate::status::print;
use crate::status::read::{Seen, SeenPolicy};
use gatewright_api::{PolicyKind, SystemStatus};
use gatewright_gatekeeper::pod_statuses;
use serde_json::{Value, json};

fn condition(r#type: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": r#type, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

fn system(ready: &str) -> SystemStatus {
    serde_json::from_value(json!({
            "conditions": [
                condition("Ready", ready, "NotEnforcedBy", "gatekeeper-1 has not taken it in"),
                condition("Settings", "True", "InForce", ""),
                condition("PoliciesServed", "True", "Served", ""),
            ],
            "processes": [
                {"name": "gatekeeper-0", "version": "v3.23.1", "operations": ["webhook", "mutation-webhook"]},
                {"name": "gatekeeper-1", "version": "v3.23.1", "operations": ["webhook"]},
                {"name": "gatekeeper-audit", "version": "v3.23.1", "operations": ["audit", "status"]},
            ],
            "standards": [
                {"constraint": "a", "level": "baseline", "action": "deny", "namespaces": 41, "violations": 0},
                {"constraint": "b", "level": "restricted", "action": "warn", "namespaces": 1, "violations": 1},
                {"constraint": "c", "level": "restricted", "action": "deny", "namespaces": 0},
            ],
            "exemptNamespaces": {"count": 11, "names": ["kube-system", "old"]},
            "notices": [{"reason": "LeaseNotExempt", "message": "Gatekeeper can cost the replicas their Lease"}],
    }))
    .unwrap()
}

fn policy(name: &str, action: &str, conditions: &[Value], more: &Value) -> SeenPolicy {
    let mut status = json!({"observedGeneration": 4, "namespaces": 2, "conditions": conditions});
    status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    SeenPolicy {
        kind: PolicyKind::SecurityPolicy,
        name: name.to_owned(),
        generation: Some(4),
        action: action.to_owned(),
        status: serde_json::from_value(status).unwrap(),
    }
}

fn ready() -> Vec<Value> {
    ["Valid", "Applied", "Enforced", "Ready"]
        .map(|it| condition(it, "True", "Ready", "as it should be"))
        .to_vec()
}

fn violations(objects: &[(&str, &str)]) -> Value {
    let sample: Vec<_> = objects
        .iter()
        .map(|(namespace, name)| {
            json!({"kind": "Deployment", "namespace": namespace, "name": name, "rule": "r", "message": "m"})
        })
        .collect();
    json!({"violations": {
        "total": objects.len(), "truncated": 0, "byEnforcement": {"deny": 0, "warn": 0, "dryrun": 0}, "sample": sample,
        "auditTimestamp": "2026-01-01T00:00:00Z",
    }})
}

fn not_enforced() -> Vec<Value> {
    vec![
        condition("Valid", "True", "Compiled", ""),
        condition("Applied", "True", "Applied", ""),
        condition("Enforced", "False", "NotEnforcedBy", "gatekeeper-1 has generation 3 of 4"),
        condition("Ready", "False", "NotEnforcedBy", "gatekeeper-1 has generation 3 of 4"),
    ]
}

fn seen() -> Seen {
    let by_pod = json!({"byPod": [
        {"id": "gatekeeper-0", "enforced": true, "observedGeneration": 4},
        {"id": "gatekeeper-1", "enforced": true, "observedGeneration": 3, "errors": [{"message": "too\u{1b}[2J old"}]},
    ]});
    Seen {
        system: Some(system("True")),
        policies: vec![
            policy("baseline", "Deny", &ready(), &violations(&[("shop", "a"), ("shop", "b"), ("shop", "a")])),
            policy("ports", "Warn", &not_enforced(), &json!({})),
        ],
        constraints: [((PolicyKind::SecurityPolicy, "ports".to_owned()), pod_statuses(&by_pod))].into(),
        failure_policies: vec!["Ignore".to_owned()],
        providers: vec![("quick".to_owned(), 1), ("slow-scanner".to_owned(), 5)],
        operators: [("a", "True"), ("b", "False")]
            .map(|(name, is_ready)| {
                serde_json::from_value(json!({
                    "metadata": {"name": name},
                    "spec": {"containers": [{"name": "operator", "image": "r.example:5000/gatewright:0.5.0"}]},
                    "status": {"conditions": [{"type": "Ready", "status": is_ready}]},
                }))
                .unwrap()
            })
            .to_vec(),
        has_lease: true,
        holder: Some("gatewright-7d9f-x2k_61ef9690162dd498".to_owned()),
        incomplete: vec![],
    }
}

#[test]
fn one_screen_says_what_is_enforced_and_what_is_not() {
    let expected = "\
gatekeeper   v3.23.1   2 webhook, 1 audit   failurePolicy Ignore: while it does not answer, everything passes
operator     0.5.0   1 replica   leader gatewright-7d9f-x2k   settings in force   CRDs current
standards    baseline deny in 41 namespaces, 0 violations · restricted warn in 1 namespace, 1 violation
look at      LeaseNotExempt: Gatekeeper can cost the replicas their Lease
look at      nothing is judged in namespaces with the label admission.gatekeeper.sh/ignore: old, 9 more
look at      provider slow-scanner: with its timeout of 5 s it can hold up every policy
SecurityPolicy
├─ ports      Warn   not enforced   2 namespaces   NotEnforcedBy: gatekeeper-1 has generation 3 of 4
└─ baseline   Deny   Ready          2 namespaces   3 violations   Deployment shop/a and 1 more
1 of 2 policies is not enforced as written
";
    let status = status(&seen());
    assert_eq!(print::text(&status, None), expected);
    assert!(!status.ready);
    let narrow = print::text(&status, Some(80));
    assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
}

#[test]
fn one_policy_comes_with_what_each_process_says() {
    let mut status = status(&seen());
    status.policies.retain(|policy| policy.name.raw() == "ports");
    let expected = "\
policy    SecurityPolicy/ports
action    Warn
state     not enforced   NotEnforcedBy: gatekeeper-1 has generation 3 of 4
reaches   2 namespaces
audit     not audited yet
process   gatekeeper-0 enforces it, generation 4
process   gatekeeper-1 does not enforce it, generation 3, too\\u{1b}[2J old
";
    assert_eq!(print::policy(&status, None), expected);
}

#[test]
fn everything_is_ready_only_if_all_of_it_is_known_to_be() {
    let all_good = || Seen { policies: vec![policy("a", "Deny", &ready(), &json!({}))], ..seen() };
    assert!(status(&all_good()).ready);
    assert!(print::text(&status(&all_good()), None).ends_with("the policy is enforced\n"));
    let cases: [(&str, Seen); 8] = [
        ("nobody holds the Lease", Seen { holder: None, ..all_good() }),
        (
            "neither a Lease nor a ready Pod",
            Seen { holder: None, has_lease: false, operators: vec![], ..all_good() },
        ),
        ("no state", Seen { system: None, ..all_good() }),
        ("the system is not ready", Seen { system: Some(system("False")), ..all_good() }),
        ("unknown", Seen { system: Some(system("Unknown")), ..all_good() }),
        ("a policy", seen()),
        (
            "not looked at yet",
            Seen {
                policies: vec![SeenPolicy {
                    generation: Some(5),
                    ..policy("a", "Deny", &ready(), &json!({}))
                }],
                ..all_good()
            },
        ),
        (
            "not shown",
            Seen {
                incomplete: vec![Unseen { what: "securitypolicies".into(), needs: "list on it".into() }],
                ..all_good()
            },
        ),
    ];
    for (what, seen) in cases {
        assert!(!status(&seen).ready, "{what}");
    }
}

#[test]
fn what_may_not_be_seen_is_not_said_to_be_absent() {
    let unseen = Unseen { what: "securitypolicies".into(), needs: "list on it".into() };
    let said = print::text(&status(&Seen { incomplete: vec![unseen], ..Seen::default() }), None);
    assert!(said.ends_with("not all policies are shown\n"), "{said}");
    assert!(print::text(&status(&Seen::default()), None).ends_with("there are no policies\n"));

    let all = ["gatewrightstatuses", "validatingwebhookconfigurations", "pods", "leases"];
    let incomplete = all.map(|what| Unseen { what: what.into(), needs: "list on it".into() }).to_vec();
    let said = print::text(&status(&Seen { incomplete, ..Seen::default() }), None);
    let expected = "\
gatekeeper   processes not shown   failurePolicy not shown
operator     replicas not shown   leader not shown   settings and CRDs not shown
standards    not shown
";
    assert!(said.starts_with(expected), "{said}");
}

/// What it wrote last says nothing of today; what is enforced stays so.
#[test]
fn a_dead_operator_is_named() {
    let dead = Seen { holder: None, operators: vec![], ..seen() };
    let said = print::text(&status(&dead), None);
    for line in [
        "operator     no replica is ready   nobody leads\n",
        "not ready    NoOperator: what is enforced stays",
    ] {
        assert!(said.contains(line), "{said}");
    }
}

#[test]
fn the_first_condition_that_fails_says_why() {
    let invalid = [
        condition("Valid", "False", "Invalid", "spec.policies.x: no"),
        condition("Applied", "True", "Applied", ""),
        condition("Ready", "False", "Invalid", "spec.policies.x: no"),
    ];
    let pending = [condition("Ready", "Unknown", "Pending", "nobody has looked")];
    for (conditions, generation, expected) in [
        (&invalid[..], 4, "invalid · Invalid: spec.policies.x: no"),
        (&pending[..], 4, "unknown · Pending: nobody has looked"),
        (&[], 4, "unknown · Pending: its status has no condition Ready"),
        (&invalid[..], 5, "unknown · Pending: no operator has reported on its generation 5 yet"),
    ] {
        let policy =
            SeenPolicy { generation: Some(generation), ..policy("a", "Deny", conditions, &json!({})) };
        let said = &status(&Seen { policies: vec![policy], ..Seen::default() }).policies[0];
        assert_eq!(format!("{} · {}: {}", said.state, said.reason, said.message), expected);
    }
}

#[test]
fn a_long_list_is_cut_on_a_screen_and_whole_in_json() {
    let policies = (0..25).map(|at| policy(&format!("p{at:02}"), "Deny", &ready(), &json!({}))).collect();
    let status = status(&Seen { policies, ..seen() });
    let said = print::text(&status, None);
    assert!(said.contains("p19") && !said.contains("p20"));
    assert!(
        said.contains("\n└─ and 5 more, all of them with -o json\nall 25 policies are enforced\n"),
        "{said}"
    );
    assert_eq!(serde_json::to_value(&status).unwrap()["policies"].as_array().unwrap().len(), 25);
}

#[test]
fn what_others_wrote_cannot_lead_a_terminal() {
    let hostile = "evil\u{1b}[2J\u{202e}";
    let policies = vec![policy(hostile, hostile, &not_enforced(), &json!({}))];
    let holder = Some(format!("{hostile}_1"));
    let providers = vec![(hostile.to_owned(), 9)];
    let status = status(&Seen { policies, providers, holder, ..seen() });
    for said in [print::text(&status, None), print::policy(&status, None), print::text(&status, Some(60))] {
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said}");
    }
    assert_eq!(serde_json::to_value(&status).unwrap()["policies"][0]["name"], hostile);
}
