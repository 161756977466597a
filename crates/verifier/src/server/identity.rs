//! Who the verifier is, and whom it answers: its serving certificate, and the authority and names of Gatekeeper's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{RootCertStore, ServerConfig};
use tokio::time::Instant;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// How long an authority is trusted that Gatekeeper has replaced: its Pods may still have certificates of it.
const OLD_AUTHORITY: Duration = Duration::from_mins(10);

/// Who the verifier is, and whom it answers.
#[derive(Clone, Debug)]
pub struct Identity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    pair: Option<Pair>,
    clients: Clients,
    /// The configuration that all this makes; none where it changed since.
    config: Option<Arc<ServerConfig>>,
}

#[derive(Clone, Debug)]
struct Pair {
    key: Arc<CertifiedKey>,
    not_after: i64,
}

#[derive(Debug)]
struct Clients {
    /// Whether Gatekeeper must prove who it is.
    required: bool,
    /// PEM bundle of its authority as it is now; empty where it is not known.
    authority: String,
    /// What it was before, and until when that is trusted.
    old: Vec<(String, Instant)>,
    /// The names, any of which its certificate has.
    names: Vec<ServerName<'static>>,
}

/// A pair of certificate and key that cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPair {
    /// The certificate.
    #[error("the certificate cannot be read")]
    Certificate,
    /// The key.
    #[error("the key cannot be read")]
    Key,
    /// They do not belong together.
    #[error("the key is not that of the certificate")]
    Mismatch,
}

impl Identity {
    /// Nobody yet. `clients_prove_themselves` says whether calls need Gatekeeper's certificate.
    #[must_use]
    pub fn new(clients_prove_themselves: bool) -> Self {
        let clients = Clients {
            required: clients_prove_themselves,
            authority: String::new(),
            old: vec![],
            names: vec![],
        };
        Self(Arc::new(Mutex::new(State { pair: None, clients, config: None })))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether calls need Gatekeeper's certificate.
    pub fn set_required(&self, clients_prove_themselves: bool) {
        self.with(|state| state.clients.required = clients_prove_themselves);
    }

    /// Takes another pair, both in PEM. The one before stays where this fails.
    ///
    /// # Errors
    /// It cannot be served.
    pub fn set_pair(&self, certificate: &[u8], key: &[u8]) -> Result<(), BadPair> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(BadPair::Certificate)?;
        let first = chain.first().ok_or(BadPair::Certificate)?;
        let read = Certificate::from_der(first).map_err(|_| BadPair::Certificate)?;
        let not_after = read.tbs_certificate().validity().not_after.to_unix_duration().as_secs();
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| BadPair::Key)?;
        let provider = rustls::crypto::ring::default_provider();
        let key = provider.key_provider.load_private_key(key).map_err(|_| BadPair::Key)?;
        let key = CertifiedKey::new(chain, key);
        key.keys_match().map_err(|_| BadPair::Mismatch)?;
        let not_after = i64::try_from(not_after).unwrap_or(i64::MAX);
        self.with(|state| {
            state.pair = Some(Pair { key: Arc::new(key), not_after });
            state.config = None;
        });
        Ok(())
    }

    /// Takes Gatekeeper's authority (PEM) and names as they are now. An authority that it replaces counts for 10 minutes
    /// more; an empty one replaces none.
    pub fn set_clients(&self, authority: &str, names: &[String]) {
        let names = names.iter().filter_map(|name| ServerName::try_from(name.clone()).ok()).collect();
        self.with(|state| {
            let clients = &mut state.clients;
            clients.names = names;
            if !authority.is_empty() && clients.authority != authority {
                let old = std::mem::replace(&mut clients.authority, authority.to_owned());
                clients.old.retain(|(known, _)| known != authority);
                if !old.is_empty() {
                    clients.old.push((old, Instant::now() + OLD_AUTHORITY));
                }
                state.config = None;
            }
        });
    }

    /// Lets authorities that were replaced count until then.
    #[cfg(test)]
    pub(super) fn trust_old_until(&self, end: Instant) {
        self.with(|state| state.clients.old.iter_mut().for_each(|(_, until)| *until = end));
    }

    /// When the serving certificate ends, in seconds since 1970.
    #[must_use]
    pub fn not_after(&self) -> Option<i64> {
        self.with(|state| state.pair.as_ref().map(|pair| pair.not_after))
    }

    /// What is missing to answer calls.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        self.with(|state| {
            let clients = &state.clients;
            let pair = state.pair.is_none().then(|| "no serving certificate".to_owned());
            let authority = clients.required && (clients.authority.is_empty() || clients.names.is_empty());
            let authority =
                authority.then(|| "the authority of Gatekeeper's certificate is not known".to_owned());
            pair.into_iter().chain(authority).collect()
        })
    }

    /// Whether this certificate, which the handshake has found valid, is Gatekeeper's.
    pub(super) fn allows(&self, certificate: Option<&CertificateDer<'_>>) -> bool {
        self.with(|state| {
            if !state.clients.required {
                return true;
            }
            let Some(certificate) = certificate else { return false };
            let Ok(parsed) = ParsedCertificate::try_from(certificate) else { return false };
            state.clients.names.iter().any(|name| verify_server_name(&parsed, name).is_ok())
        })
    }

    /// The configuration for the next connection; none without a pair.
    pub(super) fn config(&self) -> Option<Arc<ServerConfig>> {
        self.with(|state| {
            let now = Instant::now();
            if state.clients.old.iter().any(|(_, until)| *until <= now) {
                state.clients.old.retain(|(_, until)| *until > now);
                state.config = None;
            }
            if state.config.is_none() {
                state.config = state.build();
            }
            state.config.clone()
        })
    }
}

impl State {
    fn build(&self) -> Option<Arc<ServerConfig>> {
        let pair = self.pair.as_ref()?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        let old = self.clients.old.iter().map(|(authority, _)| authority);
        for bundle in old.chain([&self.clients.authority]) {
            let certificates = CertificateDer::pem_slice_iter(bundle.as_bytes()).filter_map(Result::ok);
            roots.add_parsable_certificates(certificates);
        }
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(&[&TLS13]).ok()?;
        // The operator asks for the status without a certificate, so none is demanded here, but by path.
        let verifier = (!roots.is_empty()).then(|| {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            verifier.allow_unauthenticated().build().ok()
        });
        let builder = match verifier.flatten() {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let resolver = rustls::sign::SingleCertAndKey::from(CertifiedKey::clone(&pair.key));
        let mut config = builder.with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Some(Arc::new(config))
    }
}
