//! The files that people name.

use std::io::stdin;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::{DirEntry, WalkDir};

use super::Reading;
use super::exclude::Excluded;
use super::location::{InputError, STDIN};
use super::open;
use super::split::Chunks;

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// What a file or folder that was named stands for.
#[derive(Debug, Default)]
pub struct Sources {
    /// The files, those of a folder in the order of their names, and what cannot be read.
    pub found: Vec<Result<Source, InputError>>,
    /// Files and folders in it that are left out, and by what.
    pub left_out: Vec<(Arc<str>, String)>,
}

/// All files that an argument stands for. Hidden files and folders are left out.
pub fn sources(path: &Path, reading: &Reading) -> Sources {
    if path == Path::new("-") {
        return Sources { found: vec![Ok(Source::Stdin)], left_out: vec![] };
    }
    if !path.is_dir() {
        return Sources { found: vec![Ok(Source::File(path.to_owned()))], left_out: vec![] };
    }
    let mut excluded = Excluded::of(path, &reading.exclude, &reading.limit);
    let mut left_out = vec![];
    let wanted = |entry: &DirEntry| {
        let visible = entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".");
        if !visible || !(entry.file_type().is_dir() || is_manifest(entry)) || entry.depth() == 0 {
            return visible;
        }
        let by = excluded.by(entry.path(), entry.file_type().is_dir());
        let kept = by.is_none();
        left_out.extend(by.map(|by| (name(entry.path()), by)));
        kept
    };
    let entries = WalkDir::new(path).follow_links(true).sort_by_file_name().into_iter().filter_entry(wanted);
    let mut found: Vec<_> = entries.filter_map(manifest).collect();
    found.extend(excluded.problems.into_iter().map(Err));
    Sources { found, left_out }
}

fn is_manifest(entry: &DirEntry) -> bool {
    let end = entry.path().extension();
    entry.file_type().is_file() && end.is_some_and(|end| end == "yaml" || end == "yml" || end == "json")
}

fn manifest(entry: walkdir::Result<DirEntry>) -> Option<Result<Source, InputError>> {
    match entry {
        Ok(entry) => is_manifest(&entry).then(|| Ok(Source::File(entry.into_path()))),
        Err(error) => {
            let file = error.path().map_or_else(|| Arc::from("?"), name);
            let cause = match (error.loop_ancestor(), error.io_error()) {
                (Some(ancestor), _) => format!("is a link to {}, around in a circle", ancestor.display()),
                (None, Some(error)) => format!("cannot be read: {error}"),
                (None, None) => "cannot be read".to_owned(),
            };
            Some(Err(InputError::new(&file, 0, cause)))
        }
    }
}

/// How messages call a file.
#[must_use]
pub fn name(path: &Path) -> Arc<str> {
    if path == Path::new("-") {
        return STDIN.into();
    }
    path.strip_prefix("./").unwrap_or(path).to_string_lossy().into()
}

impl Source {
    /// Opens the file.
    pub fn chunks(&self, reading: &Reading) -> Result<Chunks, InputError> {
        match self {
            Self::Stdin => Ok(Chunks::new(STDIN.into(), open::decoded(stdin(), &reading.limit))),
            Self::File(path) => {
                let file = name(path);
                match open::file(path, &reading.limit) {
                    Ok(reader) => Ok(Chunks::new(file, reader)),
                    Err(message) => Err(InputError::new(&file, 0, message)),
                }
            }
        }
    }
}
