//! `crypto.*`: digests as text.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use regorus::Value;
use sha2::{Digest, Sha256, Sha512};

fn hexadecimal(bytes: &[u8]) -> Value {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

/// `crypto.sha256(text)`.
pub fn sha256(v: &[Value]) -> Option<Value> {
    Some(hexadecimal(&Sha256::digest(v[0].as_string().ok()?.as_bytes())))
}

/// `crypto.hmac.sha256(text, key)`.
pub fn hmac_sha256(v: &[Value]) -> Option<Value> {
    signed::<Hmac<Sha256>>(v)
}

/// `crypto.hmac.sha512(text, key)`.
pub fn hmac_sha512(v: &[Value]) -> Option<Value> {
    signed::<Hmac<Sha512>>(v)
}

fn signed<M: Mac + KeyInit>(v: &[Value]) -> Option<Value> {
    let mut mac = <M as KeyInit>::new_from_slice(v[1].as_string().ok()?.as_bytes()).ok()?;
    mac.update(v[0].as_string().ok()?.as_bytes());
    Some(hexadecimal(&mac.finalize().into_bytes()))
}

/// `crypto.hmac.equal(one, other)`.
pub fn equal(v: &[Value]) -> Option<Value> {
    Some((v[0].as_string().ok()? == v[1].as_string().ok()?).into())
}
