//! Image repositories.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// What images may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_repos: Option<Repositories>,
}

/// The entries of the policy, sorted by how they are compared. Comparing prefixes of one normal form is many times
/// cheaper in Rego than taking each entry apart for each image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Repositories {
    /// The entries as written, for messages.
    pub entries: Vec<String>,
    /// Prefixes of the image's full name and a slash: registries, repositories, parts of a path.
    pub repositories: Vec<String>,
    /// Full names with a tag, a digest or both, which must be equal.
    pub images: Vec<String>,
    /// Prefixes of the reference, as written or in full.
    pub prefixes: Vec<String>,
}

impl<'a> FromIterator<&'a str> for Repositories {
    fn from_iter<I: IntoIterator<Item = &'a str>>(entries: I) -> Self {
        let mut repositories = Self::default();
        for entry in entries {
            repositories.entries.push(entry.to_owned());
            repositories.sort_in(entry);
        }
        repositories
    }
}

impl Repositories {
    fn sort_in(&mut self, entry: &str) {
        if let Some(prefix) = entry.strip_suffix('*') {
            self.prefixes.push(prefix.to_owned());
        } else if entry.ends_with('/') {
            self.prefixes.push(entry.to_owned());
        } else if is_registry(entry) {
            let host = if is_docker_hub(entry) { "docker.io" } else { entry };
            self.repositories.push(format!("{host}/"));
        } else {
            let (name, suffix) = split_suffix(entry);
            for full in full_names(name) {
                if suffix.is_empty() {
                    self.repositories.push(format!("{full}/"));
                } else {
                    self.images.push(format!("{full}{suffix}"));
                }
            }
        }
    }
}

/// An entry without a slash is a registry if it has a dot or a port, or is `localhost`.
fn is_registry(entry: &str) -> bool {
    if entry.contains(['/', '@']) {
        return false;
    }
    match entry.split_once(':') {
        Some((host, port)) => !host.is_empty() && port.parse::<u16>().is_ok(),
        None => entry.contains('.') || entry == "localhost",
    }
}

/// A name, and its tag and digest with their separators. A colon before the last slash belongs to a port.
fn split_suffix(reference: &str) -> (&str, &str) {
    let path = reference.rfind('/').map_or(0, |slash| slash + 1);
    let end = reference[path..].find([':', '@']).map_or(reference.len(), |at| path + at);
    reference.split_at(end)
}

/// The names with a domain that an entry may mean. Without a domain it is Docker Hub's; a single segment is an
/// official image (`nginx` = `docker.io/library/nginx`) or somebody's whole account (`nginx/…`).
fn full_names(name: &str) -> Vec<String> {
    match name.split_once('/') {
        None => vec![format!("docker.io/library/{name}"), format!("docker.io/{name}")],
        Some((domain, path)) if is_docker_hub(domain) && !path.contains('/') => full_names(path),
        Some((domain, path)) if is_docker_hub(domain) => vec![format!("docker.io/{path}")],
        Some((domain, _)) if is_domain(domain) => vec![name.into()],
        Some(_) => vec![format!("docker.io/{name}")],
    }
}

fn is_docker_hub(domain: &str) -> bool {
    matches!(domain, "docker.io" | "index.docker.io" | "registry-1.docker.io")
}

fn is_domain(segment: &str) -> bool {
    segment.contains(['.', ':']) || segment == "localhost" || segment.chars().any(char::is_uppercase)
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "allowed-repos",
    module: include_str!("../../../../templates/operation-policy/allowed-repos/rule.rego"),
    checks: &[Check {
        field: "allowedRepos",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Pod(&[Volatile::EphemeralContainers]),
        fix: Fix::none("only you know where the image can come from"),
    }],
};

#[cfg(test)]
mod tests {
    use super::Repositories;

    #[test]
    fn an_entry_becomes_what_it_is_compared_as() {
        for (entry, repositories, images, prefixes) in [
            ("r.example.com", &["r.example.com/"][..], &[][..], &[][..]),
            ("r.example.com:5000", &["r.example.com:5000/"], &[], &[]),
            ("localhost", &["localhost/"], &[], &[]),
            ("index.docker.io", &["docker.io/"], &[], &[]),
            ("registry-1.docker.io", &["docker.io/"], &[], &[]),
            ("localhost:5000", &["localhost:5000/"], &[], &[]),
            ("r.example.com/team", &["r.example.com/team/"], &[], &[]),
            ("r.example.com:5000/team/app", &["r.example.com:5000/team/app/"], &[], &[]),
            ("nginx", &["docker.io/library/nginx/", "docker.io/nginx/"], &[], &[]),
            ("team/app", &["docker.io/team/app/"], &[], &[]),
            ("index.docker.io/team/app", &["docker.io/team/app/"], &[], &[]),
            ("registry-1.docker.io/team/app", &["docker.io/team/app/"], &[], &[]),
            ("r.example.com/app:1.0", &[], &["r.example.com/app:1.0"], &[]),
            ("nginx:1.25", &[], &["docker.io/library/nginx:1.25", "docker.io/nginx:1.25"], &[]),
            ("r.example.com/app@sha256:ab", &[], &["r.example.com/app@sha256:ab"], &[]),
            ("r.example.com/team/", &[], &[], &["r.example.com/team/"]),
            ("r.example.com/team-*", &[], &[], &["r.example.com/team-"]),
        ] {
            let sorted: Repositories = [entry].into_iter().collect();
            assert_eq!(sorted.repositories, repositories, "{entry}");
            assert_eq!(sorted.images, images, "{entry}");
            assert_eq!(sorted.prefixes, prefixes, "{entry}");
        }
    }
}
