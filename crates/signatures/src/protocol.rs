//! What Gatekeeper and the verifier say to each other: the external data protocol, and our keys and answers in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bounds::{KEY_BYTES, REQUEST_KEYS};
use crate::class::{Class, Failure};
use crate::digest::Digest;

/// The version of Gatekeeper's external data.
pub const API_VERSION: &str = "externaldata.gatekeeper.sh/v1beta1";

/// The path that Gatekeeper asks.
pub const PATH: &str = "/v1/verify";

/// How long a passed tag keeps its key, in seconds: see [`Key::window`].
pub const WINDOW_SECONDS: u64 = 30;

/// Gatekeeper's request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderRequest {
    /// [`API_VERSION`].
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// `ProviderRequest`.
    pub kind: String,
    /// What is asked.
    pub request: Request,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Texts of [`Key`]s.
    pub keys: Vec<String>,
}

/// What the template asks about one image: the JSON text of a key of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The name of the constraint.
    pub constraint: String,
    /// The image as the container has it; any text.
    pub image: String,
    /// The revision of the constraint.
    pub revision: String,
    /// Whether somebody waits: an admission, not an audit.
    pub wait: bool,
    /// For an image without `@` the number of the half minute, else 0. It ends the life of Gatekeeper's cached answer.
    pub window: u64,
}

impl Key {
    /// Reads a key of a request; `None` is no key of ours, which gets no answer.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > KEY_BYTES {
            return None;
        }
        serde_json::from_str(text).ok()
    }
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It is no request of Gatekeeper.
    #[error("the body is no ProviderRequest")]
    Malformed,
    /// It has too many keys.
    #[error("the request has more than {REQUEST_KEYS} keys")]
    TooManyKeys,
}

impl ProviderRequest {
    /// Reads the body of a request: its keys, none twice.
    ///
    /// # Errors
    /// It is no request, or exceeds a bound.
    pub fn parse(body: &[u8]) -> Result<Vec<String>, RequestError> {
        let request: Self = serde_json::from_slice(body).map_err(|_| RequestError::Malformed)?;
        if request.request.keys.len() > REQUEST_KEYS {
            return Err(RequestError::TooManyKeys);
        }
        let mut keys = vec![];
        for key in request.request.keys {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok(keys)
    }
}

/// The verifier's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderResponse {
    /// [`API_VERSION`].
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// `ProviderResponse`.
    pub kind: String,
    /// The answer.
    pub response: Response,
}

/// The answer: what passes are items, all else stands in `system_error`, which Gatekeeper never caches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// Always true.
    pub idempotent: bool,
    /// The images that pass.
    #[serde(default)]
    pub items: Vec<Item>,
    /// The JSON text of a map from images to [`Refusal`]s; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub system_error: String,
}

/// An image that passes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The key as it was asked.
    pub key: String,
    /// The outcome.
    pub value: Passed,
}

impl Item {
    const fn new(key: String, class: Class, digest: String) -> Self {
        Self { key, value: Passed { class, digest } }
    }
}

/// The outcome of an image that passes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// `verified` or `not-covered`.
    pub class: Class,
    /// The digest that was verified; empty if nothing covers the image.
    pub digest: String,
}

/// Why an image does not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The class.
    pub class: Class,
    /// What people read, at most [`crate::bounds::TEXT_BYTES`] bytes.
    pub text: String,
    /// The reference of the entry that is not satisfied; empty where none is.
    pub reference: String,
    /// The digest, if it is known; else empty.
    pub digest: String,
}

/// The outcome for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every covering entry is satisfied by the signatures of this digest.
    Verified(Digest),
    /// No entry covers the image.
    NotCovered,
    /// The image does not pass.
    Refused {
        /// Why.
        failure: Failure,
        /// The reference of the entry that is not satisfied.
        reference: Option<String>,
        /// The digest, if it is known.
        digest: Option<Digest>,
    },
}

impl Outcome {
    /// The class.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Verified(_) => Class::Verified,
            Self::NotCovered => Class::NotCovered,
            Self::Refused { failure, .. } => failure.class,
        }
    }

    /// A refusal that concerns no entry.
    #[must_use]
    pub const fn refused(failure: Failure) -> Self {
        Self::Refused { failure, reference: None, digest: None }
    }
}

