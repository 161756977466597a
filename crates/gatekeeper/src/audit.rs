//! What audit found: the part of a constraint's status that speaks of violations.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

/// What the last audit run found for one constraint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// All violations, listed or not.
    pub total: i64,
    /// Those that the status lists: by default the first 20 in order of group, version, kind, namespace and name.
    pub listed: Vec<AuditedViolation>,
    /// When the run began, as Gatekeeper writes it: RFC 3339.
    pub timestamp: String,
}

/// A violation that audit lists. There may be hundreds of each constraint, so what they have in common is kept once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditedViolation {
    /// The API group of the object; empty for the core group.
    pub group: Arc<str>,
    /// The version of the object.
    pub version: Arc<str>,
    /// The kind of the object.
    pub kind: Arc<str>,
    /// The namespace of the object; empty if it stands in none.
    pub namespace: Arc<str>,
    /// The name of the object.
    pub name: Box<str>,
    /// What is wrong, cut to 256 bytes.
    pub message: Box<str>,
}

/// Texts that are seen again and again.
#[derive(Default)]
struct Texts(HashSet<Arc<str>>);

/// Reads what audit wrote into a constraint's status; none before its first run.
#[must_use]
pub fn audit(status: &Value) -> Option<Audit> {
    let timestamp = status.get("auditTimestamp")?.as_str()?.to_owned();
    let entries = status.get("violations").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut texts = Texts::default();
    // Gatekeeper lists them backwards.
    let listed = entries.iter().rev().map(|entry| texts.violation(entry)).collect();
    let total = status.get("totalViolations").and_then(Value::as_i64).unwrap_or_default();
    Some(Audit { total, listed, timestamp })
}

impl Audit {
    /// What was found for several constraints, as of the older run.
    #[must_use]
    pub fn merged<'a>(audits: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut merged = Self::default();
        for Self { total, listed, timestamp } in audits {
            merged.total += total;
            merged.listed.extend(listed.iter().cloned());
            if merged.timestamp.is_empty() || *timestamp < merged.timestamp {
                merged.timestamp.clone_from(timestamp);
            }
        }
        merged
    }
}

impl Texts {
    fn violation(&mut self, entry: &Value) -> AuditedViolation {
        let text = |field: &str| entry[field].as_str().unwrap_or_default();
        AuditedViolation {
            group: self.shared(text("group")),
            version: self.shared(text("version")),
            kind: self.shared(text("kind")),
            namespace: self.shared(text("namespace")),
            name: text("name").into(),
            message: text("message").into(),
        }
    }

    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.0.insert(Arc::clone(&new));
        new
    }
}

impl Audit {
    /// How many violations are not listed.
    #[must_use]
    pub fn truncated(&self) -> i64 {
        self.total.saturating_sub(i64::try_from(self.listed.len()).unwrap_or(i64::MAX)).max(0)
    }

    /// Whether another run found the same.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.total == other.total && self.listed == other.listed
    }
}

#[cfg(test)]
mod tests {
    use super::audit;
    use serde_json::json;

    #[test]
    fn before_the_first_run_nothing_is_known() {
        assert_eq!(audit(&json!({"byPod": []})), None);
    }

    #[test]
    fn a_run_without_violations_is_knowledge() {
        let found = audit(&json!({"auditTimestamp": "2026-01-01T00:00:00Z", "totalViolations": 0})).unwrap();
        assert_eq!((found.total, found.truncated()), (0, 0));
    }

    #[test]
    fn what_is_not_listed_is_counted() {
        let found = audit(&json!({
            "auditTimestamp": "2026-01-01T00:00:00Z",
            "totalViolations": 25,
            "violations": [
                {"kind": "Pod", "version": "v1", "namespace": "b", "name": "y", "message": "m", "enforcementAction": "deny"},
                {"kind": "Pod", "version": "v1", "namespace": "a", "name": "x", "message": "m", "enforcementAction": "deny"},
            ],
        }))
        .unwrap();
        assert_eq!((found.listed.len(), found.truncated()), (2, 23));
        assert_eq!(&*found.listed[0].namespace, "a");
        assert_eq!((&*found.listed[0].name, &*found.listed[0].group), ("x", ""));
    }

    #[test]
    fn a_later_run_that_found_the_same_is_no_news() {
        let at = |time: &str| audit(&json!({"auditTimestamp": time, "totalViolations": 1})).unwrap();
        assert!(at("2026-01-01T00:00:00Z").same(&at("2026-01-01T00:01:00Z")));
    }
}
