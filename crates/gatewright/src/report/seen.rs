//! What is concluded from what was read of a cluster: plain values in, violations out.

use std::collections::{BTreeSet, HashMap};

use gatewright_gatekeeper::{Action, Audit, AuditedViolation, NamespaceGlob, audit};
use serde_json::Value;

use super::document::{AuditRun, Cut, Subject};
use super::fold::Finding;
use super::owners::{Object, Owners, group_of};
use crate::check::world::rendered_owner;
use crate::cluster::Unseen;
use crate::foreign::Foreign;
use crate::policies::PolicyRef;

/// How many policies a sentence names.
const NAMED: usize = 5;

/// What was read.
#[derive(Debug, Default)]
pub struct Seen {
    /// Our constraints, with their kind and status.
    pub constraints: Vec<Value>,
    /// The policies that there are.
    pub policies: Vec<Subject>,
    /// Who controls the objects that audit lists.
    pub owners: Owners,
    /// When violations were found, as the reports in namespaces say.
    pub times: Times,
    /// How many namespaces there are; none where they may not be seen.
    pub namespaces: Option<usize>,
    /// The namespaces, as names or globs, that Gatekeeper's `Config` exempts from audit.
    pub exempt: Vec<String>,
    /// What the user may not see.
    pub incomplete: Vec<Unseen>,
}

impl Seen {
    /// Whether audit finds nothing in the namespace, whatever is there.
    pub fn is_exempt(&self, namespace: &str) -> bool {
        self.exempt.iter().any(|exempt| NamespaceGlob::new(exempt).matches(namespace))
    }
}

/// A violation as a report in a namespace names it: policy, object and message.
type Reported = (Subject, Object, Foreign);

/// When violations were found first, in seconds since 1970.
#[derive(Debug, Default)]
pub struct Times(HashMap<Reported, i64>);

/// What audit said of a constraint.
struct Audited {
    /// The policy or standard.
    policy: Subject,
    /// The policy as reports name it: by the constraint.
    reported_as: Subject,
    action: Action,
    /// None before the first audit.
    audit: Option<Audit>,
}

impl Times {
    /// Takes in the results of a report of ours.
    pub fn learn(&mut self, results: &Value) {
        for result in results.as_array().into_iter().flatten() {
            let Some(seconds) = result["timestamp"]["seconds"].as_i64() else { continue };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            // What openreports.io calls its resources, the older format calls so, too.
            let resource = &result["resources"][0];
            let object = Object {
                namespace: text(&resource["namespace"]).into(),
                group: group_of(&text(&resource["apiVersion"])).into(),
                kind: text(&resource["kind"]).into(),
                name: text(&resource["name"]).into(),
            };
            let policy =
                Subject { kind: text(&result["category"]).into(), name: text(&result["policy"]).into() };
            self.0.insert((policy, object, text(&result["message"]).into()), seconds);
        }
    }

    fn of(&self, policy: &Subject, object: &Object, message: &Foreign) -> Option<i64> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(policy.clone(), object.clone(), message.clone())).copied()
    }
}

/// What audit found, in the namespace that is asked for, or in all.
pub fn findings(seen: &Seen, namespace: Option<&str>) -> Vec<Finding> {
    let mut findings = vec![];
    for one in seen.constraints.iter().filter_map(audited) {
        for violation in one.audit.iter().flat_map(|audit| &audit.listed) {
            if namespace.is_none_or(|namespace| &*violation.namespace == namespace) {
                findings.push(finding(&one, violation, &seen.times));
            }
        }
    }
    findings
}

fn finding(one: &Audited, violation: &AuditedViolation, times: &Times) -> Finding {
    let object = object(violation);
    let message = Foreign::from(&*violation.message);
    let since = times.of(&one.reported_as, &object, &message);
    Finding { object, policy: one.policy.clone(), action: one.action, message, since }
}

fn object(violation: &AuditedViolation) -> Object {
    let AuditedViolation { group, kind, namespace, name, .. } = violation;
    Object::new(group, kind, namespace, name)
}

/// The objects that audit lists, each once.
pub fn objects(constraints: &[Value]) -> BTreeSet<Object> {
    let audited = constraints.iter().filter_map(audited);
    audited
        .filter_map(|one| one.audit)
        .flat_map(|audit| audit.listed.iter().map(object).collect::<Vec<_>>())
        .collect()
}

