//! Certificates that an entry adds to the trusted roots.

use rustls_pki_types::CertificateDer;

use super::{Fault, pem};
use crate::bounds::CA_CHARACTERS;

/// A certificate that TLS can take for a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: CertificateDer<'static>,
    pem: String,
}

impl Certificate {
    /// The certificate in DER.
    #[must_use]
    pub const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The certificate in PEM, with line feeds.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.pem.clone()
    }
}

/// The certificates of `ca`, none twice.
///
/// # Errors
/// There is none, or something that is none.
pub fn read_certificates(text: &str) -> Result<Vec<Certificate>, Fault> {
    if pem::has_private_key(text) {
        return Err(Fault::PrivateKeyForCertificate);
    }
    if text.chars().count() > CA_CHARACTERS {
        return Err(Fault::TooLong(CA_CHARACTERS));
    }
    let mut certificates = vec![];
    for block in pem::blocks(text)? {
        if block.label != "CERTIFICATE" {
            return Err(Fault::NotCertificate);
        }
        let der = CertificateDer::from(block.decode()?);
        webpki::anchor_from_trusted_cert(&der).map_err(|_| Fault::Unreadable)?;
        let certificate = Certificate { pem: pem::encode("CERTIFICATE", &der)?, der };
        if !certificates.contains(&certificate) {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(Fault::NoCertificate) } else { Ok(certificates) }
}
