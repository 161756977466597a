//! The check of one image by one entry: resolve, look at every place where signatures can be, judge them.

mod candidates;
mod places;
mod trace;

#[cfg(test)]
mod tests;

use gatewright_signatures::merge::Merge;
use gatewright_signatures::reference::Version;
use gatewright_signatures::{Class, Digest, Failure, Image};

pub use self::trace::{Step, Trace};

use crate::demand::Demand;
use crate::registry::{self, Budget, Registry, Session, Site};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The digest that the image's name names now, if it is known.
    pub digest: Option<Digest>,
    /// Whether the entry is satisfied, or why not.
    pub result: Result<(), Failure>,
}

impl Judged {
    /// A failure before anything was found.
    #[must_use]
    pub const fn failed(failure: Failure) -> Self {
        Self { digest: None, result: Err(failure) }
    }
}

/// What is the same in all steps of one check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) demand: &'a Demand,
    pub(crate) budget: &'a Budget,
    pub(crate) trace: &'a Trace,
}

impl Check<'_> {
    /// Where the image is asked for.
    pub(crate) fn sites(&self, image: &Image) -> Vec<Site> {
        self.registry.settings().sites(&image.repository.host, &image.repository.path)
    }

    /// Resolves and verifies, without anything that is remembered.
    pub(crate) async fn judge(&self, image: &Image) -> Judged {
        match self.resolve(image).await {
            Ok(digest) => Judged { digest: Some(digest), result: self.verify(image, &digest).await },
            Err(failure) => Judged::failed(failure),
        }
    }

    fn session<'a>(&'a self, site: &'a Site) -> Result<Session<'a>, registry::Failure> {
        Session::new(self.registry, &self.demand.access, self.budget, site)
    }

    /// What the image's name names now: the digest of the manifest that was received.
    ///
    /// # Errors
    /// No site has it, or the first one that was not asked with success.
    pub(crate) async fn resolve(&self, image: &Image) -> Result<Digest, Failure> {
        let reference = match &image.version {
            Version::Tag(tag) => tag.clone(),
            Version::Digest(digest) => digest.to_string(),
            Version::OtherDigest(_) => return Err(Class::InvalidName.plain()),
        };
        let mut first_failure = None;
        for site in self.sites(image) {
            let resolved = match self.session(&site) {
                Ok(session) => session.manifest(&reference).await.map(|manifest| manifest.digest),
                Err(failure) => Err(failure),
            };
            let place = format!("{}/{} {reference}", site.host, site.repository);
            match resolved {
                Ok(digest) => {
                    self.trace.step(place, digest.to_string());
                    return Ok(digest);
                }
                Err(failure) => {
                    self.trace.step(place, failure.to_string());
                    if failure != registry::Failure::NotFound {
                        first_failure.get_or_insert(failure);
                    }
                }
            }
        }
        Err(first_failure.map_or_else(|| Class::NotFound.plain(), |failure| named(&failure)))
    }

    /// What a tag names now, as a registry says it: of worth only if it is what was verified before.
    pub(crate) async fn look_again(&self, image: &Image) -> Option<Digest> {
        let Version::Tag(tag) = &image.version else { return None };
        let sites = self.sites(image);
        // With mirrors, the first that has the image decides, which only asking in order shows.
        self.session(sites.first()?).ok()?.tag(tag).await.ok()
    }

    /// Whether the digest has a signature that satisfies the entry.
    ///
    /// # Errors
    /// It has none, or that cannot be known: the most telling reason.
    pub(crate) async fn verify(&self, image: &Image, digest: &Digest) -> Result<(), Failure> {
        let mut merge = Merge::default();
        for site in self.sites(image) {
            match self.session(&site) {
                Ok(session) => self.look(&session, &site, digest, &mut merge).await,
                Err(failure) => merge.unanswered(named(&failure)),
            }
            if merge.is_verified() {
                break;
            }
        }
        merge.finish()
    }
}

/// The class of a registry's failure, where it decides.
pub(crate) fn named(failure: &registry::Failure) -> Failure {
    use registry::Failure as From;
    match failure {
        From::NotFound => Class::NotFound.plain(),
        From::NotSupported(status) => Class::Unreachable.because(format!("its answer is {status}")),
        From::Denied { host, why } => Class::Unauthorized.because(detail(host, why)),
        From::RateLimited { host, .. } => Class::RateLimited.because(host.clone()),
        From::Unreachable { host, why } => Class::Unreachable.because(detail(host, why)),
        From::Limit(which) => Class::Limit.because(*which),
        From::Corrupt(why) => Class::NotFound.because(*why),
    }
}

fn detail(host: &str, why: &str) -> String {
    if why.is_empty() { host.to_owned() } else { format!("{host}: {why}") }
}
