mod faults;
mod fit;
mod guard_stands;
mod verifier;

use faults::{faults, with_standard};

use super::{decide, guard, standards};
use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::fixtures::{PROCESS, builtin, gatekeeper, taken_in, template, unremembered};
use crate::judge::plan::{Next, Plan, Status, SystemDraft};
use crate::watch::kind::{Id, Kind};
use crate::watch::live::Live;
use crate::watch::observe::{
    Preferred, ReportKinds, StandardReach, StandardSnapshot, SystemSnapshot, TemplateSnapshot, VerifierView,
};
use crate::watch::published::{ReportsOutcome, RoutingOutcome};
use crate::watch::report_kind::NAMESPACED;
use crate::watch::system::SystemObject;
use gatewright_api::{DefaultStandard, ExemptNamespaces, Notice, PolicyKind, Reason, SystemStatus};
use gatewright_compiler::Settings;
use gatewright_gatekeeper::{Audit, Finding, IGNORE_LABEL, Namespace, Operation, Process};
use gatewright_rules::Template;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

const IDENTITY: &str = "gatewright-0_1";

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

/// Everything is as it should be, and nobody has said so yet.
fn good(builtin: &Builtin) -> SystemSnapshot {
    let templates = Template::ALL.iter().map(|of| TemplateSnapshot {
        which: *of,
        id: Id::new(Kind::Template, of.name()),
        served: true,
        template: unremembered(Some(&template(builtin, *of))),
        in_use: true,
    });
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
    SystemSnapshot {
        object: None,
        policies: vec![(PolicyKind::SecurityPolicy, true), (PolicyKind::OperationPolicy, true)],
        lacking: BTreeMap::new(),
        release: None,
        templates_served: true,
        templates: templates.collect(),
        standards: standards.collect(),
        gatekeeper: gatekeeper(),
        guard_template: Some(template(builtin, Template::DenyExecHeritage)),
        guard_constraint: None,
        routing: Some(RoutingOutcome::default()),
        report_kinds: ReportKinds {
            namespaced: Preferred::Kind(&NAMESPACED[0]),
            cluster: Preferred::None,
            sources_known: true,
        },
        reports: Some(ReportsOutcome::default()),
        verifier: VerifierView::default(),
        foreign_signatures: vec![],
        ignored: Some(vec![]),
        own_namespace: None,
        identity: IDENTITY.to_owned(),
        elects: false,
        settings_problem: None,
        logged: vec![],
        now: at(1),
    }
}

/// What is to be said; none if that is nothing.
fn draft(snapshot: &SystemSnapshot, builtin: &Builtin) -> Option<SystemDraft> {
    let Plan { actions, status, next } = decide(snapshot, builtin);
    assert!(actions.is_empty() && next == Next::Change);
    match status {
        Status::System(draft) => Some(*draft),
        Status::Nothing => None,
        other => panic!("{other:?}"),
    }
}

fn status(snapshot: &SystemSnapshot, builtin: &Builtin) -> SystemStatus {
    *draft(snapshot, builtin).unwrap().status.unwrap()
}

