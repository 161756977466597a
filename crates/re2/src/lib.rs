//! Go's regular expressions: what RE2 compiles, and what that matches.

mod translate;

use std::ops::Range;

use regex::bytes::Regex;

/// A regular expression in the syntax of Go's RE2.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

/// A text that RE2 refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no regular expression (RE2)")]
pub struct Refused(String);

impl Pattern {
    /// Reads it.
    ///
    /// # Errors
    /// RE2 refuses it.
    pub fn new(pattern: &str) -> Result<Self, Refused> {
        let translated = translate::translate(pattern).and_then(|pattern| Regex::new(&pattern).ok());
        translated.map(Self).ok_or_else(|| Refused(pattern.to_owned()))
    }

    /// Whether it is found somewhere in a text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }

    /// Where it is found, from left to right: the bytes of each match, which do not overlap.
    pub fn find_iter(&self, text: &str) -> impl Iterator<Item = Range<usize>> {
        self.0.find_iter(text.as_bytes()).map(|found| found.range())
    }

    /// The groups of each match, the whole match first; none for a group that took no part.
    pub fn captures_iter<'t>(&self, text: &'t str) -> impl Iterator<Item = Vec<Option<&'t [u8]>>> {
        let groups = |captures: regex::bytes::Captures<'t>| {
            captures.iter().map(|group| group.map(|group| group.as_bytes())).collect()
        };
        self.0.captures_iter(text.as_bytes()).map(groups)
    }

    /// The text with every match replaced; in the replacement `$1` and `${name}` are groups.
    #[must_use]
    pub fn replace_all(&self, text: &str, replacement: &str) -> String {
        let replaced = self.0.replace_all(text.as_bytes(), replacement.as_bytes());
        String::from_utf8_lossy(&replaced).into_owned()
    }
}
