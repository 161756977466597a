mod exec_guard;
mod faults;
mod lists;
mod notices;

use crate::judge::builtin::Builtin;
use crate::judge::fixtures::{PROCESS, builtin, gatekeeper, taken_in, template, unremembered};
use crate::judge::plan::{Next, Plan, Status, SystemDraft};
use crate::judge::system::decide;
use crate::watch::desired::Prepared;
use crate::watch::kind::{Id, Kind};
use crate::watch::live::Live;
use crate::watch::observe::{
    Preferred, ReportKinds, StandardReach, StandardSnapshot, SystemSnapshot, TemplateSnapshot,
};
use crate::watch::published::{ReportsOutcome, RoutingOutcome};
use crate::watch::report_kind::NAMESPACED;
use crate::watch::system::SystemObject;
use gatewright_api::{ExemptNamespaces, PolicyKind, SystemStatus};
use gatewright_rules::Template;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
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
    });
    let standards = builtin.standards.iter().map(|standard| StandardReach {
        snapshot: StandardSnapshot {
            id: standard.prepared.id.clone(),
            served: true,
            template: Some(template(builtin, Template::PodSecurityStandard)),
            constraint: unremembered(Some(&Arc::new(taken_in(&standard.prepared)))),
        },
        namespaces: Some(3),
    });
    SystemSnapshot {
        object: None,
        policies: vec![(PolicyKind::SecurityPolicy, true), (PolicyKind::OperationPolicy, true)],
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
const ALL_IS_WELL: [&str; 10] = [
    "PoliciesServed | True | Served | the API server serves the kinds of policies",
    "GatekeeperFound | True | Found | admission requests are answered by gatekeeper-1",
    "TemplatesInstalled | True | Installed | Gatekeeper has taken in every template",
    "StandardsEnforced | True | Enforced | enforced by gatekeeper-1",
    "ExecGuard | True | NotNeeded | the exec guard does not stand: there is no Pod labelled heritage: deckhouse",
    "Routing | True | Routed | Gatekeeper is asked about all that constraints are about",
    "Reports | True | Written | audit's results are written as Report of openreports.io",
    "Settings | True | InForce | the settings file is in force",
    "Operator | True | Leading | gatewright-0_1 works alone, without a Lease",
    "Ready | True | Ready | all that is no policy works",
];

/// The reasons that the tables here expect.
pub(crate) fn reasons() -> Vec<String> {
    let good = ALL_IS_WELL.iter().filter_map(|line| line.split(" | ").nth(2)).map(str::to_owned);
    good.chain(faults::faults().iter().map(|(_, _, reason, _)| reason.as_str().to_owned())).collect()
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

/// Replaces one template.
fn with_template(snapshot: &mut SystemSnapshot, builtin: &Builtin, live: impl Fn(&Prepared) -> Option<Live>) {
    let seen = &mut snapshot.templates[0];
    let found = live(builtin.template(seen.which));
    seen.template.live = found.map(Arc::new);
}

fn with_standard(snapshot: &mut SystemSnapshot, builtin: &Builtin, live: impl Fn(&Prepared) -> Option<Live>) {
    let found = live(&builtin.standards[0].prepared);
    snapshot.standards[0].snapshot.constraint.live = found.map(Arc::new);
}
