//! `AppArmor` profiles.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Change, Check, Fix, Guard, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// What `AppArmor` profiles may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_app_armor: Option<Profiles>,
}

/// The entries of the policy in one vocabulary, that of the annotation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Profiles {
    /// The entries as written, for messages.
    pub entries: Vec<String>,
    /// Profiles that must be equal.
    pub profiles: Vec<String>,
    /// Regular expressions of the entries with a `*`. A glob would need escapes, too, and stop at dots.
    pub patterns: Vec<String>,
}

impl<'a> FromIterator<&'a str> for Profiles {
    fn from_iter<I: IntoIterator<Item = &'a str>>(entries: I) -> Self {
        let mut this = Self::default();
        for entry in entries {
            this.entries.push(entry.to_owned());
            let profile = in_annotation(entry);
            if profile.contains('*') {
                this.patterns.push(regex(profile));
            } else {
                this.profiles.push(profile.to_owned());
            }
        }
        this
    }
}

/// A type of the field in the words of the annotation. The type Localhost alone is any such profile.
fn in_annotation(entry: &str) -> &str {
    match entry.to_ascii_lowercase().as_str() {
        "runtimedefault" => "runtime/default",
        "unconfined" => "unconfined",
        "localhost" => "localhost/*",
        _ => entry,
    }
}

/// The profiles that have no name of their own.
const UNNAMED: [&str; 2] = ["runtime/default", "unconfined"];

/// What all other profiles begin with: the API server takes no others.
const NAMED: &str = "localhost/";

/// Whether an entry admits a profile that a container can have.
#[must_use]
pub fn can_match(entry: &str) -> bool {
    let profile = in_annotation(entry);
    let begun = profile.split('*').next().unwrap_or_default();
    let is_pattern = begun.len() < profile.len();
    begun.starts_with(NAMED)
        || (is_pattern && NAMED.starts_with(begun))
        || UNNAMED.iter().any(|unnamed| fits(profile, unnamed))
}

/// Whether a text is what an entry stands for.
fn fits(entry: &str, text: &str) -> bool {
    let Some((begun, rest)) = entry.split_once('*') else { return entry == text };
    let Some(behind) = text.strip_prefix(begun) else { return false };
    (0..=behind.len()).any(|skipped| behind.get(skipped..).is_some_and(|behind| fits(rest, behind)))
}

/// Anchored; every `*` is any characters and everything else itself.
fn regex(pattern: &str) -> String {
    let mut regex = String::from("(?s)^");
    for character in pattern.chars() {
        match character {
            '*' => regex.push_str(".*"),
            _ if character.is_ascii_punctuation() => regex.extend(['\\', character]),
            _ => regex.push(character),
        }
    }
    regex.push('$');
    regex
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "apparmor",
    module: include_str!("../../../../templates/security-policy/apparmor/rule.rego"),
    checks: &[Check {
        field: "allowedAppArmor",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::PodAndMore(&[Volatile::EphemeralContainers]),
        fix: Fix::change(
            Change::AllowedProfile,
            "what the profile of the container runtime forbids, such as mounting",
        ),
    }],
};

#[cfg(test)]
mod tests {
    use super::{Profiles, can_match};

    #[test]
    fn an_entry_becomes_what_it_is_compared_as() {
        for (entry, profiles, patterns) in [
            ("runtime/default", &["runtime/default"][..], &[][..]),
            ("RuntimeDefault", &["runtime/default"], &[]),
            ("Unconfined", &["unconfined"], &[]),
            ("localhost/k8s-nginx", &["localhost/k8s-nginx"], &[]),
            ("Localhost", &[], &[r"(?s)^localhost\/.*$"]),
            ("localhost/a.b-*", &[], &[r"(?s)^localhost\/a\.b\-.*$"]),
            ("*/Default", &[], &[r"(?s)^.*\/Default$"]),
        ] {
            let read: Profiles = [entry].into_iter().collect();
            assert_eq!(read.profiles, profiles, "{entry}");
            assert_eq!(read.patterns, patterns, "{entry}");
        }
    }
    #[test]
    fn some_entries_can_match_nothing() {
        for entry in [
            "runtime/default",
            "RuntimeDefault",
            "runtimedefault",
            "unconfined",
            "Unconfined",
            "Localhost",
            "localhost/k8s-nginx",
            "localhost/*",
            "localhost*",
            "local*",
            "*",
            "**",
            "*/default",
            "runtime/*",
            "*conf*",
            "*-app",
        ] {
            assert!(can_match(entry), "{entry}");
        }
        for entry in
            ["", "runtime/defualt", "docker/default", "Runtime/default", "Localhost/a", "runtime/x*", "k8s-*"]
        {
            assert!(!can_match(entry), "{entry}");
        }
    }
}
