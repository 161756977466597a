//! Reads manifests: files, folders and standard input; YAML and JSON; many documents in one file; lists.
//!
//! A document means what it means to `kubectl apply`. Every document keeps its file and line, and finds the lines of
//! its fields.

mod document;
mod edit;
mod events;
mod exclude;
mod fields;
mod files;
mod guard;
mod json;
#[cfg(test)]
mod kubectl_reads;
mod limit;
mod lines;
mod location;
mod message;
mod open;
mod scalar;
mod split;
#[cfg(test)]
mod tests;
mod yaml;

pub use document::{Document, Envelope, Header, Written};
pub use edit::{Change, Edit, NotEdited, edited};
pub use fields::{Fields, parts};
pub use files::name;
pub use limit::{Limit, LimitArgs};
pub use location::{InputError, Location, STDIN};
pub use message::without_values;
pub use open::text;

use std::collections::VecDeque;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use files::{Source, Sources};
use split::{Chunk, Chunks};

/// The value of one YAML document.
///
/// # Errors
/// It does not parse.
pub fn value(text: &str) -> Result<serde_json::Value, String> {
    let parsed = yaml::parse(text).map_err(|error| format!("line {}: {}", error.line, error.message))?;
    Ok(parsed.map(yaml::Parsed::whole).unwrap_or_default())
}

/// The value of the first document of a text, as a Go program reads it that calls `sigs.k8s.io/yaml`: of a key that is
/// there twice the last counts. Null if there is none.
///
/// # Errors
/// It does not parse. The error says whether that is only a bound of this reader.
pub fn first(text: &str) -> Result<serde_json::Value, FirstError> {
    yaml::first(text).map_err(|error| FirstError { is_limit: error.is_limit })
}

/// A text that [`first`] does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstError {
    /// It is nested too deep, or stands for too much: others may read it.
    pub is_limit: bool,
}

/// The line on which a field of a YAML document stands, from 1; the first if it is not there.
#[must_use]
pub fn line_of(text: &str, pointer: &str) -> usize {
    lines::find(text, pointer).map_or(1, |place| place.line)
}

/// The flags of the commands that read manifests.
#[derive(Clone, Debug, clap::Args)]
pub struct ReadingArgs {
    /// Leaves out files of a folder, by a pattern of .gitignore; can be repeated. A file .gatewrightignore does the same
    #[arg(long, value_name = "GLOB", value_parser = exclude::pattern)]
    exclude: Vec<String>,
    #[command(flatten)]
    limit: LimitArgs,
}

impl ReadingArgs {
    /// How to read.
    #[must_use]
    pub fn reading(&self) -> Reading {
        Reading { exclude: self.exclude.clone(), ..Reading::new(self.limit.limit(), Envelope::Full) }
    }
}

/// How files are read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// How much of them.
    pub limit: Limit,
    /// How objects are named.
    pub envelope: Envelope,
    exclude: Vec<String>,
}

impl Reading {
    /// Reads all files.
    #[must_use]
    pub fn new(limit: Limit, envelope: Envelope) -> Self {
        Self { limit, envelope, exclude: vec![] }
    }
}

/// The documents of a text, and what is wrong with it, as if a file of this name held it.
pub fn read_bytes(
    file: &str,
    bytes: impl Read + Send + 'static,
    reading: &Reading,
) -> impl Iterator<Item = Result<Document, InputError>> {
    let envelope = reading.envelope;
    let documents = move |chunk| document::documents(chunk, envelope);
    Chunks::new(Arc::from(file), open::decoded(bytes, &reading.limit))
        .flat_map(move |chunk| chunk.map_or_else(|error| vec![Err(error)], documents))
}

/// How much text is read before it is parsed, in bytes.
const BATCH: usize = 4 << 20;

/// The documents of some files, in order, and what is wrong with the files. Text is parsed in parallel, some
/// megabytes at a time.
pub struct Documents {
    reading: Reading,
    arguments: Vec<Argument>,
    sources: std::vec::IntoIter<(usize, Result<Source, InputError>)>,
    current: Option<(usize, Chunks)>,
    /// Text that was read while other text was parsed.
    unparsed: Vec<(usize, Result<Chunk, InputError>)>,
    ready: VecDeque<Result<Document, InputError>>,
    /// Files and folders that were left out, and by what.
    pub left_out: Vec<(Arc<str>, String)>,
}

struct Argument {
    name: Arc<str>,
    empty: bool,
}

/// Reads files and folders; `-` is standard input.
#[must_use]
pub fn read(arguments: &[PathBuf], reading: &Reading) -> Documents {
    let (mut sources, mut left_out) = (vec![], vec![]);
    for (index, path) in arguments.iter().enumerate() {
        let Sources { found, left_out: without } = files::sources(path, reading);
        sources.extend(found.into_iter().map(|source| (index, source)));
        left_out.extend(without);
    }
    let arguments = arguments.iter().map(|path| Argument { name: name(path), empty: true }).collect();
    Documents {
        reading: reading.clone(),
        arguments,
        sources: sources.into_iter(),
        current: None,
        unparsed: vec![],
        ready: VecDeque::new(),
        left_out,
    }
}

impl Documents {
    /// The files and folders that were named and hold no object. All documents must have been read.
    pub fn empty(&self) -> impl Iterator<Item = &Arc<str>> {
        self.arguments.iter().filter(|argument| argument.empty).map(|argument| &argument.name)
    }

    fn next_chunk(&mut self) -> Option<(usize, Result<Chunk, InputError>)> {
        loop {
            if let Some((argument, chunks)) = &mut self.current {
                if let Some(chunk) = chunks.next() {
                    return Some((*argument, chunk));
                }
                self.current = None;
            }
            let (argument, source) = self.sources.next()?;
            match source.and_then(|source| source.chunks(&self.reading)) {
                Ok(chunks) => self.current = Some((argument, chunks)),
                Err(error) => return Some((argument, Err(error))),
            }
        }
    }

    fn batch(&mut self) -> Vec<(usize, Result<Chunk, InputError>)> {
        let (mut batch, mut size) = (vec![], 0);
        while size < BATCH {
            let Some((argument, chunk)) = self.next_chunk() else { break };
            size += chunk.as_ref().map_or(0, |chunk| chunk.text.len());
            batch.push((argument, chunk));
        }
        batch
    }

    fn fill(&mut self) {
        let mut batch = std::mem::take(&mut self.unparsed);
        if batch.is_empty() {
            batch = self.batch();
        }
        let envelope = self.reading.envelope;
        let parse = |chunk: Result<Chunk, InputError>| {
            chunk.map_or_else(|error| vec![Err(error)], |chunk| document::documents(chunk, envelope))
        };
        let mut parsed = vec![];
        rayon::in_place_scope(|scope| {
            scope.spawn(|_| {
                parsed = batch.into_par_iter().map(|(argument, chunk)| (argument, parse(chunk))).collect();
            });
            self.unparsed = self.batch();
        });
        for (argument, documents) in parsed {
            self.arguments[argument].empty &= documents.is_empty();
            self.ready.extend(documents);
        }
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
            let read = self.current.is_none() && self.sources.as_slice().is_empty();
            if read && self.ready.is_empty() && self.unparsed.is_empty() {
                return None;
            }
        }
    }
}
