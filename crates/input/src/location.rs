//! Where something stands.

use std::fmt;
use std::sync::Arc;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file, as people named it, or [`STDIN`].
    pub file: Arc<str>,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
}

/// How standard input is called where a file's name would stand.
pub const STDIN: &str = "stdin";

/// A file that cannot be read, or a document that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{location}: {message}")]
pub struct InputError {
    /// Where.
    pub location: Location,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

impl InputError {
    /// An error at a place.
    pub fn new(file: &Arc<str>, line: usize, message: impl Into<String>) -> Self {
        Self { location: Location { file: Arc::clone(file), line }, message: message.into() }
    }
}
