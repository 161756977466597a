//! Namespaces that Gatekeeper's `Config` keeps away from all constraints at once, or out of the inventory.

use serde::Deserialize;
use serde_json::Value;

use crate::glob::NamespaceGlob;
use crate::matching::Matcher;

/// Namespaces that some of Gatekeeper's processes leave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exemption {
    /// A name or glob.
    pub namespaces: String,
    /// Whether no constraint is asked about them at admission.
    pub admission: bool,
    /// Whether their objects are kept out of the inventory.
    pub sync: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct MatchEntry {
    excluded_namespaces: Vec<String>,
    processes: Vec<String>,
}

/// The exemptions from admission and from the inventory in the spec of a `Config`.
#[must_use]
pub fn exemptions(spec: &Value) -> Vec<Exemption> {
    let entries = spec.get("match").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| MatchEntry::deserialize(entry).ok())
        .flat_map(MatchEntry::exemptions)
        .collect()
}

impl MatchEntry {
    fn exemptions(self) -> Vec<Exemption> {
        let has = |name: &str| self.processes.iter().any(|process| process == "*" || process == name);
        let (admission, sync) = (has("webhook"), has("sync"));
        let namespaces = self.excluded_namespaces.into_iter().filter(|_| admission || sync);
        namespaces.map(|namespaces| Exemption { namespaces, admission, sync }).collect()
    }
}

impl Exemption {
    /// Whether a constraint would judge some of these namespaces. Selectors by label may or may not reach them, so
    /// they count as reaching.
    #[must_use]
    pub fn in_reach_of(&self, matcher: &Matcher) -> bool {
        self.admission && matcher.may_reach(&NamespaceGlob::new(&self.namespaces))
    }
}

#[cfg(test)]
mod tests {
    use super::exemptions;
    use crate::Matcher;
    use serde_json::json;

    #[test]
    fn only_what_is_exempt_from_admission_and_in_reach_counts() {
        let found = exemptions(&json!({"match": [
            {"excludedNamespaces": ["legacy-*"], "processes": ["*"]},
            {"excludedNamespaces": ["audit-only"], "processes": ["audit"]},
            {"excludedNamespaces": ["not-synced"], "processes": ["sync"]},
            {"excludedNamespaces": ["kube-system"], "processes": ["webhook"]},
        ]}));
        let named = |namespaces: &[&str], excluded: &[&str]| {
            let matcher = json!({"namespaces": namespaces, "excludedNamespaces": excluded});
            let matcher = Matcher::parse(&matcher).unwrap();
            found
                .iter()
                .filter(|e| e.in_reach_of(&matcher))
                .map(|e| e.namespaces.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(named(&[], &["kube-system"]), ["legacy-*"]);
        assert_eq!(named(&["legacy-app", "web"], &[]), ["legacy-*"]);
        assert_eq!(named(&["web"], &[]), Vec::<&str>::new());
        let unsynced: Vec<_> = found.iter().filter(|e| e.sync).map(|e| e.namespaces.as_str()).collect();
        assert_eq!(unsynced, ["legacy-*", "not-synced"]);
    }
}
