//! Tells the state of everything that is no policy, on the object `gatewrightstatus/cluster`.

use std::collections::BTreeSet;

use gatewright_api::{
    GatekeeperProcess, GatewrightStatus, OperationPolicy, Policy as _, Reason, SYSTEM_STATUS_NAME,
    SecurityPolicy, StandardStatus, SystemCondition, SystemStatus,
};
use gatewright_compiler::{EXEC_GUARD, GuardMode};
use gatewright_gatekeeper::{Finding, PodStatus, Verdict, judge_template};
use gatewright_rules::Template;
use gatewright_rules::pod_security_standard::NEWEST_MINOR;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{ApiResource, PostParams};
use kube::core::DynamicObject;
use serde_json::json;
use tracing::info;

use crate::cache::{Entry, Knowledge};
use crate::conditions::Judgement;
use crate::enforcement::{Gatekeeper, not_enforced_by, rejected};
use crate::error::request;
use crate::events::Notice;
use crate::queue::Next;
use crate::routing::RoutingReport;
use crate::world::{Watched as _, World};
use crate::{Error, FIELD_MANAGER, report, standard, status, template};

/// The object as it is in the API.
#[derive(Clone, Debug)]
pub(crate) struct SystemObject {
    /// Name, uid and version.
    metadata: ObjectMeta,
    /// None where there is none that parses.
    status: Option<SystemStatus>,
}

impl From<DynamicObject> for SystemObject {
    fn from(object: DynamicObject) -> Self {
        let ObjectMeta { name, uid, resource_version, .. } = object.metadata;
        Self {
            metadata: ObjectMeta { name, uid, resource_version, ..ObjectMeta::default() },
            status: serde_json::from_value(object.data["status"].clone()).ok(),
        }
    }
}

impl Entry for SystemObject {
    fn same(&self, other: &Self) -> bool {
        (&self.metadata.uid, &self.status) == (&other.metadata.uid, &other.status)
    }
}

/// Writes the status if anything but time changed. Where its kind is not served there is nowhere to write it.
pub(crate) async fn reconcile(world: &World) -> Result<Next, Error> {
    if !world.system.is_complete() || !is_known(world) {
        return Ok(Next::Change);
    }
    let live = match world.system.get(SYSTEM_STATUS_NAME) {
        Some(live) => live.as_ref().clone(),
        None => create(world).await?,
    };
    let status = told(world, live.status.as_ref(), &Time(Timestamp::now()));
    if live.status.as_ref() == Some(&status) {
        return Ok(Next::Change);
    }
    status::replace::<GatewrightStatus>(&world.client, &live.metadata, &status).await?;
    let uid = live.metadata.uid.unwrap_or_default();
    let ready = |status: Option<&SystemStatus>| find(status, SystemCondition::Ready).cloned();
    if let Some(now) = ready(Some(&status))
        && ready(live.status.as_ref())
            .is_none_or(|old| (old.status, old.reason) != (now.status.clone(), now.reason.clone()))
    {
        info!(ready = now.status, reason = now.reason, because = now.message, "everything that is no policy");
        world.events.system_turned(&uid, &now);
    }
    for notice in news(notices(world), live.status.as_ref()) {
        world.events.notice(&uid, &notice);
    }
    Ok(Next::Change)
}

/// What an administrator should know of though it makes nothing fail, or beside what fails. Each stands in the message
/// of some condition.
fn notices(world: &World) -> Vec<Notice> {
    let report = world.routing.borrow();
    let findings = report.iter().flat_map(|report| &report.findings);
    let findings = findings.map(|finding| Notice { reason: finding.reason(), text: finding.to_string() });
    findings.chain(newer_version(world)).collect()
}

/// What was not told before: the status before remembers, also across restarts and replicas.
fn news(notices: Vec<Notice>, previous: Option<&SystemStatus>) -> Vec<Notice> {
    let conditions = previous.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let told = |notice: &Notice| conditions.iter().any(|it| it.message.contains(&notice.text));
    notices.into_iter().filter(|notice| !told(notice)).collect()
}