/// Status, reason and message of a condition.
fn said(status: &SystemStatus, r#type: &str) -> (String, String, String) {
    let found = status.conditions.iter().find(|condition| condition.type_ == r#type).unwrap();
    (found.status.clone(), found.reason.clone(), found.message.clone())
}

/// The same snapshot with this status in the API.
fn after(status: &SystemStatus, snapshot: &SystemSnapshot) -> SystemSnapshot {
    let metadata = ObjectMeta { uid: Some("u".to_owned()), ..ObjectMeta::default() };
    let object = SystemObject { metadata, status: Some(status.clone()) };
    SystemSnapshot { object: Some(Arc::new(object)), now: at(2), ..snapshot.clone() }
}

/// Type, status, reason and message of each condition where everything is as it should be.
const ALL_IS_WELL: [&str; 11] = [
    "PoliciesServed | True | Served | the API server serves the kinds of policies",
    "GatekeeperFound | True | Found | admission requests are answered by gatekeeper-1",
    "TemplatesInstalled | True | Installed | Gatekeeper has taken in every template",
    "StandardsEnforced | True | Enforced | enforced by gatekeeper-1",
    "ExecGuard | True | NotNeeded | the exec guard does not stand: there is no Pod labelled heritage: deckhouse",
    "Routing | True | Routed | Gatekeeper is asked about all that constraints are about",
    "Reports | True | Written | audit's results are written as Report of openreports.io",
    "Verifier | True | NotNeeded | no signatures are verified: signatures.enabled is false in the settings",
    "Settings | True | InForce | the settings file is in force",
    "Operator | True | Leading | gatewright-0_1 works alone, without a Lease",
    "Ready | True | Ready | the system works",
];

/// The reasons that the tables here expect.
pub(crate) fn reasons() -> Vec<String> {
    let good = ALL_IS_WELL.iter().filter_map(|line| line.split(" | ").nth(2)).map(str::to_owned);
    let faults = faults().into_iter().map(|(_, _, reason, _)| reason);
    good.chain(faults.chain(verifier::reasons()).map(|reason| reason.as_str().to_owned())).collect()
}

#[test]
fn all_that_is_said_where_everything_is_as_it_should_be() {
    let builtin = builtin();
    let draft = draft(&good(builtin), builtin).unwrap();
    let status = draft.status.as_ref().unwrap();
    let conditions: Vec<_> = status
        .conditions
        .iter()
        .map(|it| {
            [it.type_.as_str(), it.status.as_str(), it.reason.as_str(), it.message.as_str()].join(" | ")
        })
        .collect();
    assert_eq!(conditions, ALL_IS_WELL);
    let ready = status.conditions.last().cloned();
    assert_eq!((draft.seen, draft.turned, draft.events, draft.log), (None, ready, vec![], vec![]));
    let process = &status.processes[..];
    assert!(process.len() == 1 && process[0].name == PROCESS && process[0].operations == ["webhook"]);
    assert_eq!((status.notices.len(), status.standards.len()), (0, builtin.standards.len()));
    assert_eq!(status.exempt_namespaces, Some(ExemptNamespaces::default()));
}

#[test]
fn what_was_said_is_not_said_again() {
    let builtin = builtin();
    let snapshot = good(builtin);
    let before = status(&snapshot, builtin);
    assert_eq!(decide(&after(&before, &snapshot), builtin), Plan::default());
}

#[test]
fn a_transition_time_moves_only_with_the_status_and_a_turn_is_an_event() {
    let builtin = builtin();
    let snapshot = good(builtin);
    let before = status(&snapshot, builtin);
    let broken = SystemSnapshot { settings_problem: Some("line 1: x".into()), ..after(&before, &snapshot) };
    let turned = draft(&broken, builtin).unwrap();
    let ready = turned.turned.unwrap();
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "Broken"));
    let now = *turned.status.unwrap();
    for condition in &now.conditions {
        let moved = ["Settings", "Ready"].contains(&condition.type_.as_str());
        assert_eq!(condition.last_transition_time, at(if moved { 2 } else { 1 }), "{condition:?}");
    }
    // Another problem of the same kind is no turn.
    let other = SystemSnapshot { settings_problem: Some("line 2: y".into()), ..after(&now, &snapshot) };
    let draft = draft(&other, builtin).unwrap();
    assert_eq!(draft.turned, None);
    assert!(draft.status.is_some() && draft.seen.unwrap().uid.as_deref() == Some("u"));
}

