//! Plain values in, text and documents out.

use std::collections::BTreeMap;

use gatewright_api::{PolicyKind, PolicyStatus};
use gatewright_engine::{ConstraintRef, NotApplied};
use gatewright_gatekeeper::{MatchField, WhyNot};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::json;

use super::document::{Explain, ExplainList};
use super::facts::{Facts, Found, NOT_VERIFIED};
use super::rows::{Place, explain};
use super::words::Author;
use super::{exit_code, print};
use crate::check::result::{ConstraintName, Judged, ObjectRef, ObjectResult, Source, Verdict, Violation};
use crate::cluster::Unseen;
use crate::cluster::judging::Policy;
use crate::policies::PolicyRef;
use crate::status::read::SeenPolicy;

const LABEL: &str = "security.deckhouse.io/pod-policy";

fn policy(kind: &str, name: &str) -> PolicyRef {
    PolicyRef { kind: kind.to_owned(), name: name.into() }
}

fn facts(constraint: &str, name: &str, owner: Option<PolicyRef>, author: Author) -> Facts {
    Facts {
        constraint: ConstraintRef { kind: constraint.to_owned(), name: name.to_owned() },
        owner,
        author,
        not_applied: None,
        chosen_by: None,
        not_judged: None,
        violations: vec![],
        enforced: Some(Ok(())),
    }
}

fn security(name: &str) -> Facts {
    facts("D8SecurityPolicy", name, Some(policy("SecurityPolicy", name)), Author::Policy(Some(vec![])))
}

fn standard(level: &str) -> Facts {
    let name = format!("d8-pod-security-{level}-deny");
    facts("D8PodSecurityStandard", &name, Some(policy("PodSecurityStandard", level)), Author::Standards)
}

fn not(facts: Facts, field: MatchField, wants: &str, has: &str) -> Facts {
    let why = WhyNot { field, wants: vec![wants.to_owned()], has: has.to_owned() };
    Facts { not_applied: Some(NotApplied::Match(why)), ..facts }
}

fn violation(action: Verdict, judged: Judged, container: &str, message: &str) -> Violation {
    Violation {
        policy: None,
        constraint: ConstraintName { kind: "K".into(), name: "n".into() },
        enforcement_action: action,
        message: message.into(),
        details: json!({"rule": "r", "container": container}),
        judged,
        line: 7,
        fix: None,
        no_fix: None,
        places: vec![],
        kind: "Pod".into(),
    }
}

fn violating(facts: Facts, violations: Vec<Violation>) -> Facts {
    Facts { violations, ..facts }
}

fn of(kind: &str, facts: Vec<Facts>) -> Found {
    let violations: Vec<_> = facts.iter().flat_map(|it| it.violations.clone()).collect();
    let pods_refused =
        violations.iter().any(|it| it.judged == Judged::Pod && it.enforcement_action == Verdict::Deny);
    let api_version = if kind == "Pod" { "v1" } else { "apps/v1" };
    let result = ObjectResult {
        object: ObjectRef {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: Some("shop".into()),
            name: "checkout".into(),
        },
        source: Source { file: "cluster".into(), line: 0 },
        operation: "CREATE".to_owned(),
        verdict: violations.iter().map(|it| it.enforcement_action).max().unwrap_or_default(),
        violations,
        patch: None,
        assumed: vec![],
        unread: false,
        unverified: vec![],
        exempt: None,
        pods_refused,
    };
    Found { result, facts, fixed: None, written: json!({}) }
}

fn place() -> Place<'static> {
    let labels = BTreeMap::from([(LABEL.to_owned(), "restricted".to_owned())]);
    Place { namespace: "shop", labels, ..Place::default() }
}

fn shown(found: Found, place: &Place<'_>) -> String {
    print::text(&explain(found, place), false, None)
}

const PRIVILEGED: &str =
    "allowPrivileged: container \"app\" sets securityContext.privileged to true; it must be false or unset";

