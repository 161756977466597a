//! Fixes in the files that they are for: as a diff, or written.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use gatewright_rules::fix::{Edit, Op};

use super::diff::diff;
use super::{Mode, write};
use crate::check::placed::Placed;
use crate::input::{self, Change, STDIN, Written};

/// The changes of all files.
#[derive(Debug, Default)]
pub struct Files {
    /// By file, and by the line on which the text of a document begins.
    chunks: BTreeMap<Arc<str>, BTreeMap<usize, Chunk>>,
    /// What became of objects that were here already: a file may be given twice.
    seen: HashMap<(Arc<str>, usize, String), bool>,
    outcome: Outcome,
}

/// The text of a document, before and after.
#[derive(Debug)]
struct Chunk {
    old: String,
    new: String,
    objects: Vec<Object>,
}

/// An object whose text was changed.
#[derive(Debug)]
struct Object {
    number: usize,
    /// Place and name, for messages.
    said: String,
    edits: Vec<Edit>,
}

/// What became of the changes.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The diff of all files.
    pub diff: String,
    /// The objects whose fixes are in the diff, or written, by their number.
    pub done: HashSet<usize>,
    /// The files that were written.
    pub written: Vec<Arc<str>>,
    /// What is not in the diff, or not written, as sentences.
    pub notes: Vec<String>,
    /// Files that could not be read or written, as sentences.
    pub errors: Vec<String>,
}

impl Files {
    /// Changes the text of an object, which has a number.
    pub fn add(&mut self, number: usize, placed: &Placed, edits: &[Edit]) {
        let object = Object { number, said: placed.said(), edits: edits.to_vec() };
        let file = placed.file();
        let Some(Written { text, line, pointer }) = placed.written().filter(|_| **file != *STDIN) else {
            let because = if **file == *STDIN { "it is standard input" } else { "it is JSON" };
            return self.outcome.leave(&object, because);
        };
        if let Some(done) = self.seen.get(&(Arc::clone(file), line, pointer.to_owned())) {
            self.outcome.done.extend(done.then_some(number));
            return;
        }
        let chunks = self.chunks.entry(Arc::clone(file)).or_default();
        let (old, new) = (text.to_owned(), text.to_owned());
        let chunk = chunks.entry(line).or_insert(Chunk { old, new, objects: vec![] });
        let edited = input::edited(&chunk.new, &below(pointer, edits));
        self.seen.insert((Arc::clone(file), line, pointer.to_owned()), edited.is_ok());
        match edited {
            Ok(new) => {
                chunk.new = new;
                self.outcome.done.insert(number);
                chunk.objects.push(object);
            }
            Err(because) => self.outcome.leave(&object, because),
        }
    }

    /// Makes the diff, or writes the files. Files that were not read without an error are not written.
    pub fn finish(self, mode: Mode, unsound: &HashSet<Arc<str>>) -> Outcome {
        let Self { chunks, mut outcome, .. } = self;
        let folder = std::env::current_dir().unwrap_or_default();
        for (file, chunks) in chunks {
            let done = match mode {
                Mode::Write if unsound.contains(&file) => Err(Failed::Left("the file has errors".to_owned())),
                _ => finish(mode, &file, &folder, &chunks),
            };
            let because = match done {
                Ok(diff) => {
                    outcome.diff.push_str(&diff);
                    outcome.written.extend((mode == Mode::Write).then_some(file));
                    continue;
                }
                Err(Failed::Left(because)) => because,
                Err(Failed::Io(error)) => {
                    outcome.errors.push(format!("{file}: {error}"));
                    "see the error".to_owned()
                }
            };
            for object in chunks.values().flat_map(|chunk| &chunk.objects) {
                outcome.done.remove(&object.number);
                outcome.leave(object, &because);
            }
        }
        outcome
    }
}