/// The settings want a version of the standards that only a newer release knows.
fn newer_version(world: &World) -> Option<Notice> {
    let wanted = world.settings.standards.version;
    wanted.is_unknown().then(|| Notice {
        reason: "NewerVersion",
        text: format!(
            "podSecurityStandards.version is {wanted}, which is newer than v1.{NEWEST_MINOR}, the newest version \
             of the standards that this release knows and that holds in its place"
        ),
    })
}

async fn create(world: &World) -> Result<SystemObject, Error> {
    let resource = ApiResource::erase::<GatewrightStatus>(&());
    let object = DynamicObject::new(SYSTEM_STATUS_NAME, &resource).data(json!({"spec": {}}));
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    request(doing("creating"), world.system_api().create(&parameters, &object)).await.map(SystemObject::from)
}

fn doing(verb: &str) -> String {
    format!("{verb} GatewrightStatus {SYSTEM_STATUS_NAME}")
}

/// Nothing may be concluded before, as just after the start.
fn is_known(world: &World) -> bool {
    let judged = world.namespaces.knowledge() != Knowledge::Unknown;
    judged && world.caches().iter().all(|(_, knowledge, _)| *knowledge != Knowledge::Unknown)
}

fn told(world: &World, previous: Option<&SystemStatus>, now: &Time) -> SystemStatus {
    let expected = world.expected_processes();
    let gatekeeper = Gatekeeper::seen(world);
    let judged = [
        (SystemCondition::PoliciesServed, policies_served(world)),
        (SystemCondition::GatekeeperFound, found(world, &expected)),
        (SystemCondition::TemplatesInstalled, templates(world, &expected)),
        (SystemCondition::StandardsEnforced, enforced(world, &gatekeeper)),
        (SystemCondition::ExecGuard, exec_guard(world, &gatekeeper)),
        (SystemCondition::Routing, routing(world.routing.borrow().as_ref())),
        (SystemCondition::Reports, report::judge(world)),
    ];
    let missing = judged.iter().find(|(_, judgement)| !judgement.holds);
    let ready = missing.map_or_else(
        || Judgement::yes(Reason::Ready, "all that is no policy works"),
        |(r#type, judgement)| Judgement {
            message: format!("{}: {}", r#type.as_str(), judgement.message),
            ..judgement.clone()
        },
    );
    let ready = (SystemCondition::Ready, ready);
    let conditions = judged.iter().chain([&ready]);
    SystemStatus {
        conditions: conditions
            .map(|(r#type, judgement)| {
                judgement.condition(r#type.as_str(), None, find(previous, *r#type), now)
            })
            .collect(),
        processes: processes(world, &expected),
        standards: standards(world),
    }
}

fn find(status: Option<&SystemStatus>, r#type: SystemCondition) -> Option<&Condition> {
    status?.conditions.iter().find(|condition| condition.type_ == r#type.as_str())
}

fn policies_served(world: &World) -> Judgement {
    let served = [
        (SecurityPolicy::KIND, SecurityPolicy::cache(world).is_complete()),
        (OperationPolicy::KIND, OperationPolicy::cache(world).is_complete()),
    ];
    let missing: Vec<_> =
        served.iter().filter(|(_, served)| !served).map(|(kind, _)| kind.as_ref()).collect();
    if missing.is_empty() {
        return Judgement::yes(Reason::Served, "the API server serves the kinds of policies");
    }
    let message = format!(
        "the API server does not serve {}, or not to the operator: install the CRDs of gatewright. What policies left \
         in the API stays meanwhile",
        missing.join(", ")
    );
    Judgement::no(Reason::NotServed, message)
}

fn found(world: &World, expected: &BTreeSet<String>) -> Judgement {
    if !world.templates.is_complete() {
        let message = "the API server serves no ConstraintTemplates: install Gatekeeper";
        return Judgement::no(Reason::WaitingForGatekeeper, message);
    }
    if expected.is_empty() {
        let message =
            "no process of Gatekeeper answers admission requests: look at the Pods of its namespace";
        return Judgement::no(Reason::NoGatekeeperProcess, message);
    }
    let processes: Vec<_> = expected.iter().map(String::as_str).collect();
    Judgement::yes(Reason::Found, format!("admission requests are answered by {}", processes.join(", ")))
}

fn templates(world: &World, expected: &BTreeSet<String>) -> Judgement {
    let all = Template::ALL.iter().map(|template| installed(world, *template, expected));
    let missing = all.into_iter().find(|judgement| !judgement.holds);
    missing.unwrap_or_else(|| Judgement::yes(Reason::Installed, "Gatekeeper has taken in every template"))
}

fn installed(world: &World, template: Template, expected: &BTreeSet<String>) -> Judgement {
    let name = template.name();
    let Some(live) = world.templates.get(&name) else {
        let message = format!("the ConstraintTemplate {name} is not there yet");
        return Judgement::no(Reason::WaitingForGatekeeper, message);
    };
    if let Some(obstacle) = live.obstacle(template::KIND, &name) {
        return Judgement::failed(&obstacle);
    }
    if !template::is_as_desired(template, &live) {
        let message = format!("the ConstraintTemplate {name} is not as it should be; the log tells why");
        return Judgement::no(Reason::ApplyFailed, message);
    }
    match judge_template(expected, &live.subject()) {
        Verdict::Enforced => Judgement::yes(Reason::Installed, name),
        Verdict::NoProcess => Judgement::no(
            Reason::NoGatekeeperProcess,
            "there is no process of Gatekeeper to take in our templates",
        ),
        Verdict::TemplateRejected(error) => rejected(&error, &format!("the ConstraintTemplate {name}")),
        Verdict::NotEnforcedBy(missing) => {
            let judgement = not_enforced_by(&missing);
            Judgement { message: format!("{name}: {}", judgement.message), ..judgement }
        }
    }
}

/// The first of the standards' constraints that is not enforced, or what is true of them all.
fn enforced(world: &World, gatekeeper: &Gatekeeper) -> Judgement {
    let mut last = None;
    for constraint in gatewright_compiler::standards(&world.settings) {
        let name = constraint.metadata.name.clone().unwrap_or_default();
        let judgement = standard::judge(world, gatekeeper, &constraint);
        if !judgement.holds {
            return Judgement { message: format!("{name}: {}", judgement.message), ..judgement };
        }
        last = Some(judgement);
    }
    let mut judgement = last.unwrap_or_else(|| Judgement::yes(Reason::Enforced, "there are no standards"));
    if let Some(newer) = newer_version(world) {
        judgement.message.push_str("; ");
        judgement.message.push_str(&newer.text);
    }
    judgement
}

fn exec_guard(world: &World, gatekeeper: &Gatekeeper) -> Judgement {
    let report = world.routing.borrow().clone();
    let Some(report) = report else { return not_looked() };
    if !report.guard {
        let why = match world.settings.exec_guard.mode {
            GuardMode::Off => "execGuard.mode is Off in the settings",
            _ => "there is no Pod labelled heritage: deckhouse",
        };
        return Judgement::yes(Reason::NotNeeded, format!("the exec guard does not stand: {why}"));
    }
    if let Some(problem) = report.guard_problem {
        return Judgement::no(Reason::NotApplied, problem);
    }
    let template = world.templates.get(&Template::DenyExecHeritage.name());
    let constraint = world.constraints(Template::DenyExecHeritage).get(EXEC_GUARD);
    let Some((template, constraint)) = template.zip(constraint) else {
        return Judgement::no(
            Reason::WaitingForGatekeeper,
            "the constraint of the exec guard is not there yet",
        );
    };
    let mut judgement = gatekeeper.judge(&template, &constraint, &deny_exec_heritage_routes());
    let unsynced = unsynced(world);
    if judgement.holds && !unsynced.is_empty() {
        let unsynced = unsynced.join(", ");
        let more = format!(
            "; Gatekeeper's Config keeps Pods of {unsynced} out of its inventory: unknown Pods there are let in"
        );
        judgement.message.push_str(&more);
    }
    judgement
}

fn unsynced(world: &World) -> Vec<String> {
    let lists = world.exemptions.values();
    let all = lists.iter().flat_map(|list| list.iter());
    all.filter(|exemption| exemption.sync).map(|exemption| exemption.namespaces.clone()).collect()
}

fn deny_exec_heritage_routes() -> Vec<gatewright_gatekeeper::Route> {
    ["pods/attach", "pods/exec"]
        .map(|resource| gatewright_gatekeeper::Route {
            group: String::new(),
            resource: resource.to_owned(),
            operation: gatewright_gatekeeper::Operation::Connect,
        })
        .to_vec()
}

fn not_looked() -> Judgement {
    Judgement::no(Reason::WaitingForGatekeeper, "nothing is known yet of what Gatekeeper is asked")
}

/// What the administrator has decided, or a user's template that is wrong in itself, is told and is no fault of the
/// routing.
fn routing(report: Option<&RoutingReport>) -> Judgement {
    let Some(report) = report else { return not_looked() };
    let told = |findings: Vec<&Finding>| {
        findings
            .iter()
            .map(|finding| format!("{}: {finding}", finding.reason()))
            .collect::<Vec<_>>()
            .join("; ")
    };
    let (blocking, others): (Vec<_>, Vec<_>) = report.findings.iter().partition(|finding| blocks(finding));
    let blocked = !blocking.is_empty();
    let findings = told([blocking, others].concat());
    match &report.routing_problem {
        Some(problem) if findings.is_empty() => Judgement::no(Reason::ApplyFailed, problem),
        Some(problem) => Judgement::no(Reason::ApplyFailed, format!("{problem}; {findings}")),
        None if blocked => Judgement::no(Reason::NotRouted, findings),
        None if findings.is_empty() => {
            Judgement::yes(Reason::Routed, "Gatekeeper is asked about all that constraints are about")
        }
        None => Judgement::yes(Reason::Routed, findings),
    }
}

fn blocks(finding: &Finding) -> bool {
    match finding {
        Finding::WokenByMistake { routed, .. } => !routed,
        Finding::ObjectSelector | Finding::NoUpstream => true,
        Finding::Off { .. } | Finding::NeverTrue { .. } | Finding::UnknownKind { .. } => false,
    }
}

/// The Pods of Gatekeeper's namespace that have reported, or that upstream's label says will.
fn processes(world: &World, expected: &BTreeSet<String>) -> Vec<GatekeeperProcess> {
    let templates = world.templates.values();
    let reports: Vec<&PodStatus> = templates.iter().flat_map(|template| template.reports.iter()).collect();
    let process = |pod: &gatewright_gatekeeper::Process| {
        let of_pod = reports.iter().filter(|report| report.id == pod.name);
        let operations: BTreeSet<_> = of_pod.flat_map(|report| report.operations.iter().cloned()).collect();
        let is_one = !operations.is_empty() || expected.contains(&pod.name);
        (is_one && !pod.terminating).then(|| GatekeeperProcess {
            name: pod.name.clone(),
            version: pod.version.clone(),
            operations: operations.into_iter().collect(),
        })
    };
    let mut processes: Vec<_> = world.pods.values().iter().filter_map(|pod| process(pod)).collect();
    processes.sort_by(|a, b| a.name.cmp(&b.name));
    processes
}

/// The standards, and what became of each with each action.
pub(crate) fn standards(world: &World) -> Vec<StandardStatus> {
    let constraints = world.constraints(Template::PodSecurityStandard);
    let of = |constraint: gatewright_gatekeeper::Constraint| {
        let name = constraint.metadata.name.unwrap_or_default();
        let live = constraints.get(&name).filter(|live| live.ours);
        let reached = |live| world.namespaces.reached_by(Template::PodSecurityStandard, &name, live);
        StandardStatus {
            level: constraint.spec.parameters["level"].as_str().unwrap_or_default().to_owned(),
            action: constraint.spec.enforcement_action.to_string(),
            namespaces: live.as_deref().and_then(reached).unwrap_or_default(),
            violations: live.and_then(|live| live.audit.as_ref().map(|audit| audit.total)),
            constraint: name,
        }
    };
    gatewright_compiler::standards(&world.settings).into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::{RoutingReport, find, news, routing};
    use crate::conditions::Judgement;
    use crate::events::Notice;
    use gatewright_api::{Reason, SystemCondition, SystemStatus};
    use gatewright_gatekeeper::Finding;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    #[test]
    fn only_what_keeps_requests_away_is_a_fault_of_the_routing() {
        let report = |findings| RoutingReport { findings, ..RoutingReport::default() };
        let off = Finding::Off {
            operation: gatewright_gatekeeper::Operation::Connect,
            resources: vec!["pods/exec".to_owned()],
        };
        let woken = |routed| Finding::WokenByMistake {
            operation: gatewright_gatekeeper::Operation::Connect,
            resources: vec!["pods/exec".to_owned()],
            constraints: vec!["k/c".to_owned()],
            routed,
        };
        for (findings, holds, says) in [
            (vec![], true, "Gatekeeper is asked"),
            (vec![off.clone()], true, "RoutingOff: "),
            (vec![woken(true)], true, "WokenByMistake: "),
            (vec![off.clone(), woken(false)], false, "WokenByMistake: "),
            (vec![Finding::NoUpstream], false, "NoUpstream: "),
        ] {
            let judgement = routing(Some(&report(findings)));
            assert!(judgement.holds == holds && judgement.message.starts_with(says), "{judgement:?}");
        }
        let problem = Some("refused".to_owned());
        let failed = routing(Some(&RoutingReport { routing_problem: problem, ..RoutingReport::default() }));
        assert_eq!(failed, Judgement::no(Reason::ApplyFailed, "refused"));
        assert!(!routing(None).holds);
    }

    #[test]
    fn a_finding_is_told_once() {
        let finding = Finding::NeverTrue { template: "denyexec".to_owned() };
        let other = Finding::ObjectSelector;
        let notice = |finding: &Finding| Notice { reason: finding.reason(), text: finding.to_string() };
        let both = || vec![notice(&finding), notice(&other)];
        assert_eq!(news(both(), None).len(), 2);
        let report =
            RoutingReport { findings: vec![finding.clone(), other.clone()], ..RoutingReport::default() };
        let at = Time(Timestamp::UNIX_EPOCH);
        let status = |report| SystemStatus {
            conditions: vec![routing(Some(&report)).condition("Routing", None, None, &at)],
            ..SystemStatus::default()
        };
        assert_eq!(news(both(), Some(&status(report))), []);
        // One was gone for a while.
        let one = RoutingReport { findings: vec![other.clone()], ..RoutingReport::default() };
        assert_eq!(news(both(), Some(&status(one))), [notice(&finding)]);
    }

    #[test]
    fn time_moves_only_with_the_status() {
        let at = |second| Time(Timestamp::from_second(second).unwrap());
        let judge = |judgement: &Judgement, previous: Option<&SystemStatus>, second| {
            let r#type = SystemCondition::Ready;
            let condition = judgement.condition(r#type.as_str(), None, find(previous, r#type), &at(second));
            SystemStatus { conditions: vec![condition], ..SystemStatus::default() }
        };
        let first = judge(&Judgement::no(Reason::NotRouted, "a"), None, 1);
        let second = judge(&Judgement::no(Reason::Conflict, "b"), Some(&first), 2);
        assert_eq!(second.conditions[0].last_transition_time, at(1));
        let third = judge(&Judgement::yes(Reason::Ready, "c"), Some(&second), 3);
        assert_eq!(third.conditions[0].last_transition_time, at(3));
    }
}
