//! Whom TLS trusts: the system's roots, or Mozilla's where the system has none, and the authorities that an entry or
//! the settings add.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tracing::debug;

/// The trusted roots of every connection.
#[derive(Clone, Debug)]
pub(crate) struct Roots(Arc<RootCertStore>);

/// A certificate authority that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate authority cannot be read")]
pub(crate) struct BadAuthority;

impl Roots {
    /// The roots of the system (`SSL_CERT_FILE`, `SSL_CERT_DIR`), else Mozilla's: an image without any file is usual.
    pub(crate) fn load() -> Self {
        let mut store = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        let (added, ignored) = store.add_parsable_certificates(found.certs);
        if added == 0 {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        debug!(added, ignored, "loaded the system's certificate authorities");
        Self(Arc::new(store))
    }

    /// The configuration of a client that trusts these authorities, too.
    ///
    /// # Errors
    /// One of them is no PEM certificate.
    pub(crate) fn client_config<'a>(
        &self,
        authorities: impl Iterator<Item = &'a str>,
    ) -> Result<ClientConfig, BadAuthority> {
        let mut store = RootCertStore::clone(&self.0);
        for pem in authorities {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                store.add(certificate.map_err(|_| BadAuthority)?).map_err(|_| BadAuthority)?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| BadAuthority)?;
        let mut config = builder.with_root_certificates(store).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::Roots;

    #[test]
    fn an_authority_is_added_or_refused() {
        let roots = Roots::load();
        let made = rcgen::generate_simple_self_signed(["r.example".to_owned()]).unwrap();
        let pem = made.cert.pem();
        assert!(!roots.0.roots.is_empty());
        assert!(roots.client_config([pem.as_str()].into_iter()).is_ok());
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(roots.client_config([broken].into_iter()).is_err());
    }
}
