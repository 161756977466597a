//! What can be said of an image without its registry: as the verifier, which looks at the same first.

use gatewright_signatures::entry::{ReadEntry, covering};
use gatewright_signatures::protocol::{Passed, Refusal};
use gatewright_signatures::reference::Version;
use gatewright_signatures::{Class, Image};

/// What is said of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It passes.
    Passes(Passed),
    /// It does not.
    Refused(Refusal),
}

impl Said {
    /// It does not pass, for a reason of this class alone.
    pub fn refused(class: Class, reference: Option<&ReadEntry>) -> Self {
        Self::Refused(Refusal {
            class,
            text: class.plain().text(),
            reference: reference.map(|entry| entry.reference.to_string()).unwrap_or_default(),
            digest: String::new(),
        })
    }

    /// No entry covers it.
    pub fn not_covered() -> Self {
        Self::Passes(Passed { class: Class::NotCovered, digest: String::new() })
    }
}

/// What is known of an image by its name alone; none if its registry has to be asked.
pub fn by_name(entries: &[ReadEntry], image: &str) -> Option<Said> {
    let Ok(image) = Image::parse(image) else { return Some(Said::refused(Class::InvalidName, None)) };
    let covering: Vec<_> = covering(entries, &image).map(|(_, entry)| entry).collect();
    let Some(first) = covering.first() else { return Some(Said::not_covered()) };
    match &image.version {
        Version::OtherDigest(_) => Some(Said::refused(Class::InvalidName, Some(first))),
        Version::Tag(_) => {
            let entry = covering.iter().find(|entry| entry.require_digest)?;
            Some(Said::refused(Class::DigestRequired, Some(entry)))
        }
        Version::Digest(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256: &str = include_str!("../../../signatures/tests/fixtures/keys/p256.pub");

    fn entry(reference: &str, require_digest: bool) -> ReadEntry {
        ReadEntry::new(reference, &[P256], None, require_digest, false).unwrap()
    }

    #[test]
    fn what_the_name_alone_decides() {
        let entries = [entry("r.io/*", false), entry("r.io/pinned/*", true)];
        let digest = format!("sha256:{}", "0".repeat(64));
        let refused = |class, reference: &str| Some((class, reference.to_owned()));
        for (image, expected) in [
            ("r.io/app:1", None),
            (&*format!("r.io/pinned/app@{digest}"), None),
            ("nginx", refused(Class::NotCovered, "")),
            ("r.io/pinned/app:1", refused(Class::DigestRequired, "r.io/pinned/*")),
            ("r.io/App:1", refused(Class::InvalidName, "")),
            (&*format!("r.io/app@sha512:{}", "0".repeat(128)), refused(Class::InvalidName, "r.io/*")),
        ] {
            let said = by_name(&entries, image).map(|said| match said {
                Said::Passes(passed) => (passed.class, String::new()),
                Said::Refused(refusal) => (refusal.class, refusal.reference),
            });
            assert_eq!(said, expected, "{image}");
        }
    }
}
