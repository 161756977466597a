//! What the Secret with the verifier's serving certificate holds, without its keys.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};
use zeroize::Zeroize as _;

use crate::watch::cache::Entry;
use crate::watch::desired::digest;
use crate::watch::live::is_ours;

/// The entries of the Secret with the pair that is served: certificate and key.
pub(crate) const PAIR: (&str, &str) = ("tls.crt", "tls.key");
/// Those with the pair that comes next.
pub(crate) const NEXT: (&str, &str) = ("next.crt", "next.key");
/// The entry with the certificates that were served before and have not ended.
pub(crate) const PREVIOUS: &str = "previous.crt";

/// No certificates beyond this number are read from one entry.
const MOST: usize = 8;

/// A certificate of the verifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Certificate {
    /// The SHA-256 of it, as hexadecimal digits.
    pub(crate) fingerprint: String,
    /// As PEM.
    pub(crate) pem: String,
    /// The hosts that it is for.
    pub(crate) hosts: Vec<String>,
    /// From when it is valid.
    pub(crate) begins: Timestamp,
    /// Until when.
    pub(crate) ends: Timestamp,
}

impl Certificate {
    /// Reads one that is its own authority and nobody else's; no other is of use.
    fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let read = x509_cert::Certificate::from_der(der).ok()?;
        let read = read.tbs_certificate();
        let is_authority =
            read.get_extension::<BasicConstraints>().ok()?.is_some_and(|(_, constraints)| constraints.ca);
        if is_authority || read.issuer() != read.subject() {
            return None;
        }
        let (_, SubjectAltName(names)) = read.get_extension().ok()??;
        let time = |of: x509_cert::time::Time| {
            Timestamp::from_second(i64::try_from(of.to_unix_duration().as_secs()).ok()?).ok()
        };
        Some(Self {
            fingerprint: digest(der),
            pem: pem(der),
            hosts: names.iter().filter_map(host).collect(),
            begins: time(read.validity().not_before)?,
            ends: time(read.validity().not_after)?,
        })
    }

    /// Whether it is for this host.
    pub(crate) fn is_for(&self, host: &str) -> bool {
        let address = host.parse::<IpAddr>().ok();
        self.hosts.iter().any(|it| match address {
            Some(address) => it.parse() == Ok(address),
            None => it.eq_ignore_ascii_case(host),
        })
    }

    /// Whether it is valid at this time.
    pub(crate) fn is_valid_at(&self, time: Timestamp) -> bool {
        self.begins <= time && time < self.ends
    }
}

fn host(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
        GeneralName::IpAddress(bytes) => address(bytes.as_bytes()).map(|address| address.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = || <[u8; 4]>::try_from(bytes).map(|it| IpAddr::V4(Ipv4Addr::from(it)));
    four().or_else(|_| <[u8; 16]>::try_from(bytes).map(|it| IpAddr::V6(Ipv6Addr::from(it)))).ok()
}

/// A certificate as PEM, written as everybody writes it: the same certificate is always the same text.
fn pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for (number, character) in STANDARD.encode(der).chars().enumerate() {
        if number > 0 && number % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END CERTIFICATE-----\n");
    text
}

/// The certificates in a text as PEM, each once; what is no certificate of the verifier is left out.
pub(crate) fn certificates(text: &[u8]) -> Vec<Certificate> {
    let read = CertificateDer::pem_slice_iter(text).take(MOST).filter_map(Result::ok);
    let mut certificates = Vec::<Certificate>::new();
    for certificate in read.filter_map(|der| Certificate::read(&der)) {
        if !certificates.contains(&certificate) {
            certificates.push(certificate);
        }
    }
    certificates
}

/// One pair of the Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Neither certificate nor key.
    #[default]
    Nothing,
    /// One of the two alone, or what cannot be served.
    Unusable,
    /// A certificate with its key.
    Held(Certificate),
}

impl Slot {
    /// The certificate, if there is one with its key.
    pub(crate) fn certificate(&self) -> Option<&Certificate> {
        match self {
            Self::Held(certificate) => Some(certificate),
            Self::Nothing | Self::Unusable => None,
        }
    }
}

/// The Secret, without its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    pub(crate) ours: bool,
    /// The pair that is served.
    pub(crate) pair: Slot,
    /// The pair that comes next.
    pub(crate) next: Slot,
    /// The certificates that were served before.
    pub(crate) previous: Vec<Certificate>,
}

impl From<Secret> for Held {
    /// The values are wiped from memory once they are read.
    fn from(mut secret: Secret) -> Self {
        let mut data = secret.data.take().unwrap_or_default();
        let previous = data.get(PREVIOUS).map(|text| certificates(&text.0)).unwrap_or_default();
        let held = Self {
            ours: is_ours(&secret.metadata),
            uid: secret.metadata.uid.unwrap_or_default(),
            resource_version: secret.metadata.resource_version.unwrap_or_default(),
            pair: slot(&data, PAIR),
            next: slot(&data, NEXT),
            previous,
        };
        wipe(&mut data);
        held
    }
}

/// Overwrites the values of a Secret.
pub(crate) fn wipe(data: &mut BTreeMap<String, ByteString>) {
    for value in data.values_mut() {
        value.0.zeroize();
    }
}

fn slot(data: &BTreeMap<String, ByteString>, (certificate, key): (&str, &str)) -> Slot {
    let entry = |name| data.get(name).map(|value| value.0.as_slice()).filter(|value| !value.is_empty());
    match (entry(certificate), entry(key)) {
        (None, None) => Slot::Nothing,
        (Some(certificate), Some(key)) => pair(certificate, key).map_or(Slot::Unusable, Slot::Held),
        _ => Slot::Unusable,
    }
}

/// The one certificate, if the key is its own.
fn pair(certificate: &[u8], key: &[u8]) -> Option<Certificate> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(certificate).take(MOST).collect::<Result<_, _>>().ok()?;
    let [der] = &chain[..] else { return None };
    let read = Certificate::read(der)?;
    let mut key = PrivateKeyDer::from_pem_slice(key).ok()?;
    let signing = any_supported_type(&key);
    key.zeroize();
    CertifiedKey::new(chain, signing.ok()?).keys_match().ok()?;
    Some(read)
}

impl Entry for Held {
    /// Who else wrote into its metadata is no news.
    fn same(&self, other: &Self) -> bool {
        let Self { uid, resource_version: _, ours, pair, next, previous } = self;
        (uid, ours, pair) == (&other.uid, &other.ours, &other.pair)
            && (next, previous) == (&other.next, &other.previous)
    }
}

#[cfg(test)]
mod tests;