/// The four rows of the documentation.
fn four() -> Vec<Facts> {
    let common =
        facts("D8OperationPolicy", "common", Some(policy("OperationPolicy", "common")), Author::Policy(None));
    let probes = "requiredProbes: container \"app\" has no livenessProbe";
    vec![
        violating(common, vec![violation(Verdict::Warn, Judged::Object, "app", probes)]),
        standard("restricted"),
        not(standard("baseline"), MatchField::NamespaceSelector, &format!("{LABEL}!=restricted"), "x"),
        violating(security("baseline"), vec![violation(Verdict::Deny, Judged::Object, "app", PRIVILEGED)]),
        not(security("payments"), MatchField::NamespaceSelector, "tier=pci", "tier=web"),
    ]
}

#[test]
fn each_policy_says_whether_it_applies_and_what_it_says() {
    let expected = "\
Deployment shop/checkout: refused (1 denies, 1 warns)
 applies  SecurityPolicy/baseline          deny    allowPrivileged: container \"app\" sets securityContext.privileged to true; it must be false or unset
 applies  OperationPolicy/common           warn    requiredProbes: container \"app\" has no livenessProbe
 applies  PodSecurityStandard/restricted   passes  namespace label security.deckhouse.io/pod-policy=restricted
 not      SecurityPolicy/payments                  namespaceSelector.labelSelector wants tier=pci, namespace shop has tier=web
3 of 4 apply.
";
    assert_eq!(shown(of("Deployment", four()), &place()), expected);
    let narrow = print::text(&explain(of("Deployment", four()), &place()), false, Some(80));
    assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
}

#[test]
fn the_standards_take_one_row_where_none_applies() {
    let all = |change: &dyn Fn(Facts) -> Facts| {
        ["baseline", "restricted"].into_iter().map(|level| change(standard(level))).collect::<Vec<_>>()
    };
    let by_labels = || all(&|it| not(it, MatchField::NamespaceSelector, "a", "b"));
    let of_label = |value: Option<&str>| Place {
        labels: value.map(|value| (LABEL.to_owned(), value.to_owned())).into_iter().collect(),
        ..place()
    };
    for (facts, place, expected) in [
        (
            by_labels(),
            of_label(Some("privileged")),
            "not  PodSecurityStandard/privileged      namespace label security.deckhouse.io/pod-policy=privileged demands nothing",
        ),
        (
            by_labels(),
            of_label(None),
            "not  PodSecurityStandard/privileged      the default of namespaces without a label \
             security.deckhouse.io/pod-policy demands nothing",
        ),
        (
            all(&|it| not(it, MatchField::Kinds, "Pods", "ConfigMaps")),
            of_label(None),
            "not  PodSecurityStandard/*      judges Pods, not ConfigMaps",
        ),
        (
            all(&|it| not(it, MatchField::ExcludedNamespaces, "kube-*", "shop")),
            of_label(None),
            "not  PodSecurityStandard/*      namespace shop is a system namespace: the standards do not reach it",
        ),
    ] {
        let said = shown(of("Pod", facts), &place);
        assert_eq!(said, format!("Pod shop/checkout: passes\n {expected}\n0 of 1 apply.\n"));
    }
    let said = shown(of("Pod", vec![standard("baseline")]), &of_label(None));
    assert!(
        said.contains("passes  the default of namespaces without a label security.deckhouse.io/pod-policy\n")
    );
}

#[test]
fn containers_of_one_reason_are_joined_and_what_pods_lack_is_said_of_them() {
    let message = |container: &str| format!("r: container \"{container}\" has no x");
    let found = vec![
        violation(Verdict::Deny, Judged::Pod, "a", &message("a")),
        violation(Verdict::Deny, Judged::Pod, "b", &message("b")),
    ];
    let explained = explain(of("Deployment", vec![violating(security("strict"), found)]), &place());
    let said = print::text(&explained, false, None);
    let expected = "\
Deployment shop/checkout: accepted; its Pods are refused (1 denies)
 applies  SecurityPolicy/strict   deny  on its Pods: r: container \"a\" has no x; the same is true of container \"b\"
1 of 1 applies.
";
    assert_eq!(said, expected);
    // JSON has each of them.
    assert_eq!(explained.policies[0].violations.len(), 2);
    assert!(explained.refused_later && exit_code(&[explained]) == 1);
}

