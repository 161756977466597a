//! Public keys of entries, and certificates of registries.
//!
//! What cannot be used is refused when the policy compiles, by the position of the key and with what to do. The text of a
//! key is never repeated: a private key may have been pasted.

mod algorithm;
mod certificate;
mod pem;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;

pub use algorithm::Algorithm;
pub use certificate::{Certificate, read_certificates};

use crate::bounds::{KEY_CHARACTERS, KEYS};
use algorithm::Verifier;
use pem::Block;

/// A public key that signatures are verified with.
#[derive(Clone)]
pub struct PublicKey {
    verifier: Verifier,
    pem: String,
}

/// Why a key or certificate cannot be used. No variant has any of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no PEM block.
    #[error("there is no PEM block: a key begins with -----BEGIN PUBLIC KEY-----")]
    NoBlock,
    /// A block without its end, or with what is neither base64 nor DER.
    #[error("the PEM block cannot be read: it may be cut off or its line breaks may be lost")]
    Unreadable,
    /// A private key.
    #[error(
        "this is a private key: take it out and replace the pair, since whoever can read this has it; the \
         public key is what `cosign public-key --key KEY` or `openssl pkey -in KEY -pubout` prints"
    )]
    PrivateKey,
    /// A private key where certificates are wanted.
    #[error(
        "this is a private key: take it out and replace the pair, since whoever can read this has it; a \
         certificate is wanted, which begins with -----BEGIN CERTIFICATE-----"
    )]
    PrivateKeyForCertificate,
    /// `RSA PUBLIC KEY`.
    #[error(
        "this is a key in the form PKCS#1: convert it with `openssl rsa -RSAPublicKey_in -in KEY -pubout`"
    )]
    RsaPublicKey,
    /// `CERTIFICATE`.
    #[error("this is a certificate: take its key with `openssl x509 -in CERTIFICATE -noout -pubkey`")]
    Certificate,
    /// Another label.
    #[error("the PEM block is of another kind than PUBLIC KEY")]
    OtherBlock,
    /// An RSA key of another size.
    #[error("an RSA key has 2048 to 4096 bits, this one has {0}")]
    RsaSize(u32),
    /// RSA with numbers that make no key.
    #[error("modulus and exponent are those of no RSA key")]
    RsaNumbers,
    /// A curve that cosign's keys do not have.
    #[error("the curve {0} is not supported: use P-256, P-384 or P-521")]
    Curve(&'static str),
    /// An algorithm that cosign's keys do not have.
    #[error("{0} keys are not supported: use ECDSA (P-256), Ed25519 or RSA")]
    Algorithm(&'static str),
    /// A point that is not on its curve.
    #[error("the key is no point of its curve")]
    NotOnCurve,
    /// A point of small order: signatures by it prove nothing.
    #[error("the key is weak: everybody could sign with it")]
    Weak,
    /// More text than allowed.
    #[error("the text has more than {0} characters")]
    TooLong(usize),
    /// More PEM blocks than allowed.
    #[error("an entry has at most {KEYS} keys")]
    TooMany,
    /// A certificate is wanted.
    #[error("there is no certificate: it begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// Another block where certificates are wanted.
    #[error("the PEM block is of another kind than CERTIFICATE")]
    NotCertificate,
}

/// A key that cannot be used, by its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError {
    /// The position in `publicKeys`, from 0.
    pub key: usize,
    /// The PEM block of it, from 1, if it has several.
    pub block: Option<usize>,
    /// Why.
    pub fault: Fault,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "publicKeys[{}]: ", self.key)?;
        if let Some(block) = self.block {
            write!(f, "PEM block {block}: ")?;
        }
        fmt::Display::fmt(&self.fault, f)
    }
}

impl std::error::Error for KeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        None
    }
}

/// All keys of an entry that cannot be used: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyErrors(pub Vec<KeyError>);

impl fmt::Display for KeyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            let between = if number == 0 { "" } else { "; " };
            write!(f, "{between}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for KeyErrors {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        None
    }
}

/// The keys of an entry: the blocks of all texts in order, none twice.
///
/// # Errors
/// All that cannot be used, private keys first.
pub fn read_keys(texts: &[impl AsRef<str>]) -> Result<Vec<PublicKey>, KeyErrors> {
    let mut keys: Vec<PublicKey> = vec![];
    let mut faults = vec![];
    let mut count = 0;
    for (key, text) in texts.iter().enumerate() {
        let mut fault = |block, fault| faults.push(KeyError { key, block, fault });
        let blocks = match read_blocks(text.as_ref()) {
            Ok(blocks) => blocks,
            Err(error) => {
                fault(None, error);
                continue;
            }
        };
        count += blocks.len();
        if count > KEYS {
            fault(None, Fault::TooMany);
            break;
        }
        for (number, block) in (1..).zip(&blocks) {
            match PublicKey::from_block(block) {
                Ok(read) if keys.contains(&read) => {}
                Ok(read) => keys.push(read),
                Err(error) => fault((blocks.len() > 1).then_some(number), error),
            }
        }
    }
    if keys.is_empty() && faults.is_empty() {
        faults.push(KeyError { key: 0, block: None, fault: Fault::NoBlock });
    }
    faults.sort_by_key(|error| error.fault != Fault::PrivateKey);
    if faults.is_empty() { Ok(keys) } else { Err(KeyErrors(faults)) }
}

fn read_blocks(text: &str) -> Result<Vec<Block<'_>>, Fault> {
    if pem::has_private_key(text) {
        return Err(Fault::PrivateKey);
    }
    if text.chars().count() > KEY_CHARACTERS {
        return Err(Fault::TooLong(KEY_CHARACTERS));
    }
    let blocks = pem::blocks(text)?;
    if blocks.is_empty() { Err(Fault::NoBlock) } else { Ok(blocks) }
}

impl PublicKey {
    /// Reads one key: a text with one PEM block `PUBLIC KEY`.
    ///
    /// # Errors
    /// It cannot be used, or there are several.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        match &read_blocks(text)?[..] {
            [block] => Self::from_block(block),
            _ => Err(Fault::TooMany),
        }
    }

    fn from_block(block: &Block<'_>) -> Result<Self, Fault> {
        match block.label {
            "PUBLIC KEY" => {}
            "RSA PUBLIC KEY" => return Err(Fault::RsaPublicKey),
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => return Err(Fault::Certificate),
            _ => return Err(Fault::OtherBlock),
        }
        let der = block.decode()?;
        let verifier = Verifier::from_der(&der)?;
        Ok(Self { verifier, pem: pem::encode("PUBLIC KEY", &der)? })
    }

    /// Whether this is a signature over the message by this key, in one of the ways that cosign signs with such keys.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verifies(message, signature)
    }

    /// The kind of key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.verifier.algorithm()
    }

    /// The key in PEM, with line feeds.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.pem.clone()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.pem == other.pem
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.algorithm())
    }
}
