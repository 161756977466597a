//! The document as people read it.

use gatewright_api::PolicyKind;

use super::document::{ObjectName, Policy, Process, State, Status};
use crate::columns::{rows, table};

/// How many policies of a kind are listed. JSON has all of them.
const LISTED: usize = 20;

/// The text. It is as wide as the terminal; a file gets lines as long as they are.
pub fn text(status: &Status, width: Option<u16>) -> String {
    let mut lines = vec![];
    facts(status, width, &mut lines);
    for kind in PolicyKind::ALL {
        let policies: Vec<_> = status.policies.iter().filter(|policy| policy.kind == *kind).collect();
        if !policies.is_empty() {
            lines.push(kind.to_string());
            tree(&policies, width, &mut lines);
        }
    }
    lines.push(conclusion(status));
    lines.join("\n") + "\n"
}

/// One policy, with what each process says of it.
pub fn policy(status: &Status, width: Option<u16>) -> String {
    let mut lines = vec![];
    for policy in &status.policies {
        let mut table = table(width);
        let mut fact = |what: &str, says: String| {
            table.add_row([what.to_owned(), says]);
        };
        fact("policy", format!("{}/{}", policy.kind, policy.name));
        fact("action", policy.action.to_string());
        fact(
            "state",
            format!(
                "{}   {}",
                policy.state,
                because(&policy.reason.to_string(), &policy.message.to_string())
            ),
        );
        if let Some(count) = policy.namespaces {
            fact("reaches", counted(count.into(), "namespace", "namespaces"));
        }
        let found = policy.violations.map(|count| counted(count, "violation", "violations"));
        fact("audit", found.unwrap_or_else(|| "not audited yet".to_owned()));
        for name in &policy.objects {
            fact("violates it", object(name));
        }
        if policy.more_objects {
            fact("violate it", "others, which are not listed here: see gatewright report".to_owned());
        }
        for process in &policy.processes {
            fact("process", said(process));
        }
        rows(table, &mut lines);
    }
    lines.join("\n") + "\n"
}

fn said(process: &Process) -> String {
    let generation = process.generation.map(|generation| format!("generation {generation}"));
    let enforces = if process.enforced { "enforces it" } else { "does not enforce it" };
    let errors = process.errors.iter().map(ToString::to_string);
    let facts = [Some(enforces.to_owned()), generation].into_iter().flatten().chain(errors);
    format!("{} {}", process.name, facts.collect::<Vec<_>>().join(", "))
}

fn facts(status: &Status, width: Option<u16>, lines: &mut Vec<String>) {
    let mut table = table(width);
    table.add_row(["gatekeeper".to_owned(), gatekeeper(status)]);
    table.add_row(["operator".to_owned(), operator(status)]);
    table.add_row(["standards".to_owned(), standards(status)]);
    if let Some(system) = status.system.as_ref().filter(|system| !system.ready) {
        table.add_row([
            "not ready".to_owned(),
            because(&system.reason.to_string(), &system.message.to_string()),
        ]);
    }
    for finding in &status.findings {
        table.add_row(["look at".to_owned(), finding.to_string()]);
    }
    rows(table, lines);
}

fn because(reason: &str, message: &str) -> String {
    if reason.is_empty() { message.to_owned() } else { format!("{reason}: {message}") }
}

fn gatekeeper(status: &Status) -> String {
    let gatekeeper = &status.gatekeeper;
    let failure = match gatekeeper.failure_policies.as_deref().map(joined).as_deref() {
        None => "failurePolicy not shown".to_owned(),
        Some("") => "no webhook configuration was found".to_owned(),
        Some("Ignore") => "failurePolicy Ignore: while it does not answer, everything passes".to_owned(),
        Some(policies) => format!("failurePolicy {policies}"),
    };
    match (gatekeeper.webhooks, gatekeeper.audits) {
        (Some(0), Some(0)) => "no process has reported itself".to_owned(),
        (Some(webhooks), Some(audits)) => {
            facts_of([joined(&gatekeeper.versions), format!("{webhooks} webhook, {audits} audit"), failure])
        }
        _ => facts_of(["processes not shown".to_owned(), failure]),
    }
}

