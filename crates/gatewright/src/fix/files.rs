//! Fixes in the files that they are for: as a diff, or written.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatewright_rules::fix::{Edit, Op};

use super::diff::{NoDiff, Sections, diff};
use super::tried::{Fixed, Left};
use super::{Mode, write};
use crate::check::placed::Placed;
use crate::input::{self, Change, STDIN, Written};

/// The changes of all files.
#[derive(Debug, Default)]
pub struct Files {
    /// By the path of the file itself, whatever links lead there.
    changed: BTreeMap<PathBuf, File>,
    /// The files behind the names that were given.
    paths: HashMap<Arc<str>, PathBuf>,
    /// What became of objects that were here already: a file may be given twice.
    seen: HashMap<(PathBuf, usize, String), bool>,
    outcome: Outcome,
}

/// A file.
#[derive(Debug)]
struct File {
    /// How it was named first.
    name: Arc<str>,
    /// By the line on which the text of a document begins.
    chunks: Chunks,
}

type Chunks = BTreeMap<usize, Chunk>;

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
    /// The line on which it begins.
    line: usize,
    /// What it is called.
    name: String,
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
    pub fn add(&mut self, number: usize, placed: &Placed, fixed: &Fixed) {
        let (said, name, line) = (placed.said(), placed.object().to_string(), placed.source().line);
        let object = Object { number, line, name, said, edits: fixed.edits.clone() };
        let file = placed.file();
        let Some(Written { text, line, pointer }) = placed.written().filter(|_| **file != *STDIN) else {
            let because = if **file == *STDIN { "it is standard input" } else { "it is JSON" };
            return self.outcome.leave(&object, because);
        };
        let path = self.path(file);
        let seen = (path.clone(), line, pointer.to_owned());
        if let Some(done) = self.seen.get(&seen) {
            self.outcome.done.extend(done.then_some(number));
            return;
        }
        self.outcome.leave_parts(&object, &fixed.left);
        if object.edits.is_empty() {
            self.seen.insert(seen, false);
            return;
        }
        let new_file = || File { name: Arc::clone(file), chunks: Chunks::new() };
        let chunks = &mut self.changed.entry(path).or_insert_with(new_file).chunks;
        let (old, new) = (text.to_owned(), text.to_owned());
        let chunk = chunks.entry(line).or_insert(Chunk { old, new, objects: vec![] });
        let edited = input::edited(&chunk.new, &below(pointer, &object.edits));
        self.seen.insert(seen, edited.is_ok());
        match edited {
            Ok(new) => {
                chunk.new = new;
                self.outcome.done.insert(number);
                chunk.objects.push(object);
            }
            Err(because) => self.outcome.leave(&object, because),
        }
    }

    /// The file behind a name. One that is gone is missed when it is read.
    fn path(&mut self, file: &Arc<str>) -> PathBuf {
        let path = || fs::canonicalize(&**file).unwrap_or_else(|_| PathBuf::from(&**file));
        self.paths.entry(Arc::clone(file)).or_insert_with(path).clone()
    }

    /// Makes the diff, or writes the files. Files that were not read without an error are not written.
    pub fn finish(self, mode: Mode, unsound: &HashSet<Arc<str>>) -> Outcome {
        let Self { changed, paths, mut outcome, .. } = self;
        let folder = std::env::current_dir().and_then(fs::canonicalize).unwrap_or_default();
        let unsound: HashSet<_> = unsound.iter().filter_map(|file| paths.get(file)).collect();
        for (path, file) in changed {
            let done = match mode {
                Mode::Write if unsound.contains(&path) => Err(Failed::Left("the file has errors".to_owned())),
                _ => finish(mode, &path, &folder, &file),
            };
            let File { name, chunks } = file;
            let because = match done {
                Ok(diff) => {
                    outcome.diff.push_str(&diff);
                    outcome.written.extend((mode == Mode::Write).then_some(name));
                    continue;
                }
                Err(Failed::Left(because)) => because,
                Err(Failed::Io(error)) => {
                    outcome.errors.push(format!("{name}: {error}"));
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

    /// Says the fixes that do not fit into the text of an object; the others do.
    fn leave_parts(&mut self, Object { said, edits, .. }: &Object, left: &[Left]) {
        for Left { edits: of_one, because } in left {
            let what =
                if edits.is_empty() { "its text is not edited" } else { "one fix is not made in its text" };
            let patch = serde_json::to_string(of_one).unwrap_or_default();
            self.notes.push(format!("{said}: {what}: {because}; as a JSON patch the fix is {patch}"));
        }
    }
}

/// Why a file stays as it is.
enum Failed {
    Left(String),
    Io(std::io::Error),
}

/// The diff of a file; none where it was written.
fn finish(mode: Mode, path: &Path, folder: &Path, file: &File) -> Result<String, Failed> {
    let bytes = fs::read(path).map_err(Failed::Io)?;
    let old = String::from_utf8(bytes).map_err(|_| Failed::Left("the file is not UTF-8".to_owned()))?;
    let new = merged(&old, &file.chunks)
        .ok_or_else(|| Failed::Left("the file is not what was read before".to_owned()))?;
    if mode == Mode::Write {
        return write::replace(path, &new).map(|()| String::new()).map_err(Failed::Io);
    }
    let objects = file.chunks.values().flat_map(|chunk| &chunk.objects);
    let sections: Sections = objects.map(|object| (object.line, object.name.clone())).collect();
    let error = match diff(path, folder, &old, &new, &sections) {
        Ok(diff) => return Ok(diff),
        Err(NoDiff::Outside) if Path::new(&*file.name).is_symlink() => NoDiff::Linked,
        Err(error) => error,
    };
    Err(Failed::Left(error.to_string()))
}

/// The whole text of a file with the new texts of its documents. None if an old one is not where it was.
fn merged(file: &str, chunks: &Chunks) -> Option<String> {
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
    use super::{Chunk, Chunks, merged};

    fn chunks(all: &[(usize, &str, &str)]) -> Chunks {
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
