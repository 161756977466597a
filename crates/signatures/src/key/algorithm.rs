//! The kinds of keys, and in which ways each of them signs.
//!
//! cosign up to 2.5 signs with SHA-256 whatever the curve and with pure Ed25519; cosign 3 takes the hash of the curve, and
//! Ed25519ph. Either is accepted.

use std::fmt;

use ecdsa::signature::hazmat::PrehashVerifier;
use rsa::pkcs1::RsaPublicKeyRef;
use rsa::pkcs1v15::Pkcs1v15Sign;
use sha2::{Digest, Sha256, Sha384, Sha512};
use spki::der::Decode;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use super::Fault;

/// RSA keys have so many bits.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=4096;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// Other algorithms that people have keys of.
const OTHER_ALGORITHMS: [(ObjectIdentifier, &str); 6] = [
    (RSA_PSS, "RSA-PSS"),
    (ObjectIdentifier::new_unwrap("1.3.101.113"), "Ed448"),
    (ObjectIdentifier::new_unwrap("1.3.101.110"), "X25519"),
    (ObjectIdentifier::new_unwrap("1.2.840.10040.4.1"), "DSA"),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18"), "ML-DSA"),
    (ObjectIdentifier::new_unwrap("1.2.643.7.1.1.1.1"), "GOST"),
];

/// Other curves that people have keys of.
const OTHER_CURVES: [(ObjectIdentifier, &str); 4] = [
    (ObjectIdentifier::new_unwrap("1.3.132.0.10"), "secp256k1"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.33"), "P-224"),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.1"), "P-192"),
    (ObjectIdentifier::new_unwrap("1.3.36.3.3.2.8.1.1.7"), "brainpoolP256r1"),
];

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519.
    Ed25519,
    /// RSA with so many bits.
    Rsa(u32),
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P256 => f.write_str("ECDSA P-256"),
            Self::P384 => f.write_str("ECDSA P-384"),
            Self::P521 => f.write_str("ECDSA P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
        }
    }
}

/// A key, ready to verify.
#[derive(Clone)]
pub(super) enum Verifier {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
    Rsa(Box<rsa::PublicKey>, u32),
}

impl Verifier {
    /// Reads a SubjectPublicKeyInfo.
    pub(super) fn from_der(der: &[u8]) -> Result<Self, Fault> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| Fault::Unreadable)?;
        let key = info.subject_public_key.as_bytes().ok_or(Fault::Unreadable)?;
        match info.algorithm.oid {
            RSA => read_rsa(key),
            ED25519 if info.algorithm.parameters.is_some() => Err(Fault::Unreadable),
            ED25519 => read_ed25519(key),
            EC => {
                let curve = info.algorithm.parameters_oid();
                read_ec(curve.map_err(|_| Fault::Curve("of written-out parameters"))?, key)
            }
            other => Err(Fault::Algorithm(name_of(&OTHER_ALGORITHMS, other))),
        }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::P256(_) => Algorithm::P256,
            Self::P384(_) => Algorithm::P384,
            Self::P521(_) => Algorithm::P521,
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::Rsa(_, bits) => Algorithm::Rsa(*bits),
        }
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let sha256 = Sha256::digest(message);
        match self {
            Self::P256(key) => p256::ecdsa::DerSignature::try_from(signature)
                .is_ok_and(|signature| key.verify_prehash(&sha256, &signature).is_ok()),
            Self::P384(key) => p384::ecdsa::DerSignature::try_from(signature).is_ok_and(|signature| {
                key.verify_prehash(&Sha384::digest(message), &signature).is_ok()
                    || key.verify_prehash(&sha256, &signature).is_ok()
            }),
            Self::P521(key) => p521::ecdsa::DerSignature::try_from(signature).is_ok_and(|signature| {
                key.verify_prehash(&Sha512::digest(message), &signature).is_ok()
                    || key.verify_prehash(&sha256, &signature).is_ok()
            }),
            Self::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature).is_ok_and(|signature| {
                let hashed = Sha512::new_with_prefix(message);
                key.verify_prehashed_strict(hashed, None, &signature).is_ok()
                    || key.verify_strict(message, &signature).is_ok()
            }),
            Self::Rsa(key, _) => key.verify(Pkcs1v15Sign::new::<Sha256>(), &sha256, signature).is_ok(),
        }
    }
}

fn name_of(names: &[(ObjectIdentifier, &'static str)], id: ObjectIdentifier) -> &'static str {
    names.iter().find(|(other, _)| *other == id).map_or("of this kind", |(_, name)| name)
}

fn read_ec(curve: ObjectIdentifier, point: &[u8]) -> Result<Verifier, Fault> {
    match curve {
        P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point)
            .map(Verifier::P256)
            .map_err(|_| Fault::NotOnCurve),
        P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point)
            .map(Verifier::P384)
            .map_err(|_| Fault::NotOnCurve),
        P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point)
            .map(Verifier::P521)
            .map_err(|_| Fault::NotOnCurve),
        other => Err(Fault::Curve(name_of(&OTHER_CURVES, other))),
    }
}

fn read_ed25519(key: &[u8]) -> Result<Verifier, Fault> {
    let bytes = key.try_into().map_err(|_| Fault::Unreadable)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| Fault::NotOnCurve)?;
    // A point that is written in another way than its own counts as another key elsewhere.
    if key.is_weak() || key.to_edwards().compress().to_bytes() != *bytes {
        return Err(Fault::Weak);
    }
    Ok(Verifier::Ed25519(key))
}

fn read_rsa(key: &[u8]) -> Result<Verifier, Fault> {
    let numbers = RsaPublicKeyRef::try_from(key).map_err(|_| Fault::Unreadable)?;
    let bits = bit_length(numbers.modulus.as_bytes());
    if !RSA_BITS.contains(&bits) {
        return Err(Fault::RsaSize(bits));
    }
    let key = rsa::PublicKey::try_from(numbers).map_err(|_| Fault::RsaNumbers)?;
    Ok(Verifier::Rsa(Box::new(key), bits))
}

/// The bits of a big-endian number.
fn bit_length(bytes: &[u8]) -> u32 {
    let leading: u32 = match bytes.iter().position(|byte| *byte != 0) {
        Some(position) => {
            let zeros = bytes.get(position).map_or(0, |byte| byte.leading_zeros());
            u32::try_from(position).unwrap_or(u32::MAX).saturating_mul(8).saturating_add(zeros)
        }
        None => return 0,
    };
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).saturating_mul(8).saturating_sub(leading)
}
