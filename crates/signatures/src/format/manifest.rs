//! Manifests and indexes of a registry. What is in them is foreign: what does not parse is counted and left out, so that
//! it hides nothing that does.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::bounds::LIST_ITEMS;
use crate::digest::Digest;

/// What refers to a blob or manifest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The type of what it refers to.
    #[serde(default)]
    pub media_type: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// The type of artifact that a registry lists it as. Registries list wrong ones.
    #[serde(default, deserialize_with = "text_or_none")]
    pub artifact_type: Option<String>,
    /// Its annotations; those that are no text are left out.
    #[serde(default, deserialize_with = "texts")]
    pub annotations: BTreeMap<String, String>,
}

/// A list whose unreadable items are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Readable<T> {
    items: Vec<T>,
    unreadable: usize,
    unread: usize,
}

impl<T> Default for Readable<T> {
    fn default() -> Self {
        Self { items: vec![], unreadable: 0, unread: 0 }
    }
}

/// A manifest with layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its layers.
    pub layers: Vec<Descriptor>,
    /// How many layers have descriptors that do not parse.
    pub unreadable: usize,
    /// How many layers are beyond [`LIST_ITEMS`] and were not read.
    pub unread: usize,
    /// The digest of the manifest that it refers to, as it stands there.
    pub subject: Option<String>,
}

/// A manifest that lists manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// What it lists.
    pub manifests: Vec<Descriptor>,
    /// How many descriptors do not parse.
    pub unreadable: usize,
    /// How many descriptors are beyond [`LIST_ITEMS`] and were not read.
    pub unread: usize,
}

/// Fields of both. Somebody who has both fields wants to be taken for one by some readers and for the other by others.
#[derive(Deserialize)]
struct Either {
    layers: Option<Readable<Descriptor>>,
    manifests: Option<Readable<Descriptor>>,
    subject: Option<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    digest: String,
}

impl Manifest {
    /// Reads a manifest with layers; `None` is anything else, also an index.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let Either { layers: Some(layers), manifests: None, subject } = serde_json::from_slice(bytes).ok()?
        else {
            return None;
        };
        let subject = subject.map(|subject| subject.digest);
        let Readable { items, unreadable, unread } = layers;
        Some(Self { layers: items, unreadable, unread, subject })
    }
}

impl Index {
    /// Reads an index; `None` is anything else.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let Either { layers: None, manifests: Some(manifests), .. } = serde_json::from_slice(bytes).ok()?
        else {
            return None;
        };
        let Readable { items, unreadable, unread } = manifests;
        Some(Self { manifests: items, unreadable, unread })
    }
}

impl<'de, T: for<'a> Deserialize<'a>> Deserialize<'de> for Readable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ReadableVisitor(PhantomData))
    }
}

struct ReadableVisitor<T>(PhantomData<T>);

impl<'de, T: for<'a> Deserialize<'a>> Visitor<'de> for ReadableVisitor<T> {
    type Value = Readable<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut found: A) -> Result<Readable<T>, A::Error> {
        let mut list = Readable::default();
        let mut read = 0;
        while let Some(item) = found.next_element::<&RawValue>()? {
            read += 1;
            if read > LIST_ITEMS {
                list.unread += 1;
                continue;
            }
            match serde_json::from_str(item.get()) {
                Ok(item) => list.items.push(item),
                Err(_) => list.unreadable += 1,
            }
        }
        Ok(list)
    }
}

/// A text, or nothing where something else stands.
fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let found = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(found.get()).ok())
}

/// The texts of a map.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let found = <&RawValue>::deserialize(deserializer)?;
    let found: BTreeMap<String, &RawValue> = serde_json::from_str(found.get()).unwrap_or_default();
    let texts =
        found.into_iter().filter_map(|(name, value)| Some((name, serde_json::from_str(value.get()).ok()?)));
    Ok(texts.collect())
}