impl ProviderResponse {
    /// The answer to these keys. Each is the text of the key, the image it asks about, and the outcome.
    ///
    /// # Errors
    /// Never: texts and classes are JSON.
    pub fn new(
        outcomes: impl IntoIterator<Item = (String, String, Outcome)>,
    ) -> Result<Self, serde_json::Error> {
        let mut items = vec![];
        let mut refusals = BTreeMap::new();
        for (key, image, outcome) in outcomes {
            let class = outcome.class();
            match outcome {
                Outcome::Verified(digest) => items.push(Item::new(key, class, digest.to_string())),
                Outcome::NotCovered => items.push(Item::new(key, class, String::new())),
                // A failure can have no passing class, so that an item is made for a pass alone.
                Outcome::Refused { failure, reference, digest } => {
                    let refusal = Refusal {
                        class,
                        text: failure.text(),
                        reference: reference.unwrap_or_default(),
                        digest: digest.map_or_else(String::new, |digest| digest.to_string()),
                    };
                    refusals.insert(image, refusal);
                }
            }
        }
        let system_error =
            if refusals.is_empty() { String::new() } else { serde_json::to_string(&refusals)? };
        Ok(Self {
            api_version: API_VERSION.to_owned(),
            kind: "ProviderResponse".to_owned(),
            response: Response { idempotent: true, items, system_error },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_key_is_what_the_template_writes() {
        let text = r#"{"constraint":"p","image":"a|b\n\"é","revision":"3f","wait":true,"window":59000000}"#;
        let key = Key::parse(text).unwrap();
        assert_eq!((key.image.as_str(), key.wait, key.window), ("a|b\n\"é", true, 59_000_000));
        assert_eq!(serde_json::to_string(&key).unwrap(), text);
    }

    #[test]
    fn what_is_no_key_gets_nothing() {
        for text in [
            "",
            "nginx",
            "[]",
            r#"{"constraint":"p","image":"a","revision":"r","wait":true}"#,
            r#"{"constraint":"p","image":"a","image":"b","revision":"r","wait":true,"window":0}"#,
            r#"{"constraint":"p","image":"a","revision":"r","wait":true,"window":0,"more":1}"#,
            r#"{"constraint":"p","image":"a","revision":"r","wait":true,"window":-1}"#,
            r#"{"constraint":"p","image":"a","revision":"r","wait":"true","window":0}"#,
        ] {
            assert_eq!(Key::parse(text), None, "{text}");
        }
        let long = json!({"constraint": "p", "image": "a".repeat(KEY_BYTES), "revision": "r", "wait": true, "window": 0});
        assert_eq!(Key::parse(&long.to_string()), None);
    }

    #[test]
    fn a_request_has_each_key_once() {
        let body = |keys: Vec<String>| {
            let request =
                json!({"apiVersion": API_VERSION, "kind": "ProviderRequest", "request": {"keys": keys}});
            request.to_string().into_bytes()
        };
        let keys = ProviderRequest::parse(&body(vec!["a".into(), "b".into(), "a".into()]));
        assert_eq!(keys.unwrap(), ["a", "b"]);
        let many = (0..=REQUEST_KEYS).map(|number| number.to_string()).collect();
        assert_eq!(ProviderRequest::parse(&body(many)), Err(RequestError::TooManyKeys));
        assert_eq!(ProviderRequest::parse(b"{}"), Err(RequestError::Malformed));
    }

    #[test]
    fn only_a_pass_is_an_item() {
        let digest = Digest::of(b"");
        let refused = Outcome::Refused {
            failure: Class::Unsigned.plain(),
            reference: Some("r.io/*".into()),
            digest: Some(digest),
        };
        let outcomes = [
            ("k1".to_owned(), "r.io/a".to_owned(), Outcome::Verified(digest)),
            ("k2".to_owned(), "b".to_owned(), Outcome::NotCovered),
            ("k3".to_owned(), "r.io/c".to_owned(), refused),
        ];
        let answer = serde_json::to_value(ProviderResponse::new(outcomes).unwrap()).unwrap();
        assert_eq!(
            answer["response"]["items"],
            json!([
                {"key": "k1", "value": {"class": "verified", "digest": digest}},
                {"key": "k2", "value": {"class": "not-covered", "digest": ""}},
            ])
        );
        let errors: Value =
            serde_json::from_str(answer["response"]["systemError"].as_str().unwrap()).unwrap();
        let text = "it has no cosign signature";
        assert_eq!(
            errors,
            json!({"r.io/c": {"class": "unsigned", "text": text, "reference": "r.io/*", "digest": digest}})
        );
    }

    #[test]
    fn without_a_refusal_there_is_no_system_error() {
        let outcomes = [("k".to_owned(), "b".to_owned(), Outcome::NotCovered)];
        let answer = serde_json::to_value(ProviderResponse::new(outcomes).unwrap()).unwrap();
        assert_eq!(answer["response"].get("systemError"), None);
    }
}
