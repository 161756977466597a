//! Go's regular expressions: what RE2 compiles, what that matches, and why it refuses the rest.
//!
//! Kubernetes' API server, Gatekeeper and OPA all ask Go's `regexp`. Here a pattern is read by its grammar and then
//! matched by Rust's `regex`, which finds the same: the leftmost match, without backtracking.

mod property;
mod translate;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use regex::bytes::{Captures, Regex, RegexBuilder};

/// A regular expression in the syntax of Go's RE2.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

/// A text that RE2 refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a regular expression (RE2): {reason}")]
pub struct Refused {
    /// The text.
    pub pattern: String,
    /// Why, in Go's words where it has some.
    pub reason: &'static str,
    /// The part of it that Go names.
    pub part: String,
}

/// Groups in groups. Go allows as many.
const DEEPEST: u32 = 1000;

/// Bytes of a compiled pattern. Go's own bound is of this size.
const LARGEST: usize = 64 << 20;

impl Pattern {
    /// Reads it.
    ///
    /// # Errors
    /// RE2 refuses it.
    pub fn new(pattern: &str) -> Result<Self, Refused> {
        let refused =
            |reason, part: &str| Refused { pattern: pattern.to_owned(), reason, part: part.to_owned() };
        let translated = translate::translate(pattern)
            .map_err(|(reason, part)| refused(reason, pattern.get(part).unwrap_or(pattern)))?;
        let compiled = RegexBuilder::new(&translated).nest_limit(DEEPEST).size_limit(LARGEST).build();
        compiled.map(Self).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => refused("expression too large", pattern),
            _ => refused("expression nests too deeply", pattern),
        })
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
        let groups = |captures: Captures<'t>| {
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

/// Patterns that a thread keeps compiled.
const KEPT: usize = 256;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Result<Rc<Pattern>, Refused>>> = RefCell::default();
}

/// Reads a pattern, unless this thread did so before: for patterns that come again and again.
///
/// # Errors
/// RE2 refuses it.
pub fn cached(pattern: &str) -> Result<Rc<Pattern>, Refused> {
    COMPILED.with_borrow_mut(|compiled| {
        if let Some(known) = compiled.get(pattern) {
            return known.clone();
        }
        if compiled.len() >= KEPT {
            compiled.clear();
        }
        let found = Pattern::new(pattern).map(Rc::new);
        compiled.insert(pattern.to_owned(), found.clone());
        found
    })
}

#[cfg(test)]
mod tests;