#[test]
fn each_fault_has_a_condition_and_the_first_is_that_of_ready() {
    let builtin = builtin();
    for (change, r#type, reason, message) in faults() {
        let mut snapshot = good(builtin);
        change(&mut snapshot, builtin);
        let status = status(&snapshot, builtin);
        let (holds, found, text) = said(&status, r#type);
        assert_eq!((holds.as_str(), found.as_str()), ("False", reason.as_str()), "{type}: {text}");
        assert!(text.contains(message), "{type}: {text}");
        let mut standards = builtin.standards.iter().map(|standard| &standard.prepared.id.name);
        let named = standards.any(|name| text.starts_with(&format!("{name}: ")));
        assert_eq!(named, r#type == "StandardsEnforced", "the constraint is named: {text}");
        let first = status.conditions.iter().find(|condition| condition.status == "False").unwrap();
        let ready = said(&status, "Ready");
        let expected = format!("{}: {}", first.type_, first.message);
        assert_eq!(ready, ("False".to_owned(), first.reason.clone(), expected));
    }
}

#[test]
fn only_what_keeps_requests_away_is_a_fault_of_the_routing() {
    let outcome = |findings| RoutingOutcome { findings, ..RoutingOutcome::default() };
    let off = Finding::Off { operation: Operation::Connect, resources: vec!["pods/exec".to_owned()] };
    let woken = |routed| Finding::WokenByMistake {
        operation: Operation::Connect,
        resources: vec!["pods/exec".to_owned()],
        constraints: vec!["k/c".to_owned()],
        routed,
    };
    let unknown = Finding::UnknownKind { kind: "Foo".into(), constraint: "k/c".into() };
    for (findings, holds, reason, says) in [
        (vec![], true, Reason::Routed, "Gatekeeper is asked"),
        (vec![off.clone()], true, Reason::Routed, "RoutingOff: "),
        (vec![unknown], true, Reason::Routed, "UnknownKind: "),
        (vec![Finding::NeverTrue { template: "t".into() }], true, Reason::Routed, "NeverTrue: "),
        (vec![woken(true)], true, Reason::Routed, "WokenByMistake: "),
        (vec![off.clone(), woken(false)], false, Reason::NotRouted, "WokenByMistake: "),
        (vec![Finding::ObjectSelector], false, Reason::NotRouted, "ObjectSelector: "),
        (vec![Finding::NoUpstream], false, Reason::NotRouted, "NoUpstream: "),
    ] {
        let judgement = guard::routing(Some(&outcome(findings)));
        assert_eq!((judgement.holds, judgement.reason), (holds, reason), "{judgement:?}");
        assert!(judgement.message.starts_with(says), "{judgement:?}");
    }
    let failed = |findings| {
        guard::routing(Some(&RoutingOutcome { routing_problem: Some("refused".into()), ..outcome(findings) }))
    };
    assert_eq!(failed(vec![]), Judgement::no(Reason::ApplyFailed, "refused"));
    let both = failed(vec![off.clone()]);
    assert_eq!(both.message, format!("refused; RoutingOff: {off}"));
}

#[test]
fn a_notice_is_an_event_once_for_each_time_that_it_comes_about() {
    let builtin = builtin();
    // One text is the start of the other: they are said apart all the same.
    let finding =
        |constraint: &str| Finding::UnknownKind { kind: "Foo".into(), constraint: constraint.into() };
    let notice = |constraint: &str| {
        let finding = finding(constraint);
        Notice { reason: finding.reason().to_owned(), message: finding.to_string() }
    };
    let with = |findings: Vec<Finding>| SystemSnapshot {
        routing: Some(RoutingOutcome { findings, ..RoutingOutcome::default() }),
        ..good(builtin)
    };
    let both = with(vec![finding("k/c"), finding("k/cc")]);
    let first = draft(&both, builtin).unwrap();
    assert_eq!(first.events, [notice("k/c"), notice("k/cc")]);
    // The routing has logged what it found.
    assert_eq!(first.log, []);
    let known = first.status.unwrap();
    assert_eq!(known.notices, first.events);
    assert_eq!(draft(&after(&known, &both), builtin), None);
    let one = draft(&after(&known, &with(vec![finding("k/cc")])), builtin).unwrap();
    assert_eq!(one.events, []);
    let again = draft(&after(&one.status.unwrap(), &both), builtin).unwrap();
    assert_eq!(again.events, [notice("k/c")]);
}

#[test]
fn a_version_of_the_standards_that_is_too_new_is_said_in_the_condition_too() {
    let settings =
        Settings::from_yaml("podSecurityStandards: {version: v1.99}", "gatewright-system").unwrap();
    let builtin = &Builtin::new(settings);
    let draft = draft(&good(builtin), builtin).unwrap();
    let [notice] = &draft.events[..] else { panic!("{draft:?}") };
    assert_eq!(notice.reason, "NewerVersion");
    let (holds, _, message) = said(&draft.status.unwrap(), "StandardsEnforced");
    assert_eq!((holds.as_str(), message), ("True", format!("enforced by {PROCESS}; {}", notice.message)));
}

#[test]
fn the_holder_of_the_lease_is_named_and_a_missing_exemption_logged_at_each_start() {
    let builtin = builtin();
    let own = |labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Some(Arc::new(Namespace { name: "gatewright-system".into(), labels }))
    };
    let holds = "gatewright-0_1 holds the Lease gatewright-system/gatewright";
    // The namespace is not known.
    let unknown = SystemSnapshot { elects: true, ..good(builtin) };
    let (status_, reason, message) = said(&status(&unknown, builtin), "Operator");
    assert_eq!((status_.as_str(), reason.as_str(), message.as_str()), ("True", "Leading", holds));

    let missing = SystemSnapshot { own_namespace: own(&[]), ..unknown };
    let first = draft(&missing, builtin).unwrap();
    let [notice] = &first.log[..] else { panic!("{first:?}") };
    assert_eq!((notice.reason.as_str(), &first.events), ("LeaseNotExempt", &first.log));
    let known = first.status.unwrap();
    let (status_, _, message) = said(&known, "Operator");
    assert_eq!((status_.as_str(), message), ("True", format!("{holds}; {}", notice.message)));
    assert_eq!(said(&known, "Ready").0, "True");

    // Another process logs it at its start, and writes nothing.
    let log = vec![notice.clone()];
    let metadata = ObjectMeta { uid: Some("u".to_owned()), ..ObjectMeta::default() };
    let logs = SystemDraft { seen: Some(metadata), status: None, turned: None, events: vec![], log };
    assert_eq!(draft(&after(&known, &missing), builtin), Some(logs.clone()));
    let logged = SystemSnapshot { logged: logs.log, ..after(&known, &missing) };
    assert_eq!(draft(&logged, builtin), None);

    // With a single process there is no Lease to lose.
    let alone = SystemSnapshot { elects: false, ..missing };
    assert!(!said(&status(&alone, builtin), "Operator").2.contains("exempt"));
}

#[test]
fn exempt_namespaces_are_listed_and_named_but_for_system_namespaces() {
    let builtin = builtin();
    let enforced = format!("enforced by {PROCESS}");
    let of = |names: &[&str]| SystemSnapshot {
        ignored: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..good(builtin)
    };
    let many: Vec<String> = (10..22).map(|i| format!("n{i}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let named = many[..10].join(", ");
    for (names, message) in [
        (&["gatekeeper-system", "kube-system"][..], enforced.clone()),
        (
            &["gatekeeper-system", "tenant"],
            format!("{enforced}; not judged, because of the label {IGNORE_LABEL}: tenant"),
        ),
        (&many, format!("{enforced}; not judged, because of the label {IGNORE_LABEL}: {named} and 2 more")),
    ] {
        let status = status(&of(names), builtin);
        assert_eq!(said(&status, "StandardsEnforced"), ("True".into(), "Enforced".into(), message));
        assert_eq!(said(&status, "Ready").0, "True");
        let listed = status.exempt_namespaces.unwrap();
        assert_eq!(usize::try_from(listed.count).unwrap(), names.len());
        assert_eq!(listed.names, &names[..names.len().min(10)]);
    }
    let unknown = SystemSnapshot { ignored: None, ..good(builtin) };
    assert_eq!(status(&unknown, builtin).exempt_namespaces, None);
}

#[test]
fn processes_are_those_that_report_or_must_and_stay() {
    let builtin = builtin();
    let mut snapshot = good(builtin);
    let pod = |name: &str, label: &str, terminating| {
        let labels = [("control-plane".to_owned(), label.to_owned())].into();
        Arc::new(Process {
            name: name.into(),
            labels,
            terminating,
            version: "v3.23".into(),
            ..Process::default()
        })
    };
    let processes = snapshot.gatekeeper.processes.as_mut().unwrap();
    processes.insert(0, pod("new", "controller-manager", false));
    processes.push(pod("leaving", "controller-manager", true));
    processes.push(pod("other", "database", false));
    let status = status(&snapshot, builtin);
    let found: Vec<_> = status.processes.iter().map(|it| (it.name.as_str(), it.operations.len())).collect();
    assert_eq!(found, [(PROCESS, 1), ("new", 0)]);
    assert_eq!(status.processes[1].version, "v3.23");
}

#[test]
fn the_standards_show_reach_and_violations_of_our_constraints_only() {
    let builtin = builtin();
    let mut snapshot = good(builtin);
    let audited = |ours| {
        let audit = Audit { total: 7, listed: vec![], timestamp: String::new() };
        Live { ours, audit: Some(Arc::new(audit)), ..taken_in(&builtin.standards[0].prepared) }
    };
    let mut first = |live| {
        with_standard(&mut snapshot, builtin, |_| Some(audited(live)));
        standards(&snapshot.standards, builtin)[0].clone()
    };
    let ours = first(true);
    assert_eq!((ours.level.as_str(), ours.action.as_str(), ours.namespaces), ("baseline", "deny", 3));
    assert_eq!((ours.violations, first(false).violations), (Some(7), None));
    let unseen = standards(&[], builtin);
    assert!(unseen.len() == builtin.standards.len() && unseen.iter().all(|it| it.namespaces == 0));
}

#[test]
fn the_default_standard_is_that_of_the_settings_in_force() {
    for (yaml, level, action) in [
        ("{}", "baseline", "deny"),
        ("podSecurityStandards: {defaultPolicy: Restricted}", "restricted", "deny"),
        ("podSecurityStandards: {enforcementAction: Warn}", "baseline", "warn"),
        (
            "podSecurityStandards: {defaultPolicy: privileged, enforcementAction: Dryrun}",
            "privileged",
            "dryrun",
        ),
    ] {
        let builtin = &Builtin::new(Settings::from_yaml(yaml, "gatewright-system").unwrap());
        // A file that is refused changes nothing: the settings before it are in force.
        for settings_problem in [None, Some("line 1: x".to_owned())] {
            let snapshot = SystemSnapshot { settings_problem, ..good(builtin) };
            let expected = DefaultStandard { level: level.to_owned(), action: action.to_owned() };
            assert_eq!(status(&snapshot, builtin).default_standard, Some(expected), "{yaml}");
        }
    }
}
