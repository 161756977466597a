//! What the name of an image alone decides, before any registry is asked.

use crate::entry::ReadEntry;
use crate::reference::{Image, Version};

/// What the name of an image alone decides about it.
#[derive(Clone, Debug)]
pub enum Named<'a, E> {
    /// The name does not parse, or names a digest that cannot be verified, which this entry covers.
    Invalid(Option<&'a E>),
    /// No entry covers it.
    NotCovered,
    /// It is named by tag, and this entry wants a digest.
    DigestRequired(&'a E),
    /// Its registry has to be asked, by all of these entries.
    Covered(Image, Vec<&'a E>),
}

/// Judges the name of an image by the entries of a policy; `entry` is what `E` has of one.
pub fn by_name<'a, E>(all: &'a [E], entry: impl Fn(&E) -> &ReadEntry, image: &str) -> Named<'a, E> {
    let Ok(image) = Image::parse(image) else { return Named::Invalid(None) };
    let covering: Vec<_> = all.iter().filter(|one| entry(one).reference.covers(&image)).collect();
    let Some(first) = covering.first().copied() else { return Named::NotCovered };
    let by_digest = covering.iter().copied().find(|one| entry(one).require_digest);
    match (&image.version, by_digest) {
        (Version::OtherDigest(_), _) => Named::Invalid(Some(first)),
        (Version::Tag(_), Some(one)) => Named::DigestRequired(one),
        (Version::Tag(_), None) | (Version::Digest(_), _) => Named::Covered(image, covering),
    }
}

#[cfg(test)]
mod tests {
    use super::{Named, by_name};
    use crate::entry::ReadEntry;
    use crate::key::tests::P256;

    fn entry(reference: &str, require_digest: bool) -> ReadEntry {
        ReadEntry::new(reference, &[P256], None, require_digest, false).unwrap()
    }

    #[test]
    fn what_the_name_alone_decides() {
        let entries = [entry("r.io/*", false), entry("r.io/pinned/*", true)];
        let digest = format!("sha256:{}", "0".repeat(64));
        for (image, expected) in [
            ("r.io/app:1", "asked by 1"),
            (&*format!("r.io/pinned/app@{digest}"), "asked by 2"),
            ("nginx", "not covered"),
            ("r.io/pinned/app:1", "r.io/pinned/* wants a digest"),
            ("r.io/App:1", "invalid"),
            (&*format!("r.io/app@sha512:{}", "0".repeat(128)), "invalid for r.io/*"),
        ] {
            let said = match by_name(&entries, |entry| entry, image) {
                Named::Invalid(None) => "invalid".to_owned(),
                Named::Invalid(Some(entry)) => format!("invalid for {}", entry.reference),
                Named::NotCovered => "not covered".to_owned(),
                Named::DigestRequired(entry) => format!("{} wants a digest", entry.reference),
                Named::Covered(_, entries) => format!("asked by {}", entries.len()),
            };
            assert_eq!(said, expected, "{image}");
        }
    }
}