#[test]
fn what_runs_and_would_be_refused_does_not_come_back() {
    let denied = |judged| {
        vec![violating(security("strict"), vec![violation(Verdict::Deny, judged, "app", PRIVILEGED)])]
    };
    let running = |running| Place { running, ..place() };
    for (kind, facts, running, expected) in [
        (
            "Pod",
            denied(Judged::Object),
            running(1),
            "It is running, and will not come back after a restart.\n",
        ),
        ("Pod", denied(Judged::Object), running(0), ""),
        ("Pod", vec![security("strict")], running(1), ""),
        (
            "Deployment",
            denied(Judged::Pod),
            running(3),
            "3 of its Pods are running, and will not come back after a restart.\n",
        ),
        // What is wrong with the Deployment alone does not keep its Pods away.
        ("Deployment", denied(Judged::Object), running(3), ""),
    ] {
        let said = shown(of(kind, facts), &running);
        assert!(said.ends_with(&format!("1 of 1 applies.\n{expected}")), "{said}");
    }
    let mut update = of("Pod", denied(Judged::Object));
    update.result.operation = "UPDATE".to_owned();
    assert_eq!(explain(update, &running(1)).not_coming_back, 0);
}

#[test]
fn what_cannot_be_judged_here_passes_nothing() {
    let signed = || Facts {
        not_judged: Some(NOT_VERIFIED.to_owned()),
        ..facts(
            "D8VerifyImageSignatures",
            "signed",
            Some(policy("SecurityPolicy", "signed")),
            Author::Policy(None),
        )
    };
    let beyond = || Facts {
        not_judged: Some("cannot be judged here: external_data".to_owned()),
        ..facts("K8sExternal", "x", None, Author::Others)
    };
    let warned =
        || violating(security("w"), vec![violation(Verdict::Warn, Judged::Object, "app", PRIVILEGED)]);
    let denied =
        || violating(security("d"), vec![violation(Verdict::Deny, Judged::Object, "app", PRIVILEGED)]);
    let off = || Facts {
        enforced: Some(Err("gatekeeper-0 cannot compile its template: no".to_owned())),
        ..beyond()
    };
    let elsewhere = || not(beyond(), MatchField::Namespaces, "a", "shop");
    for (facts, verdict, code, says) in [
        // Signatures do not count, and it is said.
        (vec![signed()], Verdict::Pass, 0, "passes (1 not verified)\n"),
        (vec![signed(), warned()], Verdict::Warn, 0, "passes (1 warns, 1 not verified)\n"),
        (vec![signed(), denied()], Verdict::Deny, 1, "refused (1 denies, 1 not verified)\n"),
        (
            vec![beyond(), warned()],
            Verdict::Error,
            2,
            "nobody can say here what becomes of it (1 warns, 1 not judged)\n",
        ),
        (vec![beyond(), denied()], Verdict::Deny, 1, "refused (1 denies, 1 not judged)\n"),
        // What Gatekeeper does not enforce refuses nothing.
        (vec![off()], Verdict::Pass, 0, "passes (1 not judged)\n"),
        (vec![elsewhere()], Verdict::Pass, 0, "passes\n"),
    ] {
        let explained = explain(of("Pod", facts), &place());
        let said = print::text(&explained, false, None);
        assert!(said.starts_with(&format!("Pod shop/checkout: {says}")), "{said}");
        assert_eq!((explained.verdict, exit_code(&[explained])), (verdict, code), "{said}");
    }
    // The policy's other constraint is no other policy.
    let rules =
        facts("D8SecurityPolicy", "signed", Some(policy("SecurityPolicy", "signed")), Author::Policy(None));
    let said = shown(of("Pod", vec![signed(), rules]), &place());
    assert!(said.ends_with("1 of 1 applies.\n"), "{said}");
    let said = shown(of("Pod", vec![signed()]), &place());
    assert!(
        said.contains("SecurityPolicy/signed   unknown  not verified here: gatewright verify IMAGE\n"),
        "{said}"
    );
}

