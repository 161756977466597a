//! What can be said of an image without its registry: as the verifier, which looks at the same first.

use gatewright_signatures::Class;
use gatewright_signatures::entry::ReadEntry;
use gatewright_signatures::named::{self, Named};
use gatewright_signatures::protocol::{Passed, Refusal};

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
    match named::by_name(entries, |entry| entry, image) {
        Named::Invalid(entry) => Some(Said::refused(Class::InvalidName, entry)),
        Named::NotCovered => Some(Said::not_covered()),
        Named::DigestRequired(entry) => Some(Said::refused(Class::DigestRequired, Some(entry))),
        Named::Covered(..) => None,
    }
}
