//! What is concluded from what was read: plain values in, the document out.

use std::collections::BTreeSet;

use gatewright_api::{ConditionType, ExemptNamespaces, GatewrightStatus, SystemCondition, SystemStatus};
use gatewright_compiler::{Settings, is_system_namespace};
use gatewright_gatekeeper::{IGNORE_LABEL, PodStatus, WEBHOOK_OPERATION, image_version};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::document::{Gatekeeper, ObjectName, Operator, Policy, Process, Standard, State, Status, System};
use super::read::{Seen, SeenPolicy};
use crate::foreign::Foreign;

/// The operation of a Gatekeeper process that audits.
const AUDIT_OPERATION: &str = "audit";

/// A provider that may take so long holds up every policy: while Gatekeeper waits for it, it holds a lock of its engine.
const SLOW_PROVIDER: i64 = 2;

/// The document.
pub fn status(seen: &Seen) -> Status {
    let reported = seen.system.as_ref();
    let system = if nobody_works(seen) { Some(no_operator()) } else { reported.map(of_system) };
    let mut policies: Vec<_> = seen.policies.iter().map(|policy| of_policy(policy, seen)).collect();
    policies.sort_by(|a, b| (a.kind, a.ready, &a.name).cmp(&(b.kind, b.ready, &b.name)));
    let is_ready = |system: &System| system.ready;
    let all_ready = seen.incomplete.is_empty() && policies.iter().all(|policy| policy.ready);
    let standards = reported.into_iter().flat_map(|status| &status.standards).map(standard).collect();
    Status {
        kind: "Status",
        version: 1,
        // Of what may not be seen nobody can say that it is ready.
        ready: system.as_ref().is_some_and(is_ready) && all_ready,
        gatekeeper: gatekeeper(reported, seen),
        operator: operator(reported, seen),
        standards: seen.is_shown::<GatewrightStatus>().then_some(standards),
        findings: findings(reported, seen),
        incomplete: seen.incomplete.clone(),
        system,
        policies,
    }
}

/// Whether it is known that no operator works: nobody holds its Lease; or it has none, and none of its Pods is ready.
fn nobody_works(seen: &Seen) -> bool {
    let known = seen.is_shown::<Lease>() && seen.is_shown::<Pod>();
    let works = if seen.has_lease { seen.holder.is_some() } else { seen.operators.iter().any(is_ready) };
    known && !works
}

fn no_operator() -> System {
    let message = "what is enforced stays enforced, and changes of policies, labels and settings have no effect until an \
                   operator runs";
    System { ready: false, reason: "NoOperator".into(), message: message.into() }
}

fn of_system(system: &SystemStatus) -> System {
    match find(&system.conditions, SystemCondition::Ready) {
        Some(ready) => System {
            ready: ready.status == "True",
            reason: ready.reason.as_str().into(),
            message: ready.message.as_str().into(),
        },
        None => System { message: "the operator has not reported on it yet".into(), ..System::default() },
    }
}

