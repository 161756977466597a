//! Reads JSON values into types, and says in plain words what does not fit, and in which field.
//!
//! The texts of serde (`unknown variant`, `expected struct`) are for programmers. Here people read them, so they are made
//! anew from what serde reports.

mod fault;
mod reader;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use reader::Reader;

/// A value that does not fit its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if self.field.is_empty() { String::new() } else { format!("{}: ", self.field) })]
pub struct Misfit {
    /// The field as a JSON pointer; empty for the value itself. A field that is missing has one, too.
    pub pointer: String,
    /// The field as people write it: `spec.list[0]`; empty for the value itself.
    pub field: String,
    /// What was found and what is allowed. Of the value it holds at most one word, where the type knows all words.
    pub message: String,
    /// Whether the type does not know the field.
    pub unknown: bool,
    /// Whether the message is what the type of the field itself says, and not that the value has another shape.
    pub explained: bool,
}

/// Reads a value.
///
/// # Errors
/// The first thing that does not fit.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Misfit> {
    serde_path_to_error::deserialize(Reader(value)).map_err(|error| {
        let mut path = segments(error.path());
        let fault = error.into_inner();
        if let Some(name) = fault.names_field()
            && path.last().is_none_or(|last| last != name)
        {
            path.push(name.to_owned());
        }
        Misfit {
            pointer: pointer(&path),
            field: written(&path),
            message: fault.to_string(),
            unknown: fault.is_unknown_field(),
            explained: matches!(fault, fault::Fault::Other(_)),
        }
    })
}

fn segments(path: &Path) -> Vec<String> {
    let part = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(part).collect()
}

fn pointer(path: &[String]) -> String {
    path.iter()
        .fold(String::new(), |pointer, part| pointer + "/" + &part.replace('~', "~0").replace('/', "~1"))
}

fn written(path: &[String]) -> String {
    path.iter().fold(String::new(), |field, part| match part.parse::<usize>() {
        Ok(index) if !field.is_empty() => format!("{field}[{index}]"),
        _ if field.is_empty() => part.clone(),
        _ => format!("{field}.{part}"),
    })
}

/// A text in quotes, as messages repeat it. What may be a password is not repeated.
#[must_use]
pub fn quoted(text: &str) -> String {
    if may_have_password(text) { WITH_PASSWORD.to_owned() } else { format!("{text:?}") }
}

/// What messages say instead of a text with what may be a password.
pub const WITH_PASSWORD: &str = "a text with @";

/// Whether a text may have a password in it, as `https://user:secret@host` and `https://token@host` do. The `@` before the
/// digest of an image, as in `app:1.0@sha256:…`, is another one.
#[must_use]
pub fn may_have_password(text: &str) -> bool {
    let Some(colon) = text.find(':') else { return false };
    let is_digest =
        |after: &str| ["sha256:", "sha384:", "sha512:"].iter().any(|begin| after.starts_with(begin));
    text.match_indices('@').any(|(at, _)| at > colon && !is_digest(&text[at + 1..]))
}

/// What to say of a word that is none of those that are allowed.
#[must_use]
pub fn not_one_of(found: &str, allowed: &[&str]) -> String {
    let is_not = if found.chars().count() > LONGEST_SHOWN {
        "is not one of the allowed words".to_owned()
    } else {
        format!("{} is not one of the allowed words", quoted(found))
    };
    let meant = nearest(found, allowed.iter().copied());
    let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    format!("{is_not}: {}{meant}", allowed.join(", "))
}

/// What to say of a field that is none of those that there are.
#[must_use]
pub fn no_such_field(found: &str, known: &[&str]) -> String {
    match nearest(found, known.iter().copied()) {
        Some(meant) => format!("there is no such field; did you mean {meant}?"),
        None if known.is_empty() => "there is no such field: no field is allowed here".to_owned(),
        None => format!("there is no such field; the fields here are {}", known.join(", ")),
    }
}

/// A longer word is no word of a list, and may be a secret.
const LONGEST_SHOWN: usize = 63;

/// The name that is most similar to a word, if one is similar enough for a typing error; else the one that the word is the
/// beginning of (`mem`), or that a prefix stands before (`CAP_NET_ADMIN`).
#[must_use]
pub fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let names: Vec<_> = names.map(|name| (name.to_lowercase(), name)).collect();
    let bound = (word.chars().count() / 4).max(1);
    let distances = names.iter().map(|(other, name)| (strsim::damerau_levenshtein(&lower, other), *name));
    let similar = distances.filter(|(distance, _)| *distance <= bound).min_by_key(|(distance, _)| *distance);
    similar
        .map(|(_, name)| name)
        .or_else(|| the_only(&names, |name| begins(&lower, name)))
        .or_else(|| the_only(&names, |name| is_behind(name, &lower) || is_behind(&lower, name)))
}

/// A shorter word is the beginning of too many others.
const SHORTEST_BEGINNING: usize = 3;

const SEPARATORS: [char; 4] = ['_', '-', '.', '/'];

fn begins(word: &str, name: &str) -> bool {
    word.len() >= SHORTEST_BEGINNING && name.starts_with(word)
}

/// Whether the end of a text is a word, and a separator stands before it.
fn is_behind(word: &str, text: &str) -> bool {
    let before = text.strip_suffix(word).unwrap_or_default();
    word.len() >= SHORTEST_BEGINNING && before.ends_with(SEPARATORS)
}

/// The only name that is meant; two would be a guess.
fn the_only<'a>(names: &[(String, &'a str)], is_meant: impl Fn(&str) -> bool) -> Option<&'a str> {
    let mut meant = names.iter().filter(|(lower, _)| is_meant(lower)).map(|(_, name)| *name);
    meant.next().filter(|_| meant.next().is_none())
}

#[cfg(test)]
mod tests;
