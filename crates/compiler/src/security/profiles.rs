//! Entries of `allowedAppArmor` and `seccompProfiles` that no profile of a container could ever match.
//!
//! What is a slip of the pen makes the policy invalid. Anything else may have stood in a policy for years, beside entries that
//! match: it is only noted.

use gatewright_api::text::Name;
use gatewright_api::{List, SecurityRules};
use gatewright_rules::security_policy::{apparmor, seccomp};
use gatewright_typed::nearest;

use crate::problem::Problem;

/// A list of profiles.
struct Profiles<'a> {
    field: &'static str,
    entries: &'a [Name],
    can_match: fn(&str) -> bool,
    /// What may be written, but for files and names after `localhost/`.
    words: &'static [&'static str],
    /// What may be written, as people read it.
    allowed: &'static str,
}

const LOCALHOST: &str = "localhost";

fn entries(list: Option<&List<Name>>) -> &[Name] {
    list.map_or(&[], |list| list)
}

fn lists(rules: &SecurityRules) -> [Profiles<'_>; 2] {
    let seccomp = rules.seccomp_profiles.value().and_then(|profiles| profiles.allowed_profiles.value());
    [
        Profiles {
            field: "allowedAppArmor",
            entries: entries(rules.allowed_app_armor.value()),
            can_match: apparmor::can_match,
            words: &["runtime/default", "unconfined", "RuntimeDefault", "Localhost", "localhost/*"],
            allowed: "runtime/default, unconfined and localhost/PROFILE",
        },
        Profiles {
            field: "seccompProfiles.allowedProfiles",
            entries: entries(seccomp),
            can_match: seccomp::can_match,
            words: &[
                "RuntimeDefault",
                "Unconfined",
                "Localhost",
                "runtime/default",
                "docker/default",
                "localhost/*",
                "undefined",
            ],
            allowed: "RuntimeDefault, Unconfined, Localhost, localhost/FILE and undefined",
        },
    ]
}

impl<'a> Profiles<'a> {
    /// The entries that match nothing, with their place and with what is probably meant.
    fn lost(&self) -> impl Iterator<Item = (String, &'a str, Option<String>)> {
        let entries = self.entries.iter().map(Name::as_str).enumerate();
        let lost = entries.filter(|(_, entry)| !(self.can_match)(entry));
        lost.map(|(i, entry)| (format!("{}[{i}]", self.field), entry, self.meant(entry)))
    }

    /// What is meant, if that can match.
    fn meant(&self, entry: &str) -> Option<String> {
        let named = entry.split_once('/').and_then(|(kind, name)| {
            nearest(kind, [LOCALHOST].into_iter()).map(|localhost| format!("{localhost}/{name}"))
        });
        let word = || nearest(entry, self.words.iter().copied()).map(str::to_owned);
        named.or_else(word).filter(|meant| (self.can_match)(meant))
    }
}

/// Slips of the pen.
pub(super) fn problems(rules: &SecurityRules) -> Vec<Problem> {
    let problem = |(field, entry, meant): (String, &str, Option<String>)| {
        let message = format!("{entry:?} is no profile that a container can have: write {}", meant?);
        Some(Problem::new(format!("spec.policies.{field}"), message))
    };
    lists(rules).iter().flat_map(Profiles::lost).filter_map(problem).collect()
}

/// Entries of which nobody can say what they should be.
pub(super) fn notes(rules: &SecurityRules) -> Vec<String> {
    let lists = lists(rules);
    let lost = lists.iter().flat_map(|list| list.lost().map(|lost| (lost, list.allowed)));
    let unknown = lost.filter(|((_, _, meant), _)| meant.is_none()).map(|((field, entry, _), allowed)| {
        format!("{field}: no container can have a profile {entry:?}; what can match is {allowed}")
    });
    unknown.chain(files(rules)).collect()
}