impl Outcome {
    /// Says the patch of an object that is not in the diff, or not written.
    fn leave(&mut self, object: &Object, because: impl std::fmt::Display) {
        let patch = serde_json::to_string(&object.edits).unwrap_or_default();
        let said = &object.said;
        self.notes
            .push(format!("{said}: its text is not edited: {because}; as a JSON patch the fix is {patch}"));
    }
}

/// Why a file stays as it is.
enum Failed {
    Left(String),
    Io(std::io::Error),
}

/// The diff of a file; none where it was written.
fn finish(mode: Mode, file: &str, folder: &Path, chunks: &BTreeMap<usize, Chunk>) -> Result<String, Failed> {
    let bytes = fs::read(file).map_err(Failed::Io)?;
    let old = String::from_utf8(bytes).map_err(|_| Failed::Left("the file is not UTF-8".to_owned()))?;
    let new = merged(&old, chunks)
        .ok_or_else(|| Failed::Left("the file is not what was read before".to_owned()))?;
    match mode {
        Mode::Diff => diff(file, folder, &old, &new).map_err(|error| Failed::Left(error.to_string())),
        Mode::Write => write::replace(Path::new(file), &new).map(|()| String::new()).map_err(Failed::Io),
    }
}

/// The whole text of a file with the new texts of its documents. None if an old one is not where it was.
fn merged(file: &str, chunks: &BTreeMap<usize, Chunk>) -> Option<String> {
    const MARK: char = '\u{feff}';
    let (mut new, mut at, mut line) = (String::with_capacity(file.len()), 0, 1);
    for (begin, chunk) in chunks {
        let mut start = at;
        while line < *begin {
            start += file[start..].find('\n')? + 1;
            line += 1;
        }
        start += if start == 0 && file.starts_with(MARK) { MARK.len_utf8() } else { 0 };
        let rest = file.get(start..)?.strip_prefix(chunk.old.as_str())?;
        new.push_str(&file[at..start]);
        new.push_str(&chunk.new);
        at = file.len() - rest.len();
        line += chunk.old.matches('\n').count();
    }
    new.push_str(&file[at..]);
    Some(new)
}

/// A patch of an object as changes of the text that it stands in.
pub fn below(pointer: &str, edits: &[Edit]) -> Vec<input::Edit> {
    let change = |edit: &Edit| {
        let value = edit.value.clone().unwrap_or_default();
        let (path, change) = match (edit.op, edit.path.strip_suffix("/-")) {
            (Op::Remove, _) => (edit.path.as_str(), Change::Remove),
            (Op::Add, Some(list)) => (list, Change::Append(value)),
            (Op::Add | Op::Replace, _) => (edit.path.as_str(), Change::Set(value)),
        };
        input::Edit { pointer: format!("{pointer}{path}"), change }
    };
    edits.iter().map(change).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Chunk, merged};

    fn chunks(all: &[(usize, &str, &str)]) -> BTreeMap<usize, Chunk> {
        let chunk = |(line, old, new): &(usize, &str, &str)| {
            (*line, Chunk { old: (*old).to_owned(), new: (*new).to_owned(), objects: vec![] })
        };
        all.iter().map(chunk).collect()
    }

    #[test]
    fn documents_are_put_back_where_they_were() {
        for (file, parts, expected) in [
            (
                "a\n---\nb\nc\n---\nd",
                &[(1, "a\n", "A\nA\n"), (6, "d", "D")][..],
                Some("A\nA\n---\nb\nc\n---\nD"),
            ),
            ("a\n---\nb\nc\n---\nd", &[(3, "b\nc\n", "b\n")], Some("a\n---\nb\n---\nd")),
            ("\u{feff}a\n", &[(1, "a\n", "b\n")], Some("\u{feff}b\n")),
            ("---\na\n", &[(2, "a\n", "b\n")], Some("---\nb\n")),
            ("a\n", &[(1, "b\n", "c\n")], None),
            ("a\n", &[(3, "b\n", "c\n")], None),
        ] {
            assert_eq!(merged(file, &chunks(parts)).as_deref(), expected, "{file:?}");
        }
    }
}
