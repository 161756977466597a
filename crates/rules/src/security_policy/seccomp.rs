//! Seccomp profiles.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Change, Check, Fix, Guard, Rule, Subject, Volatile};

const LOCALHOST: &str = "Localhost";
const RUNTIME_DEFAULT: &str = "RuntimeDefault";
const UNCONFINED: &str = "Unconfined";

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// What seccomp profiles may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp_profiles: Option<Profiles>,
}

/// Both lists of the policy in one vocabulary, that of the Pod's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profiles {
    /// What is allowed, for messages.
    pub entries: Vec<String>,
    /// The types that are allowed, beside Localhost; absent allows every other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// The files that a Localhost profile may name; absent allows any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub localhost_files: Option<Vec<String>>,
    /// Whether a container may be without a profile.
    pub unset: bool,
}

/// An entry of `allowedProfiles`.
enum Entry<'a> {
    Any,
    Unset,
    AnyFile,
    File(&'a str),
    Type(&'a str),
}

impl<'a> Entry<'a> {
    fn parse(entry: &'a str) -> Self {
        match entry.to_ascii_lowercase().as_str() {
            "*" => Self::Any,
            "" | "undefined" => Self::Unset,
            "localhost" => Self::Type(LOCALHOST),
            "localhost/*" => Self::AnyFile,
            "runtimedefault" | "runtime/default" | "docker/default" => Self::Type(RUNTIME_DEFAULT),
            "unconfined" => Self::Type(UNCONFINED),
            _ => entry.strip_prefix("localhost/").map_or(Self::Type(entry), Self::File),
        }
    }
}

/// Whether an entry of `allowedProfiles` admits a profile that a container can have: the API server takes no other types.
#[must_use]
pub fn can_match(entry: &str) -> bool {
    match Entry::parse(entry) {
        Entry::Type(name) => [RUNTIME_DEFAULT, UNCONFINED, LOCALHOST].contains(&name),
        Entry::Any | Entry::Unset | Entry::AnyFile | Entry::File(_) => true,
    }
}

impl Profiles {
    /// The two lists of the policy. None if together they allow everything.
    #[must_use]
    pub fn new(profiles: Option<&[&str]>, files: Option<&[&str]>) -> Option<Self> {
        let entries: Vec<_> = profiles.unwrap_or(&["*"]).iter().map(|entry| Entry::parse(entry)).collect();
        let any = entries.iter().any(|entry| matches!(entry, Entry::Any));
        let localhost_files = localhost_files(&entries, any, files);
        if any && localhost_files.is_none() {
            return None;
        }
        let unset = any || entries.iter().any(|entry| matches!(entry, Entry::Unset));
        let types = (!any).then(|| types(&entries));
        let mut this = Self { entries: vec![], types, localhost_files, unset };
        this.entries = this.described();
        Some(this)
    }

    /// What is allowed, as people read it.
    fn described(&self) -> Vec<String> {
        let any = || vec!["any type but Localhost".to_owned()];
        let mut entries = self.types.clone().unwrap_or_else(any);
        match &self.localhost_files {
            None => entries.push(LOCALHOST.to_owned()),
            Some(files) => entries.extend(files.iter().map(|file| format!("localhost/{file}"))),
        }
        if self.unset && self.types.is_some() {
            entries.push("unset".to_owned());
        }
        entries
    }
}

fn types(entries: &[Entry]) -> Vec<String> {
    let mut types = vec![];
    for entry in entries {
        match entry {
            Entry::Type(name) if *name != LOCALHOST && !types.iter().any(|known| known == name) => {
                types.push((*name).to_owned());
            }
            _ => {}
        }
    }
    types
}

/// The files that Localhost profiles may name: those of entries `localhost/FILE` and, where the type Localhost is
/// allowed, those of `allowedLocalhostFiles`. None for any.
fn localhost_files(entries: &[Entry], any: bool, files: Option<&[&str]>) -> Option<Vec<String>> {
    let mut named = vec![];
    let mut by_type = any;
    for entry in entries {
        match entry {
            Entry::AnyFile => return None,
            Entry::File(file) => named.push((*file).to_owned()),
            Entry::Type(LOCALHOST) => by_type = true,
            _ => {}
        }
    }
    if by_type {
        let files = files.filter(|files| !files.contains(&"*"))?;
        named.extend(files.iter().map(|file| (*file).to_owned()));
    }
    Some(named)
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "seccomp",
    module: include_str!("../../../../templates/security-policy/seccomp/rule.rego"),
    checks: &[Check {
        field: "seccompProfiles",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Pod(&[Volatile::EphemeralContainers]),
        fix: Fix::change(
            Change::AllowedProfile,
            "rare system calls that the profile of the container runtime forbids",
        ),
    }],
};

#[cfg(test)]
mod tests {
    use super::{Profiles, can_match};

    type Files<'a> = Option<&'a [&'a str]>;

    #[test]
    fn entries_are_read_in_both_vocabularies() {
        let entries = ["RuntimeDefault", "docker/default", "Unconfined", "localhost/a/b.json", "undefined"];
        let profiles = Profiles::new(Some(&entries), Some(&["ignored.json"])).unwrap();
        assert_eq!(profiles.types.unwrap(), ["RuntimeDefault", "Unconfined"]);
        assert_eq!(profiles.localhost_files.unwrap(), ["a/b.json"]);
        assert!(profiles.unset);
        assert!(Profiles::new(Some(&[""]), None).unwrap().unset);
    }

    #[test]
    fn localhost_profiles_are_judged_by_their_files() {
        for (profiles, files, expected) in [
            (None, Some(&["a"][..]), Some(&["a"][..])),
            (None, Some(&[]), Some(&[])),
            (Some(&["*"][..]), Some(&["a"]), Some(&["a"])),
            (Some(&["Localhost"]), None, None),
            (Some(&["Localhost"]), Some(&[]), Some(&[])),
            (Some(&["Localhost"]), Some(&["a", "*"]), None),
            (Some(&["Localhost", "localhost/b"]), Some(&["a"]), Some(&["b", "a"])),
            (Some(&["localhost/*"]), Some(&["a"]), None),
            (Some(&["localhost/b"]), Some(&["*"]), Some(&["b"])),
            (Some(&["RuntimeDefault"]), None, Some(&[])),
            (Some(&[]), None, Some(&[])),
        ] as [(Files, Files, Files); 11]
        {
            let read = Profiles::new(profiles, files).unwrap();
            let expected = expected.map(|files| files.iter().map(|&file| file.to_owned()).collect());
            assert_eq!(read.localhost_files, expected, "{profiles:?} {files:?}");
        }
    }

    #[test]
    fn what_allows_everything_is_left_out() {
        for (profiles, files) in
            [(None, None), (None, Some(&["*"][..])), (Some(&["*"][..]), None), (Some(&["*"]), Some(&["*"]))]
                as [(Files, Files); 4]
        {
            assert_eq!(Profiles::new(profiles, files), None, "{profiles:?} {files:?}");
        }
    }
    #[test]
    fn some_entries_can_match_nothing() {
        for entry in [
            "RuntimeDefault",
            "runtime/default",
            "docker/default",
            "Runtime/Default",
            "Unconfined",
            "unconfined",
            "Localhost",
            "localhost/*",
            "localhost/profiles/a.json",
            "*",
            "undefined",
            "",
        ] {
            assert!(can_match(entry), "{entry}");
        }
        for entry in ["RuntimDefault", "runtime/*", "Localhost/a.json", "default", "not configured"] {
            assert!(!can_match(entry), "{entry}");
        }
    }
}