fn operator(status: &Status) -> String {
    let operator = &status.operator;
    let replicas = match operator.replicas {
        None => "replicas not shown".to_owned(),
        Some(0) => "no replica is ready".to_owned(),
        Some(1) => "1 replica".to_owned(),
        Some(count) => format!("{count} replicas"),
    };
    let is_shown = |what: &str| status.incomplete.iter().all(|unseen| unseen.what != what);
    let leader = match &operator.leader {
        Some(leader) => format!("leader {leader}"),
        None if is_shown("leases") => "nobody leads".to_owned(),
        None => "leader not shown".to_owned(),
    };
    let settings = match operator.settings_in_force {
        Some(true) => "settings in force",
        Some(false) => "settings on disk refused",
        None if !is_shown("gatewrightstatuses") => "settings and CRDs not shown",
        None if status.system.is_none() => "it has not reported anything",
        None => "",
    };
    let crds = match operator.crds_current {
        Some(true) => "CRDs current",
        Some(false) => "CRDs missing or outdated",
        None => "",
    };
    facts_of([joined(&operator.versions), replicas, leader, settings.to_owned(), crds.to_owned()])
}

/// What stands beside each other, without what is empty.
fn facts_of<const N: usize>(facts: [String; N]) -> String {
    facts.into_iter().filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join("   ")
}

fn joined(texts: &[impl ToString]) -> String {
    texts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The standards that reach a namespace.
fn standards(status: &Status) -> String {
    let Some(all) = &status.standards else { return "not shown".to_owned() };
    let reaching = all.iter().filter(|standard| standard.namespaces > 0);
    let standards: Vec<_> = reaching
        .map(|standard| {
            let violations = standard.violations.map_or_else(
                || "not audited yet".to_owned(),
                |count| counted(count, "violation", "violations"),
            );
            let namespaces = counted(standard.namespaces.into(), "namespace", "namespaces");
            format!("{} {} in {namespaces}, {violations}", standard.level, standard.action)
        })
        .collect();
    if standards.is_empty() { "none reaches a namespace".to_owned() } else { standards.join(" · ") }
}

fn counted(count: i64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn tree(policies: &[&Policy], width: Option<u16>, lines: &mut Vec<String>) {
    let mut table = table(width);
    let listed = policies.len().min(LISTED);
    for (at, policy) in policies.iter().take(listed).enumerate() {
        let branch = if at + 1 == policies.len() { "└─" } else { "├─" };
        let namespaces = policy.namespaces.map(|count| counted(count.into(), "namespace", "namespaces"));
        table.add_row([
            format!("{branch} {}", policy.name),
            policy.action.to_string(),
            policy.state.to_string(),
            namespaces.unwrap_or_default(),
            last(policy),
        ]);
    }
    rows(table, lines);
    if policies.len() > listed {
        lines.push(format!("└─ and {} more, all of them with -o json", policies.len() - listed));
    }
}

/// What keeps the policy from being ready; else what violates it.
fn last(policy: &Policy) -> String {
    if policy.state != State::Ready {
        return because(&policy.reason.to_string(), &policy.message.to_string());
    }
    let count = match policy.violations {
        None => return "not audited yet".to_owned(),
        Some(count) => counted(count, "violation", "violations"),
    };
    match policy.objects.split_first() {
        None => count,
        Some((first, [])) => format!("{count}   {}", object(first)),
        // The sample ends before the list does.
        Some((first, _)) if policy.more_objects => format!("{count}   {} and others", object(first)),
        Some((first, others)) => format!("{count}   {} and {} more", object(first), others.len()),
    }
}

fn object(object: &ObjectName) -> String {
    if object.namespace.is_empty() {
        format!("{} {}", object.kind, object.name)
    } else {
        format!("{} {}/{}", object.kind, object.namespace, object.name)
    }
}

fn conclusion(status: &Status) -> String {
    let plurals = ["securitypolicies", "operationpolicies"];
    if status.incomplete.iter().any(|unseen| plurals.contains(&unseen.what.as_str())) {
        return "not all policies are shown".to_owned();
    }
    let not_ready = status.policies.iter().filter(|policy| !policy.ready).count();
    match (not_ready, status.policies.len()) {
        (0, 0) => "there are no policies".to_owned(),
        (0, 1) => "the policy is enforced".to_owned(),
        (0, all) => format!("all {all} policies are enforced"),
        (1, all) => format!("1 of {} is not enforced as written", counted_policies(all)),
        (some, all) => format!("{some} of {} are not enforced as written", counted_policies(all)),
    }
}

fn counted_policies(count: usize) -> String {
    if count == 1 { "1 policy".to_owned() } else { format!("{count} policies") }
}
