//! Asks registries, under all bounds: which hosts and addresses, with which credentials, how much and how long.

mod address;
mod budget;
mod clients;
mod credentials;
mod failure;
mod hosts;
mod http;
mod resolver;
mod roots;
mod session;
mod settings;
mod tokens;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;
use tokio::sync::Semaphore;

pub use self::address::{HostKind, RefusedAddress, judge_address};
pub use self::budget::Budget;
pub use self::credentials::{Credential, Credentials, Nobody};
pub use self::failure::Failure;
pub use self::hosts::Hosts;
pub use self::http::Bytes;
pub use self::session::{Manifest, Session};
pub use self::settings::{RegistryEntry, RegistrySettings, Site, endpoint};

use self::clients::Clients;
use self::roots::Roots;
use self::tokens::Tokens;
use crate::bounds;
use crate::fingerprint::Fingerprints;

/// The registries of the world, as they are asked from here.
#[derive(Clone, Debug)]
pub struct Registry {
    settings: Arc<RegistrySettings>,
    named_hosts: Arc<BTreeSet<String>>,
    clients: Clients,
    tokens: Tokens,
    hosts: Hosts,
    fingerprints: Fingerprints,
    /// The turns of large answers to be in memory.
    large: Arc<Semaphore>,
}

/// How one entry of a policy asks.
#[derive(Clone)]
pub struct Access {
    /// PEM certificates of authorities that the entry adds.
    pub authority: Option<Arc<str>>,
    /// The hosts that the policy's references spell out.
    pub named_hosts: Arc<BTreeSet<String>>,
    /// The credentials of the entry.
    pub credentials: Arc<dyn Credentials>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("named_hosts", &self.named_hosts).finish_non_exhaustive()
    }
}

impl Registry {
    /// Registries by the settings, with the rules of addresses.
    #[must_use]
    pub fn new(settings: RegistrySettings) -> Self {
        let networks = settings.networks();
        Self::made(settings, Some(networks), Matcher::from_env())
    }

    /// Registries by the settings, to be connected to wherever they are, as the user of a command line may.
    #[must_use]
    pub fn without_rules_of_addresses(settings: RegistrySettings) -> Self {
        Self::made(settings, None, Matcher::from_env())
    }

    fn made(settings: RegistrySettings, allowed: Option<Arc<[ipnet::IpNet]>>, proxies: Matcher) -> Self {
        Self {
            named_hosts: Arc::new(settings.named_hosts()),
            clients: Clients::new(Roots::load(), allowed, proxies),
            tokens: Tokens::new(),
            hosts: Hosts::default(),
            fingerprints: Fingerprints::new(),
            large: Arc::new(Semaphore::new(bounds::LARGE_ANSWERS)),
            settings: Arc::new(settings),
        }
    }

    /// What is known of each host.
    #[must_use]
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &RegistrySettings {
        &self.settings
    }

    /// Names secrets for caches.
    #[must_use]
    pub fn fingerprints(&self) -> &Fingerprints {
        &self.fingerprints
    }

    /// Only https, unless the host is listed as insecure.
    fn allowed_scheme(&self, url: &Url) -> Result<(), &'static str> {
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.settings.is_insecure(&http::host_of(url)) => Ok(()),
            _ => {
                Err("it would have to be asked without TLS; signatures.registries[].insecure can allow that")
            }
        }
    }
}