/// Files that no profile of a Pod can name: the API server takes only paths that lead down from the kubelet's folder.
fn files(rules: &SecurityRules) -> Vec<String> {
    let files = rules.seccomp_profiles.value().and_then(|profiles| profiles.allowed_localhost_files.value());
    let files = files.into_iter().flat_map(|files| files.iter()).map(Name::as_str).enumerate();
    let lost = files.filter(|(_, file)| file.starts_with('/') || file.split('/').any(|part| part == ".."));
    let note = |(i, file)| {
        format!(
            "seccompProfiles.allowedLocalhostFiles[{i}]: no Pod can name the file {file:?}: it must be relative to the \
             kubelet's folder of seccomp profiles"
        )
    };
    lost.map(note).collect()
}

#[cfg(test)]
mod tests {
    use gatewright_api::SecurityRules;
    use serde_json::{Value, json};

    use super::{notes, problems};

    fn said(rules: &Value) -> (Vec<String>, Vec<String>) {
        let rules: SecurityRules = serde_json::from_value(rules.clone()).unwrap();
        (problems(&rules).iter().map(ToString::to_string).collect(), notes(&rules))
    }

    /// What stands in the documentation of Deckhouse, and what both vocabularies have.
    #[test]
    fn what_works_stays_valid() {
        let rules = json!({
            "allowedAppArmor": [
                "runtime/default", "unconfined", "localhost/*", "localhost/foo", "RuntimeDefault", "Unconfined", "Localhost", "*",
            ],
            "seccompProfiles": {
                "allowedProfiles": [
                    "RuntimeDefault", "Localhost", "Unconfined", "runtime/default", "docker/default", "unconfined",
                    "localhost/a.json", "localhost/*", "undefined", "", "*",
                ],
                "allowedLocalhostFiles": ["*", "my_profile.json", "profiles/a..b.json"],
            },
        });
        assert_eq!(said(&rules), (vec![], vec![]));
        assert_eq!(said(&json!({"allowedAppArmor": [], "seccompProfiles": {}})), (vec![], vec![]));
    }

    #[test]
    fn slips_of_the_pen_are_refused() {
        let armor = |entry: &str| (json!({"allowedAppArmor": ["unconfined", entry]}), "allowedAppArmor");
        let seccomp = |entry: &str| {
            let rules = json!({"seccompProfiles": {"allowedProfiles": ["Localhost", entry]}});
            (rules, "seccompProfiles.allowedProfiles")
        };
        for (make, entry, meant) in [
            (&armor as &dyn Fn(&str) -> (Value, &'static str), "runtime/defualt", "runtime/default"),
            (&armor, "Runtime/Default", "runtime/default"),
            (&armor, "unconfind", "unconfined"),
            (&armor, "Localhost/foo", "localhost/foo"),
            (&armor, "locahost/*", "localhost/*"),
            (&seccomp, "RuntimDefault", "RuntimeDefault"),
            (&seccomp, "Localhost/a.json", "localhost/a.json"),
            (&seccomp, "docker/defualt", "docker/default"),
            (&seccomp, "undefned", "undefined"),
        ] {
            let (rules, field) = make(entry);
            let expected = format!(
                "spec.policies.{field}[1]: {entry:?} is no profile that a container can have: write {meant}"
            );
            assert_eq!(said(&rules), (vec![expected], vec![]));
        }
    }

    #[test]
    fn what_may_have_stood_there_for_years_is_noted() {
        let rules = json!({
            "allowedAppArmor": ["docker/default", ""],
            "seccompProfiles": {"allowedProfiles": ["not configured"], "allowedLocalhostFiles": ["/a.json", "b/../c.json"]},
        });
        let (problems, notes) = said(&rules);
        assert_eq!(problems, [""; 0]);
        let expected = [
            "allowedAppArmor[0]: no container can have a profile \"docker/default\"; what can match is runtime/default",
            "allowedAppArmor[1]: no container can have a profile \"\"; ",
            "seccompProfiles.allowedProfiles[0]: no container can have a profile \"not configured\"; ",
            "seccompProfiles.allowedLocalhostFiles[0]: no Pod can name the file \"/a.json\": ",
            "seccompProfiles.allowedLocalhostFiles[1]: no Pod can name the file \"b/../c.json\": ",
        ];
        assert_eq!(notes.len(), expected.len(), "{notes:#?}");
        for (note, expected) in notes.iter().zip(expected) {
            assert!(note.starts_with(expected), "{note}");
        }
    }
}
