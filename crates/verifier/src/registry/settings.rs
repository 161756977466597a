//! What an administrator says of registries.

use std::collections::BTreeSet;
use std::sync::Arc;

pub use gatewright_compiler::RegistryEntry;
use gatewright_compiler::SignatureSettings;
use ipnet::IpNet;

/// The settings `signatures.allowedNetworks` and `signatures.registries`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Networks whose addresses may be connected to although they are special.
    pub allowed_networks: Vec<IpNet>,
    /// What differs for single registries.
    pub registries: Vec<RegistryEntry>,
}

impl From<SignatureSettings> for RegistrySettings {
    fn from(settings: SignatureSettings) -> Self {
        let SignatureSettings { enabled: _, url: _, client_auth: _, allowed_networks, registries } = settings;
        Self { allowed_networks, registries }
    }
}

/// Where a repository is asked for: at the registry itself or at a mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The host to connect to, with its port if that is a special one.
    pub host: String,
    /// The repository there.
    pub repository: String,
}

/// Realms of public registries that are on another host, which everybody knows.
const KNOWN_REALMS: [(&str, &str); 2] =
    [("registry-1.docker.io", "auth.docker.io"), ("registry.gitlab.com", "gitlab.com")];

/// The host that is asked for a registry: Docker Hub's is another than its name.
#[must_use]
pub fn endpoint(host: &str) -> &str {
    if host == "docker.io" { "registry-1.docker.io" } else { host }
}

impl RegistrySettings {
    fn entry(&self, host: &str) -> Option<&RegistryEntry> {
        self.registries.iter().find(|entry| endpoint(&entry.host) == endpoint(host))
    }

    /// Where a repository is asked for, in order.
    #[must_use]
    pub fn sites(&self, registry: &str, repository: &str) -> Vec<Site> {
        let mirrors = self.entry(registry).map(|entry| entry.mirrors.as_slice()).unwrap_or_default();
        if mirrors.is_empty() {
            return vec![Site { host: endpoint(registry).to_owned(), repository: repository.to_owned() }];
        }
        let site = |mirror: &String| {
            let (host, path) = mirror.split_once('/').unwrap_or((mirror, ""));
            let path = path.trim_matches('/');
            let repository =
                if path.is_empty() { repository.to_owned() } else { format!("{path}/{repository}") };
            Site { host: endpoint(host).to_owned(), repository }
        };
        mirrors.iter().map(site).collect()
    }

    /// Whether plain HTTP is spoken with this host.
    #[must_use]
    pub fn is_insecure(&self, host: &str) -> bool {
        self.entry(host).is_some_and(|entry| entry.insecure)
    }

    /// The authorities of this host beside the usual ones.
    #[must_use]
    pub fn authority(&self, host: &str) -> Option<&str> {
        self.entry(host)?.ca.as_deref()
    }

    /// Whether the realm at this host may have the credentials of the registry.
    #[must_use]
    pub fn may_have_credentials(&self, registry: &str, realm: &str) -> bool {
        let registry = endpoint(registry);
        realm == registry
            || KNOWN_REALMS.contains(&(registry, realm))
            || self.entry(registry).is_some_and(|entry| entry.token_hosts.iter().any(|host| host == realm))
    }

    /// The hosts that the settings spell out.
    #[must_use]
    pub fn named_hosts(&self) -> BTreeSet<String> {
        let hosts = self.registries.iter().flat_map(|entry| {
            let mirrors = entry.mirrors.iter().map(|mirror| mirror.split('/').next().unwrap_or_default());
            let realms = entry.token_hosts.iter().map(String::as_str);
            [entry.host.as_str()].into_iter().chain(mirrors).chain(realms)
        });
        hosts.map(|host| endpoint(host).to_owned()).collect()
    }

    /// What the resolver needs of them.
    pub(crate) fn networks(&self) -> Arc<[IpNet]> {
        self.allowed_networks.as_slice().into()
    }
}

#[cfg(test)]
mod tests {
    use super::{RegistryEntry, RegistrySettings, Site};
    use rstest::rstest;

    fn settings() -> RegistrySettings {
        let entry = RegistryEntry {
            host: "docker.io".into(),
            mirrors: vec!["m.example:5000/hub/".into(), "docker.io".into()],
            token_hosts: vec!["t.example".into()],
            ..RegistryEntry::default()
        };
        RegistrySettings { registries: vec![entry], ..RegistrySettings::default() }
    }

    #[test]
    fn mirrors_are_asked_instead_of_the_registry() {
        let site = |host: &str, repository: &str| Site { host: host.into(), repository: repository.into() };
        assert_eq!(
            settings().sites("docker.io", "library/nginx"),
            [site("m.example:5000", "hub/library/nginx"), site("registry-1.docker.io", "library/nginx")]
        );
        assert_eq!(settings().sites("r.io", "x"), [site("r.io", "x")]);
        let named: Vec<_> = settings().named_hosts().into_iter().collect();
        assert_eq!(named, ["m.example:5000", "registry-1.docker.io", "t.example"]);
    }

    #[rstest]
    #[case("docker.io", "auth.docker.io", true)]
    #[case("registry-1.docker.io", "t.example", true)]
    #[case("registry-1.docker.io", "registry-1.docker.io", true)]
    #[case("registry.gitlab.com", "gitlab.com", true)]
    #[case("r.io", "r.io", true)]
    #[case("r.io", "auth.docker.io", false)]
    #[case("r.io", "r.io:8443", false)]
    #[case("r.io", "t.example", false)]
    #[case("docker.io", "evil.auth.docker.io", false)]
    fn only_listed_realms_get_credentials(#[case] registry: &str, #[case] realm: &str, #[case] may: bool) {
        assert_eq!(settings().may_have_credentials(registry, realm), may);
    }
}