/// The exec guard is about requests, of which audit sees none.
fn audited(constraint: &Value) -> Option<Audited> {
    let PolicyRef { kind, name } = rendered_owner(constraint)?;
    let policy = Subject { kind: kind.into(), name };
    let named = constraint["metadata"]["name"].as_str().unwrap_or_default();
    let reported_as = Subject { kind: policy.kind.clone(), name: named.into() };
    let action = constraint["spec"]["enforcementAction"].as_str().unwrap_or_default();
    // Gatekeeper's own default; a word that nobody knows must not look harmless.
    let action = action.parse().unwrap_or(Action::Deny);
    Some(Audited { policy, reported_as, action, audit: audit(&constraint["status"]) })
}

/// Whether audit found more than it lists of something that refuses objects: nobody knows where.
pub fn hides_failures(seen: &Seen) -> bool {
    let is_cut = |one: &Audited| one.audit.as_ref().is_some_and(|audit| audit.truncated() > 0);
    seen.constraints.iter().filter_map(audited).any(|one| one.action == Action::Deny && is_cut(&one))
}

/// What is known of the audit itself; none where it has looked at nothing yet.
pub fn run(seen: &Seen) -> Option<AuditRun> {
    let all: Vec<_> = seen.constraints.iter().filter_map(audited).collect();
    let merged = Audit::merged(all.iter().filter_map(|one| one.audit.as_ref()));
    let cut = |one: &Audited| {
        let unlisted = usize::try_from(one.audit.as_ref()?.truncated()).ok().filter(|count| *count > 0)?;
        Some(Cut { policy: one.policy.clone(), unlisted })
    };
    let with_constraint: BTreeSet<_> = all.iter().map(|one| &one.policy).collect();
    let without = seen.policies.iter().filter(|policy| !with_constraint.contains(policy));
    let waiting = all.iter().filter(|one| one.audit.is_none()).map(|one| &one.policy);
    let not_audited: BTreeSet<_> = without.chain(waiting).cloned().collect();
    (!merged.timestamp.is_empty()).then(|| AuditRun {
        timestamp: merged.timestamp.as_str().into(),
        listed: merged.listed.len(),
        total: usize::try_from(merged.total).unwrap_or_default().max(merged.listed.len()),
        cut: all.iter().filter_map(cut).collect(),
        not_audited: not_audited.into_iter().collect(),
    })
}

/// What a report of an audit does not know, as sentences.
pub fn notes(run: &AuditRun, exempt: &[String]) -> Vec<String> {
    let cut = (!run.cut.is_empty()).then(|| {
        let unlisted: usize = run.cut.iter().map(|cut| cut.unlisted).sum();
        let policies = run.cut.iter().map(|cut| format!("{} ({})", cut.policy, cut.unlisted));
        format!(
            "audit found {unlisted} more than it lists, and does not say where: {}; raise --constraint-violations-limit of \
             Gatekeeper's audit",
            named(policies)
        )
    });
    let not_audited = (!run.not_audited.is_empty()).then(|| {
        format!(
            "audit has not looked at {}: nothing is known of what violates it; gatewright status says whether it is enforced",
            named(run.not_audited.iter().map(ToString::to_string))
        )
    });
    let exempt = (!exempt.is_empty()).then(|| {
        let named = named(exempt.iter().cloned());
        format!(
            "Gatekeeper's Config exempts these namespaces from audit, so nothing is known of them: {named}"
        )
    });
    cut.into_iter().chain(not_audited).chain(exempt).collect()
}

