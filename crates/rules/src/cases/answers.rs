//! What the verifier says of the images in a case.

use std::collections::BTreeMap;
use std::fmt;

use gatewright_signatures::protocol::{Key, Outcome, ProviderResponse, Response};
use gatewright_signatures::{Class, Digest};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// `answers` of a case: `{IMAGE: CLASS}`, or `down`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answers {
    /// The outcome of each image. One that is not listed gets neither an item nor a refusal.
    Of(BTreeMap<String, Class>),
    /// The verifier gives no answer that can be read.
    Down,
}

/// What `answers` is instead of a map.
const DOWN: &str = "down";

/// The reference that all refusals name.
pub const REFERENCE: &str = "registry.example.com/*";

impl Answers {
    /// The answer to the keys of a call; none while the verifier is down.
    #[must_use]
    pub fn response(&self, keys: &[String]) -> Option<Response> {
        let Self::Of(classes) = self else { return None };
        let outcomes = keys.iter().filter_map(|text| {
            let Key { image, .. } = Key::parse(text)?;
            let outcome = outcome(&image, *classes.get(&image)?);
            Some((text.clone(), image, outcome))
        });
        ProviderResponse::new(outcomes).ok().map(|answer| answer.response)
    }
}

fn outcome(image: &str, class: Class) -> Outcome {
    let digest = Digest::of(image.as_bytes());
    match class {
        Class::Verified => Outcome::Verified(digest),
        Class::NotCovered => Outcome::NotCovered,
        refused => Outcome::Refused {
            failure: refused.plain(),
            reference: Some(REFERENCE.to_owned()),
            digest: Some(digest),
        },
    }
}

impl<'de> Deserialize<'de> for Answers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Answers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{IMAGE: CLASS}} or {DOWN}")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Answers, A::Error> {
        Deserialize::deserialize(MapAccessDeserializer::new(map)).map(Answers::Of)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Answers, E> {
        if word == DOWN { Ok(Answers::Down) } else { Err(E::unknown_variant(word, &[DOWN])) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(image: &str) -> String {
        let key = Key {
            constraint: "case".into(),
            image: image.into(),
            revision: "3f".into(),
            wait: true,
            window: 0,
        };
        serde_json::to_string(&key).unwrap()
    }

    #[test]
    fn a_scripted_verifier_answers_as_the_real_one() {
        let answers: Answers =
            serde_json::from_value(json!({"a": "verified", "b": "unsigned", "c": "not-covered"})).unwrap();
        let keys = ["a", "b", "c", "d"].map(key);
        let response = answers.response(&keys).unwrap();
        let items: Vec<_> = response.items.iter().map(|item| (&item.key, item.value.class)).collect();
        assert_eq!(items, [(&keys[0], Class::Verified), (&keys[2], Class::NotCovered)]);
        let refused: serde_json::Value = serde_json::from_str(&response.system_error).unwrap();
        assert_eq!(refused["b"]["text"], "it has no cosign signature");
        assert_eq!(refused.as_object().unwrap().len(), 1);
    }

    #[test]
    fn a_verifier_may_be_down() {
        let down: Answers = serde_json::from_value(json!("down")).unwrap();
        assert_eq!((&down, down.response(&[key("a")])), (&Answers::Down, None));
        for wrong in [json!("up"), json!({"a": "good"}), json!(["a"])] {
            assert!(serde_json::from_value::<Answers>(wrong).is_err());
        }
    }
}
