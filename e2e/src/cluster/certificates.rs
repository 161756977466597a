//! The certificates of a cluster: one authority, one server certificate, one for each client.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::tools::files;

/// The first address of the service range: what `kubernetes.default` resolves to.
pub const SERVICE_RANGE: &str = "10.96.0.0/16";
const FIRST_SERVICE_ADDRESS: &str = "10.96.0.1";

/// The certificate files of a cluster; the names of the serving pair are those Gatekeeper looks for.
#[derive(Debug, Clone)]
pub struct Files {
    directory: PathBuf,
}

impl Files {
    pub fn new(cluster: &Path) -> Self {
        Self { directory: cluster.join("certs") }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn authority(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }

    pub fn server(&self) -> PathBuf {
        self.directory.join("tls.crt")
    }

    pub fn server_key(&self) -> PathBuf {
        self.directory.join("tls.key")
    }

    pub fn service_account_key(&self) -> PathBuf {
        self.directory.join("service-account.key")
    }

    pub fn service_account_public_key(&self) -> PathBuf {
        self.directory.join("service-account.pub")
    }
}

/// A certificate or a pair of certificate and key as PEM.
#[derive(Debug)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// The authority that signs all certificates of one cluster.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "gatewright-e2e");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for servers on loopback. Gatekeeper's serving pair is also what it shows to providers of external
    /// data, and those that demand a certificate look at its usage.
    pub fn server(&self) -> Result<Pair> {
        let names = ["localhost", "127.0.0.1", FIRST_SERVICE_ADDRESS, "kubernetes.default.svc"];
        let mut params = CertificateParams::new(names.map(str::to_owned))?;
        params.distinguished_name.push(DnType::CommonName, "gatewright-e2e-server");
        self.sign(params, &[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth])
    }

    /// A certificate that makes its bearer `user`, in `group` if there is one.
    pub fn client(&self, user: &str, group: Option<&str>) -> Result<Pair> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        self.sign(params, &[ExtendedKeyUsagePurpose::ClientAuth])
    }

    fn sign(&self, mut params: CertificateParams, usages: &[ExtendedKeyUsagePurpose]) -> Result<Pair> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages.to_vec();
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Writes the authority, the serving pair and the key that signs `ServiceAccount` tokens.
    pub fn write(&self, files: &Files) -> Result<()> {
        let server = self.server()?;
        files::write(&files.authority(), self.certificate())?;
        files::write(&files.server(), server.certificate)?;
        files::write(&files.server_key(), server.key)?;
        let tokens = KeyPair::generate()?;
        files::write(&files.service_account_key(), tokens.serialize_pem())?;
        files::write(&files.service_account_public_key(), tokens.public_key_pem())
    }
}