fn find(conditions: &[Condition], r#type: impl Into<&'static str>) -> Option<&Condition> {
    let r#type = r#type.into();
    conditions.iter().find(|condition| condition.type_ == r#type)
}

fn once<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Foreign> {
    let texts: BTreeSet<_> = texts.filter(|text| !text.is_empty()).collect();
    texts.into_iter().map(Foreign::from).collect()
}

fn gatekeeper(reported: Option<&SystemStatus>, seen: &Seen) -> Gatekeeper {
    let processes = reported.map(|status| status.processes.as_slice()).unwrap_or_default();
    let with = |operation: &str| {
        processes.iter().filter(|process| process.operations.iter().any(|it| it == operation)).count()
    };
    let shown = seen.is_shown::<GatewrightStatus>();
    Gatekeeper {
        versions: once(processes.iter().map(|process| process.version.as_str())),
        webhooks: shown.then(|| with(WEBHOOK_OPERATION)),
        audits: shown.then(|| with(AUDIT_OPERATION)),
        failure_policies: seen
            .is_shown::<ValidatingWebhookConfiguration>()
            .then(|| once(seen.failure_policies.iter().map(String::as_str))),
    }
}

fn operator(reported: Option<&SystemStatus>, seen: &Seen) -> Operator {
    // What a dead operator wrote says nothing of today.
    let known = reported.is_some() && !nobody_works(seen);
    let is_true = |r#type: SystemCondition| {
        let condition = reported.and_then(|status| find(&status.conditions, r#type));
        known.then(|| condition.is_some_and(|condition| condition.status == "True"))
    };
    Operator {
        versions: once(seen.operators.iter().filter_map(version)),
        replicas: seen.is_shown::<Pod>().then(|| seen.operators.iter().filter(|pod| is_ready(pod)).count()),
        // Behind the Pod's name stands what tells its starts apart.
        leader: seen
            .holder
            .as_ref()
            .map(|holder| holder.rsplit_once('_').map_or(holder.as_str(), |(name, _)| name).into()),
        settings_in_force: is_true(SystemCondition::Settings),
        crds_current: is_true(SystemCondition::PoliciesServed),
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn standard(standard: &gatewright_api::StandardStatus) -> Standard {
    Standard {
        level: standard.level.as_str().into(),
        action: standard.action.as_str().into(),
        namespaces: standard.namespaces,
        violations: standard.violations,
    }
}

fn of_policy(policy: &SeenPolicy, seen: &Seen) -> Policy {
    let (state, reason, message) = state(policy);
    let violations = policy.status.violations.as_ref();
    let processes = seen.constraints.get(&(policy.kind, policy.name.clone()));
    Policy {
        kind: policy.kind,
        name: policy.name.as_str().into(),
        action: policy.action.as_str().into(),
        state,
        ready: state == State::Ready,
        reason: reason.into(),
        message: message.into(),
        namespaces: policy.status.namespaces,
        violations: violations.map(|violations| violations.total),
        objects: violations.into_iter().flat_map(|it| &it.sample).fold(vec![], |mut objects, sample| {
            let object = ObjectName {
                kind: sample.kind.as_str().into(),
                namespace: sample.namespace.as_str().into(),
                name: sample.name.as_str().into(),
            };
            // An object may violate a policy in several ways.
            if !objects.contains(&object) {
                objects.push(object);
            }
            objects
        }),
        more_objects: violations
            .is_some_and(|it| it.total > i64::try_from(it.sample.len()).unwrap_or(i64::MAX)),
        processes: processes.into_iter().flatten().map(process).collect(),
    }
}

/// How far the policy is, and the reason and message of the condition that says so: the first that is not True.
pub fn state(policy: &SeenPolicy) -> (State, String, String) {
    let status = &policy.status;
    if status.observed_generation.is_none_or(|seen| Some(seen) < policy.generation) {
        let generation = policy.generation.unwrap_or_default();
        let message = format!("no operator has reported on its generation {generation} yet");
        return (State::Unknown, "Pending".to_owned(), message);
    }
    let order = [
        (ConditionType::Valid, State::Invalid),
        (ConditionType::Applied, State::NotEnforced),
        (ConditionType::Enforced, State::NotEnforced),
        (ConditionType::Ready, State::NotEnforced),
    ];
    let failed = order.into_iter().find_map(|(r#type, state)| {
        let condition = find(&status.conditions, r#type)?;
        let state = if condition.status == "Unknown" { State::Unknown } else { state };
        (condition.status != "True").then_some((state, condition))
    });
    let found = failed.or_else(|| Some((State::Ready, find(&status.conditions, ConditionType::Ready)?)));
    match found {
        Some((state, condition)) => (state, condition.reason.clone(), condition.message.clone()),
        None => (State::Unknown, "Pending".to_owned(), "its status has no condition Ready".to_owned()),
    }
}

fn process(status: &PodStatus) -> Process {
    Process {
        name: status.id.as_str().into(),
        enforced: status.enforced && status.errors.is_empty(),
        generation: status.observed_generation,
        errors: status.errors.iter().map(|error| error.message.as_str().into()).collect(),
    }
}

fn findings(reported: Option<&SystemStatus>, seen: &Seen) -> Vec<Foreign> {
    let notices = reported.into_iter().flat_map(|status| &status.notices);
    let notices = notices.map(|notice| format!("{}: {}", notice.reason, notice.message).into());
    let exempt = reported.and_then(|status| status.exempt_namespaces.as_ref()).and_then(exempt);
    let slow = seen.providers.iter().filter(|(_, timeout)| *timeout >= SLOW_PROVIDER);
    let slow = slow.map(|(name, timeout)| {
        format!("provider {name}: with its timeout of {timeout} s it can hold up every policy").into()
    });
    notices.chain(exempt).chain(slow).collect()
}

/// Namespaces in which nothing is judged. That the system's own are exempt is as it should be.
fn exempt(exempt: &ExemptNamespaces) -> Option<Foreign> {
    let settings = Settings::default();
    let names: Vec<_> = exempt
        .names
        .iter()
        .filter(|name| !is_system_namespace(name, &settings))
        .map(String::as_str)
        .collect();
    let unnamed = usize::try_from(exempt.count).unwrap_or_default().saturating_sub(exempt.names.len());
    let more = (unnamed > 0).then(|| format!("{unnamed} more"));
    let all: Vec<_> = names.into_iter().map(str::to_owned).chain(more).collect();
    (!all.is_empty()).then(|| {
        format!("nothing is judged in namespaces with the label {IGNORE_LABEL}: {}", all.join(", ")).into()
    })
}

/// The tag of the image, or the digest where it has no tag.
fn version(pod: &Pod) -> Option<&str> {
    image_version(pod.spec.as_ref()?.containers.first()?.image.as_deref()?)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
