//! Namespaces that Gatekeeper's `Config`, or a label, keeps away from all constraints at once, or out of the inventory.

use serde::Deserialize;
use serde_json::Value;

use crate::glob::NamespaceGlob;
use crate::matching::Matcher;

/// Upstream's webhook is not asked about a namespace with this label, whatever its value.
pub const IGNORE_LABEL: &str = "admission.gatekeeper.sh/ignore";

/// The flags that let a namespace carry [`IGNORE_LABEL`], with where their value is open.
const EXEMPTING_FLAGS: [(&str, &str, &str); 3] = [
    ("exempt-namespace", "", ""),
    ("exempt-namespace-prefix", "", "*"),
    ("exempt-namespace-suffix", "*", ""),
];

/// The namespaces, as names or globs, that a Gatekeeper process with these arguments lets carry [`IGNORE_LABEL`].
#[must_use]
pub fn exempt_by_flags(arguments: &[String]) -> Vec<String> {
    let mut exempt = vec![];
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else { continue };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        let Some((_, start, end)) = EXEMPTING_FLAGS.iter().find(|(flag, ..)| *flag == name) else { continue };
        if let Some(value) = value.or_else(|| arguments.next().map(String::as_str)) {
            exempt.push(format!("{start}{value}{end}"));
        }
    }
    exempt
}

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
    entries(spec).flat_map(MatchEntry::exemptions).collect()
}

/// The namespaces, as names or globs, in which audit finds nothing, by the spec of a `Config`.
#[must_use]
pub fn exempt_from_audit(spec: &Value) -> Vec<String> {
    let entries = entries(spec).filter(|entry| entry.names("audit"));
    entries.flat_map(|entry| entry.excluded_namespaces).collect()
}

fn entries(spec: &Value) -> impl Iterator<Item = MatchEntry> {
    let entries = spec.get("match").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entries.iter().filter_map(|entry| MatchEntry::deserialize(entry).ok())
}

impl MatchEntry {
    fn names(&self, process: &str) -> bool {
        self.processes.iter().any(|named| named == "*" || named == process)
    }

    fn exemptions(self) -> Vec<Exemption> {
        let (admission, sync) = (self.names("webhook"), self.names("sync"));
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
    use super::{exempt_by_flags, exempt_from_audit, exemptions};
    use crate::Matcher;
    use serde_json::json;

    #[test]
    fn flags_are_read_as_go_reads_them() {
        for (arguments, expected) in [
            (&["--port=8443", "--exempt-namespace=gatekeeper-system"][..], &["gatekeeper-system"][..]),
            (&["-exempt-namespace", "a", "--exempt-namespace=b"], &["a", "b"]),
            (
                &["--exempt-namespace-prefix=kube-", "--exempt-namespace-suffix=-system"],
                &["kube-*", "*-system"],
            ),
            (&["exempt-namespace=a", "--exempt-namespaces=b", "--exempt-namespace"], &[]),
        ] {
            let arguments: Vec<_> = arguments.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(exempt_by_flags(&arguments), expected, "{arguments:?}");
        }
    }

    #[test]
    fn only_what_is_exempt_from_admission_and_in_reach_counts() {
        let spec = json!({"match": [
            {"excludedNamespaces": ["legacy-*"], "processes": ["*"]},
            {"excludedNamespaces": ["audit-only"], "processes": ["audit"]},
            {"excludedNamespaces": ["not-synced"], "processes": ["sync"]},
            {"excludedNamespaces": ["kube-system"], "processes": ["webhook"]},
        ]});
        let found = exemptions(&spec);
        assert_eq!(exempt_from_audit(&spec), ["legacy-*", "audit-only"]);
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
