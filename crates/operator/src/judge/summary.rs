//! Violations and checksums, as a policy's status says them. Pure.

use std::collections::BTreeMap;

use gatewright_api::{
    ByEnforcement, Checkpoint, DeckhouseStatus, NamespaceCount, PolicyStatus, ViolationSample, Violations,
};
use gatewright_gatekeeper::{Action, Audit, AuditedViolation};
use gatewright_rules::verify_image_signatures;
use serde_json::Value;

use crate::watch::desired::digest;

/// How many namespaces and samples a status has at most.
const MOST: usize = 10;

/// What audit found, in short. The time moves only when something else does.
pub(crate) fn violations(audit: &Audit, action: Action, previous: Option<&PolicyStatus>) -> Violations {
    let mut summary = Violations {
        total: audit.total,
        truncated: audit.truncated(),
        by_enforcement: by_enforcement(audit.total, action),
        top_namespaces: top_namespaces(&audit.listed),
        sample: audit.listed.iter().take(MOST).map(sample).collect(),
        audit_timestamp: audit.timestamp.clone(),
    };
    if let Some(before) = previous.and_then(|status| status.violations.as_ref()) {
        let same_but_for_time =
            Violations { audit_timestamp: before.audit_timestamp.clone(), ..summary.clone() };
        if same_but_for_time == *before {
            summary = same_but_for_time;
        }
    }
    summary
}

/// A policy has one action, and so have all its violations.
fn by_enforcement(total: i64, action: Action) -> ByEnforcement {
    let none = ByEnforcement::default();
    match action {
        Action::Deny => ByEnforcement { deny: total, ..none },
        Action::Warn => ByEnforcement { warn: total, ..none },
        Action::Dryrun => ByEnforcement { dryrun: total, ..none },
    }
}

fn top_namespaces(listed: &[AuditedViolation]) -> Vec<NamespaceCount> {
    let mut counts = BTreeMap::<&str, i64>::new();
    for violation in listed.iter().filter(|violation| !violation.namespace.is_empty()) {
        *counts.entry(&violation.namespace).or_default() += 1;
    }
    let mut counts: Vec<_> = counts
        .into_iter()
        .map(|(name, count)| NamespaceCount { namespace: name.to_owned(), count })
        .collect();
    counts.sort_by_key(|entry| std::cmp::Reverse(entry.count));
    counts.truncate(MOST);
    counts
}

fn sample(violation: &AuditedViolation) -> ViolationSample {
    let AuditedViolation { kind, namespace, name, message, .. } = violation;
    ViolationSample {
        kind: kind.to_string(),
        namespace: namespace.to_string(),
        name: name.to_string(),
        rule: rule(message).to_owned(),
        message: message.to_string(),
    }
}

/// What stands before the first colon of a message: the field of the policy, or the control of a standard. Messages about
/// signatures begin otherwise.
pub(crate) fn rule(message: &str) -> &str {
    if message.starts_with(verify_image_signatures::MESSAGE) {
        return verify_image_signatures::FIELD;
    }
    message.split_once(':').map_or("", |(rule, _)| rule)
}

/// Deckhouse's words. A time moves only with its checksum.
pub(crate) fn deckhouse(
    spec: &Value,
    synced: bool,
    previous: Option<&PolicyStatus>,
    now: &str,
) -> DeckhouseStatus {
    let check_sum = checksum(spec);
    let previous = previous.and_then(|status| status.deckhouse.as_ref());
    let at = |before: Option<&Checkpoint>| match before.filter(|before| before.check_sum == check_sum) {
        Some(same) => same.clone(),
        None => Checkpoint { last_timestamp: now.to_owned(), check_sum: check_sum.clone() },
    };
    let processed = previous.and_then(|before| before.processed.as_ref());
    DeckhouseStatus {
        synced: if synced { "True" } else { "False" }.to_owned(),
        observed: at(previous.map(|before| &before.observed)),
        processed: if synced { Some(at(processed)) } else { processed.cloned() },
    }
}

fn checksum(spec: &Value) -> String {
    digest(spec.to_string())
}

#[cfg(test)]
mod tests {
    use super::{deckhouse, violations};
    use gatewright_api::PolicyStatus;
    use gatewright_gatekeeper::Action;
    use gatewright_gatekeeper::{Audit, AuditedViolation};
    use serde_json::json;

    fn audit(namespaces: &[&str], total: i64, timestamp: &str) -> Audit {
        let listed = namespaces.iter().enumerate().map(|(i, namespace)| AuditedViolation {
            kind: "Pod".into(),
            namespace: (*namespace).into(),
            name: format!("pod-{i}").into(),
            message: "allowPrivileged: container \"a\" is privileged".into(),
            ..AuditedViolation::default()
        });
        Audit { total, listed: listed.collect(), timestamp: timestamp.into() }
    }

    #[test]
    fn namespaces_with_most_violations_come_first() {
        let found = violations(&audit(&["a", "b", "b", ""], 30, "t1"), Action::Warn, None);
        let top: Vec<_> = found.top_namespaces.iter().map(|n| (n.namespace.as_str(), n.count)).collect();
        assert_eq!(top, [("b", 2), ("a", 1)]);
        assert_eq!((found.total, found.truncated, found.by_enforcement.warn), (30, 26, 30));
        assert_eq!(found.sample[0].rule, "allowPrivileged");
    }

    #[test]
    fn violations_count_under_the_action_of_their_policy() {
        for (action, expected) in
            [(Action::Deny, [3, 0, 0]), (Action::Warn, [0, 3, 0]), (Action::Dryrun, [0, 0, 3])]
        {
            let by = violations(&audit(&["a", "a", "b"], 3, "t1"), action, None).by_enforcement;
            assert_eq!([by.deny, by.warn, by.dryrun], expected, "{action}");
        }
        let nothing = violations(&audit(&[], 0, "t1"), Action::Deny, None);
        assert!(nothing.top_namespaces.is_empty() && nothing.sample.is_empty() && nothing.truncated == 0);
    }

    #[test]
    fn a_status_stays_bounded() {
        let names: Vec<_> = (0..20).map(|i| format!("ns-{i}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let found = violations(&audit(&names, 20, "t1"), Action::Deny, None);
        assert_eq!((found.top_namespaces.len(), found.sample.len()), (10, 10));
    }

    #[test]
    fn the_time_of_an_audit_moves_only_with_what_it_found() {
        let first = violations(&audit(&["a"], 1, "t1"), Action::Deny, None);
        let status = PolicyStatus { violations: Some(first.clone()), ..PolicyStatus::default() };
        let again = violations(&audit(&["a"], 1, "t2"), Action::Deny, Some(&status));
        assert_eq!(again, first);
        let more = violations(&audit(&["a", "a"], 2, "t3"), Action::Deny, Some(&status));
        assert_eq!(more.audit_timestamp, "t3");
    }

    #[test]
    fn what_deckhouse_calls_processed_lags_behind_while_a_policy_is_not_applied() {
        let first = deckhouse(&json!({"a": 1}), true, None, "t1");
        let status = PolicyStatus { deckhouse: Some(first.clone()), ..PolicyStatus::default() };
        assert_eq!(deckhouse(&json!({"a": 1}), true, Some(&status), "t2"), first);
        let broken = deckhouse(&json!({"a": 2}), false, Some(&status), "t3");
        assert_eq!((broken.synced.as_str(), &broken.processed), ("False", &first.processed));
        assert_eq!(broken.observed.last_timestamp, "t3");
        assert_ne!(broken.observed.check_sum, first.observed.check_sum);
    }
}
