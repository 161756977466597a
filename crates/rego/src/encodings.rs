//! `base64.*`, `base64url.decode` and `urlquery.*` as Go reads them.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use regorus::Value;

/// Bits that nobody needs may be set.
const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);

/// The bytes as text. Line ends stand for nothing.
fn decoded(encoding: &GeneralPurpose, text: &str) -> Option<String> {
    let bytes = encoding.decode(text.replace(['\r', '\n'], "")).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// `base64.decode(text)`.
pub fn base64(v: &[Value]) -> Option<Value> {
    Some(decoded(&BASE64, v[0].as_string().ok()?)?.into())
}

/// `base64.is_valid(text)`.
pub fn is_base64(value: &Value) -> bool {
    value.as_string().is_ok_and(|text| decoded(&BASE64, text).is_some())
}

/// `base64url.decode(text)`: the padding may be missing.
pub fn base64_url(v: &[Value]) -> Option<Value> {
    let text: &str = v[0].as_string().ok()?;
    let padding = match text.len() % 4 {
        _ if text.ends_with('=') => "",
        0 => "",
        2 => "==",
        3 => "=",
        _ => return None,
    };
    Some(decoded(&BASE64_URL, &format!("{text}{padding}"))?.into())
}

/// Go's `url.QueryUnescape`.
fn unescaped(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (vec![], text.as_bytes());
    while let [first, behind @ ..] = rest {
        rest = behind;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let [high, low, behind @ ..] = rest else { return None };
                let digit = |byte: u8| char::from(byte).to_digit(16);
                bytes.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
                rest = behind;
            }
            byte => bytes.push(*byte),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// `urlquery.decode(text)`.
pub fn query(v: &[Value]) -> Option<Value> {
    Some(unescaped(v[0].as_string().ok()?)?.into())
}

/// `urlquery.decode_object(text)`.
pub fn query_object(v: &[Value]) -> Option<Value> {
    let mut fields: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
    for field in v[0].as_string().ok()?.split('&').filter(|field| !field.is_empty()) {
        if field.contains(';') {
            return None;
        }
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        fields.entry(unescaped(key)?.into()).or_default().push(unescaped(value)?.into());
    }
    Some(fields.into_iter().map(|(key, values)| (key, values.into())).collect::<BTreeMap<_, _>>().into())
}

/// Go's `url.QueryEscape`.
fn escaped(text: &str) -> String {
    let mut written = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => written.push('+'),
            b'-' | b'_' | b'.' | b'~' => written.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => written.push(char::from(byte)),
            _ => drop(write!(written, "%{byte:02X}")),
        }
    }
    written
}

/// `urlquery.encode(text)`.
pub fn to_query(v: &[Value]) -> Option<Value> {
    Some(escaped(v[0].as_string().ok()?).into())
}

/// `urlquery.encode_object(object)`: fields are texts, or lists or sets of them.
pub fn object_to_query(v: &[Value]) -> Option<Value> {
    let mut fields = vec![];
    for (key, value) in v[0].as_object().ok()?.iter_sorted() {
        let values: Vec<&Value> = match value {
            Value::Array(items) => items.iter().collect(),
            Value::Set(items) => items.iter().collect(),
            text => vec![text],
        };
        for value in values {
            fields.push(format!("{}={}", escaped(key.as_string().ok()?), escaped(value.as_string().ok()?)));
        }
    }
    Some(fields.join("&").into())
}