/// The first of some names, and how many there are beside them.
fn named(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<_> = names.collect();
    let rest = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    names.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::{Seen, Times, findings, hides_failures, notes, objects, run};
    use crate::report::document::Subject;
    use gatewright_api::PolicyKind;
    use gatewright_gatekeeper::Action;
    use serde_json::{Value, json};

    fn constraint(kind: &str, name: &str, action: &str, status: &Value) -> Value {
        let of = if kind == "D8OperationPolicy" {
            PolicyKind::OperationPolicy
        } else {
            PolicyKind::SecurityPolicy
        };
        json!({
            "kind": kind, "status": status,
            "metadata": {"name": name, "labels": {of.label(): name}},
            "spec": {"enforcementAction": action, "parameters": {"level": "baseline"}},
        })
    }

    fn violation(namespace: &str, name: &str) -> Value {
        json!({"group": "", "version": "v1", "kind": "Pod", "namespace": namespace, "name": name, "message": "m",
            "enforcementAction": "deny"})
    }

    fn status(time: &str, total: usize, violations: &[Value]) -> Value {
        json!({"auditTimestamp": time, "totalViolations": total, "violations": violations})
    }

    fn seen() -> Seen {
        let policy = |name: &str| Subject { kind: "SecurityPolicy".into(), name: name.into() };
        let listed = [violation("shop", "a"), violation("web", "b")];
        Seen {
            constraints: vec![
                constraint("D8SecurityPolicy", "strict", "deny", &status("2026-01-01T00:00:09Z", 2, &listed)),
                constraint(
                    "D8OperationPolicy",
                    "common",
                    "warn",
                    &status("2026-01-01T00:00:05Z", 7, &listed[..1]),
                ),
                constraint("D8SecurityPolicy", "new", "deny", &json!({})),
                constraint(
                    "D8PodSecurityStandard",
                    "d8-x",
                    "dryrun",
                    &status("2026-01-01T00:00:07Z", 0, &[]),
                ),
                constraint("D8DenyExecHeritage", "guard", "deny", &status("2026-01-01T00:00:01Z", 0, &[])),
            ],
            policies: vec![policy("strict"), policy("broken")],
            ..Seen::default()
        }
    }

    #[test]
    fn what_audit_lists_is_found_with_its_policy_and_action() {
        let said = |namespace| -> Vec<String> {
            let found = findings(&seen(), namespace).into_iter();
            found.map(|it| format!("{} {} {}", it.policy, it.action, it.object.name)).collect()
        };
        let all =
            ["SecurityPolicy/strict deny b", "SecurityPolicy/strict deny a", "OperationPolicy/common warn a"];
        assert_eq!(said(None), all);
        assert_eq!(said(Some("web")), all[..1]);
        assert_eq!(objects(&seen().constraints).len(), 2);
        let unknown = constraint("D8SecurityPolicy", "strict", "?", &status("t", 1, &[violation("a", "b")]));
        let found = findings(&Seen { constraints: vec![unknown], ..Seen::default() }, None);
        assert_eq!(found[0].action, Action::Deny);
    }

    /// Where only what warns is cut, nothing fails that is not listed.
    #[test]
    fn a_cut_list_hides_failures_where_it_is_of_what_refuses() {
        for (action, total, expected) in [("deny", 2, true), ("warn", 2, false), ("deny", 1, false)] {
            let cut =
                constraint("D8SecurityPolicy", "strict", action, &status("t", total, &[violation("a", "b")]));
            let seen = Seen { constraints: vec![cut], ..Seen::default() };
            assert_eq!(hides_failures(&seen), expected, "{action} {total}");
        }
    }

    #[test]
    fn what_audit_cut_and_what_it_has_not_looked_at_is_said() {
        let run = run(&seen()).unwrap();
        assert_eq!((run.timestamp.raw(), run.listed, run.total), ("2026-01-01T00:00:05Z", 3, 9));
        assert_eq!(
            notes(&run, &["web".to_owned()]),
            [
                "audit found 6 more than it lists, and does not say where: OperationPolicy/common (6); raise \
                 --constraint-violations-limit of Gatekeeper's audit",
                "audit has not looked at SecurityPolicy/broken, SecurityPolicy/new: nothing is known of what violates it; \
                 gatewright status says whether it is enforced",
                "Gatekeeper's Config exempts these namespaces from audit, so nothing is known of them: web",
            ]
        );
        let early = Seen {
            constraints: vec![constraint("D8SecurityPolicy", "new", "deny", &json!({}))],
            ..Seen::default()
        };
        assert_eq!(super::run(&early), None);
    }

    /// Reports name the standards' constraints, and keep the time at which a result was found first.
    #[test]
    fn reports_say_since_when() {
        let mut seen = seen();
        let mut times = Times::default();
        let resource = json!({"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "a"});
        let result = |policy: &str, message: &str| {
            json!({"category": "SecurityPolicy", "policy": policy, "message": message, "resources": [resource],
                "timestamp": {"seconds": 77}})
        };
        times.learn(&json!([result("strict", "m"), result("strict", "other"), {"result": "skip"}]));
        seen.times = times;
        let since: Vec<_> = findings(&seen, None).iter().map(|finding| finding.since).collect();
        assert_eq!(since, [None, Some(77), None]);
    }
}
