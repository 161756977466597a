//! Names for secrets: equal for equal secrets, and of no use to anybody who sees one.

use std::fmt;

use gatewright_signatures::docker_config::Credentials as Login;
use sha2::{Digest as _, Sha256};

use crate::registry::Credential;

/// Makes fingerprints with a key of this process.
#[derive(Clone)]
pub struct Fingerprints([u8; 32]);

impl fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprints")
    }
}

impl Fingerprints {
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        if rustls::crypto::ring::default_provider().secure_random.fill(&mut key).is_err() {
            // Fingerprints are then guessable within this process alone, where the secrets are anyway.
            tracing::warn!("the system gives no random bytes");
        }
        Self(key)
    }

    /// The fingerprint of a credential; empty for nobody's.
    #[must_use]
    pub fn of(&self, credential: &Credential) -> String {
        match credential {
            Credential::Anonymous => String::new(),
            Credential::Unusable(_) => "unusable".to_owned(),
            Credential::Login(Login { username, password }) => {
                let mut hash = Sha256::new();
                for part in [self.0.as_slice(), username.as_bytes(), password.as_bytes()] {
                    hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
                    hash.update(part);
                }
                let inner: [u8; 32] = hash.finalize().into();
                gatewright_signatures::Digest::of(&[self.0, inner].concat()).hex()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fingerprints, Login};
    use crate::registry::Credential;

    #[test]
    fn fingerprints_tell_credentials_apart_and_differ_between_processes() {
        let login = |username: &str, password: &str| {
            let password = password.to_owned().into();
            Credential::Login(Login { username: username.to_owned().into(), password })
        };
        let (here, there) = (Fingerprints::new(), Fingerprints::new());
        assert_eq!(here.of(&login("a", "b")), here.of(&login("a", "b")));
        assert_ne!(here.of(&login("a", "b")), here.of(&login("ab", "")));
        assert_ne!(here.of(&login("a", "b")), there.of(&login("a", "b")));
        assert_eq!(here.of(&Credential::Anonymous), "");
    }
}