#[test]
fn what_may_not_be_seen_is_named_and_never_taken_for_a_pass() {
    let unseen = |what: &str| Unseen { what: what.to_owned(), needs: format!("list on {what}") };
    let blind = Place { blind: vec![unseen("k8sallowedrepos")], ..place() };
    let aside = Place { incomplete: vec![unseen("limitranges")], ..place() };
    let explained = explain(of("Pod", vec![security("a")]), &blind);
    assert_eq!((explained.verdict, &explained.incomplete), (Verdict::Error, &blind.blind));
    let explained = explain(of("Pod", vec![security("a")]), &aside);
    assert_eq!((explained.verdict, &explained.incomplete), (Verdict::Pass, &aside.incomplete));
    let denied = violating(security("d"), vec![violation(Verdict::Deny, Judged::Object, "app", PRIVILEGED)]);
    assert_eq!(explain(of("Pod", vec![denied]), &blind).verdict, Verdict::Deny);
}

fn seen(name: &str, conditions: &[(&str, &str, &str, &str)]) -> Policy {
    let condition = |(r#type, status, reason, message): &(&str, &str, &str, &str)| -> Condition {
        serde_json::from_value(json!({
            "type": r#type, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    };
    let conditions = conditions.iter().map(condition).collect();
    let status = PolicyStatus { conditions, observed_generation: Some(1), ..PolicyStatus::default() };
    let (kind, generation, action) = (PolicyKind::SecurityPolicy, Some(1), "Deny".to_owned());
    Policy { seen: SeenPolicy { kind, name: name.to_owned(), generation, action, status }, excluded: vec![] }
}

#[test]
fn policies_without_a_constraint_say_why() {
    let policies = [
        seen("empty", &[("Ready", "True", "NothingToEnforce", "nothing")]),
        seen("wrong", &[("Valid", "False", "Invalid", "spec.policies.x: no")]),
        seen("there", &[("Ready", "True", "Ready", "")]),
    ];
    let place = Place { policies: &policies, ..place() };
    let late = Facts {
        enforced: Some(Err("not enforced, NotEnforcedBy: gatekeeper-1 is late".to_owned())),
        ..security("there")
    };
    let explained = explain(of("Pod", vec![late]), &place);
    let expected = "\
Pod shop/checkout: passes
 applies  SecurityPolicy/there   passes  not enforced yet: not enforced, NotEnforcedBy: gatekeeper-1 is late
 not      SecurityPolicy/empty           demands nothing that could be violated, so it has no constraint
 not      SecurityPolicy/wrong           has no constraint: invalid, Invalid: spec.policies.x: no
1 of 3 applies.
";
    assert_eq!(print::text(&explained, false, None), expected);
    let enforced: Vec<_> = explained.policies.iter().map(|row| row.enforced).collect();
    assert_eq!(enforced, [Some(false), Some(true), Some(false)]);
}

#[test]
fn nothing_applies_in_a_namespace_that_gatekeeper_is_not_asked_about() {
    let exemption = "not judged: Gatekeeper's Config exempts namespaces shop from admission".to_owned();
    let place = Place { exemption: Some(exemption), ..place() };
    let said = shown(of("Pod", vec![security("a"), standard("restricted")]), &place);
    let expected = "\
Pod shop/checkout: passes
 not  PodSecurityStandard/*      Gatekeeper's Config exempts namespaces shop from admission
 not  SecurityPolicy/a           Gatekeeper's Config exempts namespaces shop from admission
0 of 2 apply.
";
    assert_eq!(said, expected);
}

#[test]
fn what_others_wrote_cannot_lead_a_terminal() {
    let hostile = "evil\u{1b}[2J\u{202e}";
    let bad = vec![violation(Verdict::Deny, Judged::Object, hostile, hostile)];
    let of_others = facts(hostile, hostile, None, Author::Others);
    let all = vec![
        violating(
            facts("D8SecurityPolicy", hostile, Some(policy("SecurityPolicy", hostile)), Author::Policy(None)),
            bad,
        ),
        not(of_others.clone(), MatchField::LabelSelector, hostile, hostile),
        Facts { not_judged: Some(hostile.to_owned()), enforced: Some(Err(hostile.to_owned())), ..of_others },
    ];
    let mut found = of("Pod", all);
    found.result.object.name = hostile.into();
    found.result.assumed = vec![hostile.into()];
    let explained = explain(found, &place());
    for said in [print::text(&explained, true, None), print::text(&explained, true, Some(60))] {
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said}");
    }
    assert_eq!(serde_json::to_value(&explained).unwrap()["object"]["name"], hostile);
}

/// The documents are as the schemas say, and have the fields that scripts read.
#[test]
fn json_is_as_its_schema_says() {
    let explained = explain(of("Deployment", four()), &place());
    let list = ExplainList { kind: "ExplainList", version: 1, items: vec![explained.clone()] };
    let documents = [("explain", json!(explained)), ("explain-list", json!(list))];
    for (name, schema) in crate::schemas::all() {
        let Some((_, document)) = documents.iter().find(|(it, _)| *it == name) else { continue };
        let validator = jsonschema::validator_for(&schema.to_value()).unwrap();
        let wrong: Vec<_> = validator.iter_errors(document).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    }
    let document = json!(explained);
    assert_eq!(
        (&document["kind"], &document["version"], &document["verdict"]),
        (&json!("Explain"), &json!(1), &json!("deny"))
    );
    let because = &document["policies"][3]["because"];
    assert_eq!(
        *because,
        json!({
            "field": "namespaceSelector.labelSelector", "wants": "tier=pci", "has": "tier=web",
            "text": "namespaceSelector.labelSelector wants tier=pci, namespace shop has tier=web",
        })
    );
}

#[test]
fn why_gatekeeper_fails_to_review_an_object_is_said() {
    let mut failed = of("Pod", vec![security("a")]);
    failed.result.verdict = Verdict::Error;
    failed.result.assumed = vec!["spec.jobTemplate: ExpansionTemplate jobs needs a map there".into()];
    let explained = explain(failed, &place());
    assert_eq!(exit_code(std::slice::from_ref(&explained)), 2);
    let said = print::text(&explained, false, None);
    assert!(
        said.ends_with("\nnot judged: spec.jobTemplate: ExpansionTemplate jobs needs a map there\n"),
        "{said}"
    );
}

#[test]
fn an_object_of_a_file_is_named_with_its_place() {
    let found =
        vec![violating(security("d"), vec![violation(Verdict::Deny, Judged::Object, "app", PRIVILEGED)])];
    let mut of_file = of("Pod", found);
    of_file.result.source = Source { file: "a.yaml".into(), line: 3 };
    let explained = explain(of_file, &Place { has_lines: true, ..place() });
    let said = print::text(&explained, false, None);
    assert!(said.starts_with("a.yaml:3: Pod shop/checkout: refused (1 denies)\n"), "{said}");
    assert!(said.contains("deny  line 7: allowPrivileged: "), "{said}");
    assert_eq!(json!(explained)["source"], json!({"file": "a.yaml", "line": 3}));
    assert!(json!(explain(of("Pod", vec![]), &place()))["source"].is_null());
}

#[test]
fn the_worst_of_several_objects_is_the_exit_code() {
    let one = |verdict| Explain { verdict, ..explain(of("Pod", vec![]), &place()) };
    for (verdicts, code) in [
        (vec![Verdict::Pass, Verdict::Warn], 0),
        (vec![Verdict::Pass, Verdict::Deny], 1),
        (vec![Verdict::Error, Verdict::Deny], 2),
    ] {
        assert_eq!(exit_code(&verdicts.into_iter().map(one).collect::<Vec<_>>()), code);
    }
}
