//! What serde reports, in plain words.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use crate::{no_such_field, not_one_of};

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A field that the type does not know, and those that it knows.
    UnknownField(String, &'static [&'static str]),
    /// A word that is none of these.
    UnknownWord(String, &'static [&'static str]),
    /// A field that must be there.
    Missing(&'static str),
    /// A field that is there twice.
    Twice(&'static str),
    /// What sort of value it is, and what it must be.
    Type(&'static str, String),
    /// What the value must be.
    Value(String),
    /// How many elements there are, and how many there must be.
    Length(usize, String),
    /// What the type itself says.
    Other(String),
}

impl Fault {
    /// The field that it is about, which may not be there.
    pub fn names_field(&self) -> Option<&str> {
        match self {
            Self::UnknownField(field, _) => Some(field),
            Self::Missing(field) | Self::Twice(field) => Some(field),
            _ => None,
        }
    }

    pub const fn is_unknown_field(&self) -> bool {
        matches!(self, Self::UnknownField(..))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField(field, known) => f.write_str(&no_such_field(field, known)),
            Self::UnknownWord(word, allowed) => f.write_str(&not_one_of(word, allowed)),
            Self::Missing(_) => f.write_str("is required"),
            Self::Twice(_) => f.write_str("stands here twice"),
            Self::Type(found, wanted) => write!(f, "is {found}; it must be {wanted}"),
            Self::Length(found, wanted) => write!(f, "has {found} elements; it must be {wanted}"),
            Self::Value(wanted) => write!(f, "must be {wanted}"),
            Self::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Type(sort(&found), wanted(&expected.to_string()))
    }

    /// The value is not shown: it may be a secret.
    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Value(wanted(&expected.to_string()))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::Length(length, wanted(&expected.to_string()))
    }

    fn unknown_variant(word: &str, allowed: &'static [&'static str]) -> Self {
        Self::UnknownWord(word.to_owned(), allowed)
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::UnknownField(field.to_owned(), known)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::Twice(field)
    }
}

/// What sort of value it is.
const fn sort(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::UnitVariant => "a string",
        Unexpected::Bytes(_) => "bytes",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq | Unexpected::TupleVariant => "a list",
        _ => "an object",
    }
}

/// What a type expects, without the words of Rust.
fn wanted(expected: &str) -> String {
    let integers = [
        ("i8", "an integer from -128 to 127"),
        ("u8", "an integer from 0 to 255"),
        ("i16", "an integer from -32768 to 32767"),
        ("u16", "an integer from 0 to 65535"),
        ("i32", "an integer from -2147483648 to 2147483647"),
        ("u32", "an integer from 0 to 4294967295"),
        ("i64", "an integer"),
        ("u64", "an integer from 0 on"),
        ("isize", "an integer"),
        ("usize", "an integer from 0 on"),
        ("f32", "a number"),
        ("f64", "a number"),
        ("a sequence", "a list"),
        ("a map", "an object"),
        ("a borrowed string", "a string"),
        ("string or map", "a string"),
        ("unit", "null"),
    ];
    if let Some((_, words)) = integers.iter().find(|(name, _)| *name == expected) {
        return (*words).to_owned();
    }
    match expected.split_once(' ') {
        Some(("struct", _)) => "an object".to_owned(),
        Some(("enum", _)) => "one of the allowed words, a string".to_owned(),
        _ if expected.starts_with("a tuple of size ") => {
            format!("a list of {} elements", expected.trim_start_matches("a tuple of size "))
        }
        _ => expected.to_owned(),
    }
}
