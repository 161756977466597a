//! What is demanded of an image: an entry of a policy, and how its registry is asked.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use gatewright_signatures::docker_config::{DockerConfig, Unusable};
use gatewright_signatures::entry::ReadEntry;
use gatewright_signatures::reference::{Repository, normal_host};

use crate::registry::{Access, Credential, Credentials, endpoint};

/// An entry of a policy, ready to be checked.
#[derive(Clone, Debug)]
pub struct Demand {
    /// The reference, the keys, and what else the entry says.
    pub entry: ReadEntry,
    /// How registries are asked for it.
    pub access: Access,
}

/// The `dockerCfg` of an entry, as far as it could be read. The text says why it could not.
pub type DockerCfg = Result<DockerConfig, String>;

/// The docker config of `--registry-config`, which is read again when the file changes.
#[derive(Clone, Debug, Default)]
pub struct RegistryConfig {
    config: Arc<RwLock<Option<DockerCfg>>>,
    /// Whether programs that it names for credentials count as no credentials: it was not made for this program.
    ignores_helpers: bool,
}

impl RegistryConfig {
    /// The docker config of a user, who may keep passwords where only other programs find them.
    #[must_use]
    pub fn of_user(config: DockerConfig) -> Self {
        Self { config: Arc::new(RwLock::new(Some(Ok(config)))), ignores_helpers: true }
    }

    /// Takes the file as it is now; none if there is none.
    pub fn set(&self, config: Option<DockerCfg>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// The credentials of a repository, by this file alone.
    #[cfg(test)]
    pub(crate) fn login(&self, host: &str, path: &str) -> Credential {
        self.of(&Repository { host: host.to_owned(), path: path.to_owned() })
    }

    fn of(&self, repository: &Repository) -> Credential {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        match config.as_ref() {
            None => Credential::Anonymous,
            Some(Err(why)) => Credential::Unusable(format!("the file of --registry-config: {why}")),
            Some(Ok(config)) => match config.lookup(repository) {
                Ok(Some(login)) => Credential::Login(login.clone()),
                Ok(None) => Credential::Anonymous,
                Err(Unusable::CredsStore | Unusable::CredHelpers) if self.ignores_helpers => {
                    Credential::Anonymous
                }
                Err(why) => Credential::Unusable(format!("the file of --registry-config: {why}")),
            },
        }
    }
}

/// An entry's own credentials.
enum Own {
    None,
    /// It has some, which are not known here.
    Unknown,
    Read(DockerCfg),
}

/// The credentials of one entry.
struct OfEntry {
    own: Own,
    /// The host that the entry's reference names.
    host: Option<String>,
    file: RegistryConfig,
}

impl Credentials for OfEntry {
    fn of(&self, host: &str, path: &str) -> Credential {
        let Some(host) = normal_host(host) else { return Credential::Anonymous };
        let repository = Repository { host, path: path.to_owned() };
        let found = match &self.own {
            Own::None => return self.file.of(&repository),
            Own::Unknown => {
                return Credential::Unusable("dockerCfg of the entry is not known here".to_owned());
            }
            Own::Read(Err(why)) => return Credential::Unusable(format!("dockerCfg of the entry: {why}")),
            Own::Read(Ok(config)) => config.lookup(&repository),
        };
        match found {
            Ok(Some(login)) => Credential::Login(login.clone()),
            Ok(None) if self.host.as_ref() == Some(&repository.host) => {
                Credential::Unusable("dockerCfg of the entry has no user for it".to_owned())
            }
            Ok(None) => Credential::Anonymous,
            Err(why) => Credential::Unusable(format!("dockerCfg of the entry: {why}")),
        }
    }
}

impl Demand {
    /// The demands of a policy, in its order. `docker_cfg` has the docker config of the first entry with a reference,
    /// which is in normal form; only entries that say to have one are looked up.
    pub fn of_entries(
        entries: Vec<ReadEntry>,
        mut docker_cfg: impl FnMut(&str) -> Option<DockerCfg>,
        file: &RegistryConfig,
    ) -> Vec<Self> {
        let hosts = entries.iter().filter_map(|entry| entry.reference.host());
        let hosts: Arc<BTreeSet<_>> = Arc::new(hosts.map(|host| endpoint(host).to_owned()).collect());
        let demand = |entry: ReadEntry| {
            let own = if entry.credentials {
                docker_cfg(&entry.reference.to_string()).map_or(Own::Unknown, Own::Read)
            } else {
                Own::None
            };
            let host = entry.reference.host().map(ToOwned::to_owned);
            let credentials = Arc::new(OfEntry { own, host, file: file.clone() });
            let authority: String =
                entry.ca.iter().map(gatewright_signatures::key::Certificate::to_pem).collect();
            let authority = (!authority.is_empty()).then(|| authority.into());
            Self { entry, access: Access { authority, named_hosts: hosts.clone(), credentials } }
        };
        entries.into_iter().map(demand).collect()
    }
}
