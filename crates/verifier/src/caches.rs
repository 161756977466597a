//! What is remembered of checks. Each key is a hash, so that 10,000 entries take little memory.

use std::time::Duration;

use gatewright_signatures::key::PublicKey;
use gatewright_signatures::reference::Version;
use gatewright_signatures::{Digest, Image};
use moka::future::Cache;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::bounds;
use crate::check::Judged;
use crate::demand::Demand;
use crate::registry::{Registry, endpoint};

/// The names of a question in the caches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// Of the image and what is demanded of it.
    pub(crate) question: [u8; 32],
    /// Of the image's name and who asks.
    tag: [u8; 32],
    /// Of what is demanded, without the version of the image.
    demanded: [u8; 32],
}

fn hash(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

impl Names {
    pub(crate) fn of(registry: &Registry, image: &Image, demand: &Demand) -> Self {
        let settings = registry.settings();
        let (host, path) = (&image.repository.host, &image.repository.path);
        let credential = |site: &crate::registry::Site| {
            registry.fingerprints().of(&demand.access.credentials.of(&site.host, &site.repository))
        };
        let mut who: Vec<_> = settings.sites(host, path).iter().map(credential).collect();
        who.push(demand.access.authority.as_deref().unwrap_or_default().to_owned());
        // Whether addresses of private networks are fine for the host.
        who.push(demand.access.named_hosts.contains(endpoint(host)).to_string());
        let mut demanded = vec![host.clone(), path.clone()];
        demanded.extend(demand.entry.keys.iter().map(PublicKey::to_pem));
        demanded.extend(who.iter().cloned());
        let version = match &image.version {
            Version::Tag(tag) => format!(":{tag}"),
            Version::Digest(digest) => format!("@{digest}"),
            Version::OtherDigest(other) => format!("@{other}"),
        };
        let texts = |all: &[String], version: &str| {
            let mut all: Vec<_> = all.iter().map(String::as_str).collect();
            all.push(version);
            hash(&all)
        };
        who.extend([host.clone(), path.clone()]);
        Self {
            question: texts(&demanded, &version),
            tag: texts(&who, &version),
            demanded: texts(&demanded, ""),
        }
    }

    fn verified(&self, digest: &Digest) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.demanded);
        hash.update(digest.to_string());
        hash.finalize().into()
    }
}

/// How old what is remembered may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Somebody waits to be admitted.
    Admission,
    /// Audit asks about everything, again and again.
    Audit,
}

impl Age {
    const fn of_tag(self) -> Duration {
        match self {
            Self::Admission => bounds::TAG_AGE,
            Self::Audit => bounds::AUDIT_AGE,
        }
    }

    const fn of_outcome(self) -> Duration {
        match self {
            Self::Admission => bounds::OUTCOME_AGE,
            Self::Audit => bounds::AUDIT_AGE,
        }
    }
}

/// All caches.
#[derive(Clone, Debug)]
pub(crate) struct Caches {
    verified: Cache<[u8; 32], Instant>,
    others: Cache<[u8; 32], (Judged, Instant)>,
    tags: Cache<[u8; 32], (Digest, Instant)>,
}

impl Caches {
    pub(crate) fn new() -> Self {
        let age = bounds::VERIFIED_AGE;
        Self {
            verified: Cache::builder().max_capacity(bounds::CACHE_ENTRIES).time_to_live(age).build(),
            others: Cache::builder()
                .max_capacity(bounds::CACHE_ENTRIES)
                .time_to_live(bounds::AUDIT_AGE)
                .build(),
            tags: Cache::builder().max_capacity(bounds::CACHE_ENTRIES).time_to_live(age).build(),
        }
    }

    /// The digest that the image names, as far as that is known.
    pub(crate) async fn digest(&self, names: &Names, image: &Image, age: Age) -> Option<Digest> {
        if let Some(digest) = image.digest() {
            return Some(*digest);
        }
        let (digest, at) = self.tags.get(&names.tag).await?;
        (at.elapsed() < age.of_tag()).then_some(digest)
    }

    /// The digest that a tag named when it was last looked at, however long ago.
    pub(crate) async fn last_digest(&self, names: &Names) -> Option<Digest> {
        self.tags.get(&names.tag).await.map(|(digest, _)| digest)
    }

    pub(crate) async fn is_verified(&self, names: &Names, digest: &Digest) -> bool {
        let at = self.verified.get(&names.verified(digest)).await;
        at.is_some_and(|at| at.elapsed() < bounds::VERIFIED_AGE)
    }

    /// Any other outcome.
    pub(crate) async fn other(&self, names: &Names, age: Age) -> Option<Judged> {
        let (judged, at) = self.others.get(&names.question).await?;
        (at.elapsed() < age.of_outcome()).then_some(judged)
    }

    pub(crate) async fn keep_tag(&self, names: &Names, digest: Digest) {
        self.tags.insert(names.tag, (digest, Instant::now())).await;
    }

    pub(crate) async fn keep(&self, names: &Names, judged: &Judged) {
        match (&judged.result, judged.digest) {
            (Ok(()), Some(digest)) => {
                self.verified.insert(names.verified(&digest), Instant::now()).await;
                self.others.invalidate(&names.question).await;
            }
            _ => self.others.insert(names.question, (judged.clone(), Instant::now())).await,
        }
    }
}
