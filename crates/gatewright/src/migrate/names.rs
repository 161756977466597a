//! Names for the policies that `migrate` writes: no two of them have the same one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::source::Found;
use crate::foreign::Foreign;

/// How long the name of an object may be, in bytes.
const LONGEST: usize = 253;

/// The specs of the policies that there are or will be, by kind and name.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<(String, String), Value>);

fn key(policy: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&policy["kind"]), text(&policy["metadata"]["name"]))
}

impl Names {
    /// The names of the policies that were found.
    pub fn of(found: &Found) -> Self {
        let policies = found.known_policies().map(|(document, _)| document.value());
        Self(policies.map(|policy| (key(&policy), policy["spec"].clone())).collect())
    }

    /// Gives a policy a name that no other policy of its kind has: its own, or that with this suffix, or that with a
    /// number. Another policy is one with another spec. Returns what to say of a new name.
    pub fn give(&mut self, policy: &mut Value, suffix: &str) -> Option<Foreign> {
        let (kind, wanted) = key(policy);
        let numbered = (2..).map(|number| format!("-{suffix}-{number}"));
        let suffixes = [String::new(), format!("-{suffix}")].into_iter().chain(numbered);
        let is_free = |name: &String| {
            self.0.get(&(kind.clone(), name.clone())).is_none_or(|spec| *spec == policy["spec"])
        };
        let name = suffixes.map(|suffix| with_suffix(&wanted, &suffix)).find(is_free)?;
        self.0.insert((kind.clone(), name.clone()), policy["spec"].clone());
        policy["metadata"]["name"] = json!(name);
        (name != wanted).then(|| format!("another policy is named {kind}/{wanted}").into())
    }
}

/// The name with a suffix, cut so that it is not too long.
fn with_suffix(name: &str, suffix: &str) -> String {
    let room = LONGEST.saturating_sub(suffix.len());
    let kept = (0..=room.min(name.len())).rev().find_map(|end| name.get(..end)).unwrap_or_default();
    format!("{}{suffix}", kept.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Names;

    #[test]
    fn another_policy_gets_another_name_and_the_same_policy_the_same() {
        let mut names = Names::default();
        let long = "a".repeat(300);
        for (kind, name, spec, expected) in [
            ("SecurityPolicy", "shop", 1, "shop"),
            ("OperationPolicy", "shop", 2, "shop"),
            ("SecurityPolicy", "shop", 1, "shop"),
            ("SecurityPolicy", "shop", 2, "shop-k8sblocknodeport"),
            ("SecurityPolicy", "shop", 3, "shop-k8sblocknodeport-2"),
            ("SecurityPolicy", "shop", 3, "shop-k8sblocknodeport-2"),
            ("SecurityPolicy", long.as_str(), 1, &long[..253]),
        ] {
            let mut policy = json!({"kind": kind, "metadata": {"name": name}, "spec": spec});
            let said = names.give(&mut policy, "k8sblocknodeport");
            assert_eq!(policy["metadata"]["name"], expected, "{kind}/{name} {spec}");
            assert_eq!(said.is_some(), name != expected, "{kind}/{name} {spec}");
        }
    }
}
