//! Reads manifests: files, folders and standard input; YAML and JSON; many documents in one file; lists.
//!
//! A document means what it means to `kubectl apply`. Every document keeps its file and line, and finds the lines of
//! its fields.

mod document;
mod files;
mod json;
mod lines;
mod location;
mod scalar;
mod split;
#[cfg(test)]
mod tests;
mod yaml;

pub use document::{Document, Header};
pub use location::{InputError, Location};

use std::collections::VecDeque;
use std::path::PathBuf;

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use files::Source;
use split::{Chunk, Chunks};

/// The value of one YAML document.
///
/// # Errors
/// It does not parse.
pub fn value(text: &str) -> Result<serde_json::Value, String> {
    let parsed = yaml::parse(text).map_err(|error| format!("line {}: {}", error.line, error.message))?;
    Ok(parsed.map(|parsed| parsed.value).unwrap_or_default())
}

/// The line on which a field of a YAML document stands, from 1; the first if it is not there.
pub fn line_of(text: &str, pointer: &str) -> usize {
    lines::find(text, pointer).map_or(1, |place| place.line)
}

/// How much text is read before it is parsed, in bytes.
const BATCH: usize = 4 << 20;

/// The documents of some files, in order, and what is wrong with the files. Text is parsed in parallel, some
/// megabytes at a time.
pub struct Documents {
    sources: std::vec::IntoIter<Result<Source, InputError>>,
    current: Option<Current>,
    ready: VecDeque<Result<Document, InputError>>,
}

struct Current {
    source: Source,
    chunks: Chunks,
    empty: bool,
}

/// Reads files and folders; `-` is standard input.
pub fn read(arguments: &[PathBuf]) -> Documents {
    Documents { sources: files::sources(arguments).into_iter(), current: None, ready: VecDeque::new() }
}

impl Documents {
    fn next_chunk(&mut self) -> Option<Result<Chunk, InputError>> {
        loop {
            if let Some(current) = &mut self.current {
                if let Some(chunk) = current.chunks.next() {
                    current.empty = false;
                    return Some(chunk);
                }
                let Current { source, empty, .. } = self.current.take()?;
                if empty && !matches!(source, Source::Found(_)) {
                    return Some(Err(InputError::new(&source.name(), 0, "is empty: it holds no object")));
                }
            }
            match self.sources.next()?.and_then(|source| Ok((source.chunks()?, source))) {
                Ok((chunks, source)) => self.current = Some(Current { source, chunks, empty: true }),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    fn fill(&mut self) {
        let (mut batch, mut size) = (vec![], 0);
        while size < BATCH {
            let Some(chunk) = self.next_chunk() else { break };
            size += chunk.as_ref().map_or(0, |chunk| chunk.text.len());
            batch.push(chunk);
        }
        let parsed: Vec<_> = batch
            .into_par_iter()
            .map(|chunk| chunk.map_or_else(|error| vec![Err(error)], document::documents))
            .collect();
        self.ready.extend(parsed.into_iter().flatten());
    }
}

impl Iterator for Documents {
    type Item = Result<Document, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(document) = self.ready.pop_front() {
                return Some(document);
            }
            self.fill();
            if self.ready.is_empty() && self.current.is_none() && self.sources.as_slice().is_empty() {
                return None;
            }
        }
    }
}
