//! The files that people name.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::{DirEntry, WalkDir};

use super::location::{InputError, STDIN};
use super::split::Chunks;

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// A file that was named.
    Named(PathBuf),
    /// A file found in a folder, where one that says nothing is nothing to complain about.
    Found(PathBuf),
}

/// All files that the arguments stand for, in their order; those of a folder in the order of their names. Hidden
/// files and folders are left out.
pub fn sources(arguments: &[PathBuf]) -> Vec<Result<Source, InputError>> {
    arguments.iter().flat_map(|path| source(path)).collect()
}

fn source(path: &Path) -> Vec<Result<Source, InputError>> {
    if path == Path::new("-") {
        return vec![Ok(Source::Stdin)];
    }
    if !path.is_dir() {
        return vec![Ok(Source::Named(path.to_owned()))];
    }
    let visible =
        |entry: &DirEntry| entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".");
    let entries = WalkDir::new(path).follow_links(true).sort_by_file_name().into_iter().filter_entry(visible);
    let files: Vec<_> = entries.filter_map(manifest).collect();
    if files.is_empty() {
        let message = "holds no manifests: no file *.yaml, *.yml or *.json";
        return vec![Err(InputError::new(&name(path), 0, message))];
    }
    files
}

fn manifest(entry: walkdir::Result<DirEntry>) -> Option<Result<Source, InputError>> {
    match entry {
        Ok(entry) => {
            let wanted =
                entry.path().extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
            (entry.file_type().is_file() && wanted).then(|| Ok(Source::Found(entry.into_path())))
        }
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

fn name(path: &Path) -> Arc<str> {
    path.strip_prefix("./").unwrap_or(path).to_string_lossy().into()
}

impl Source {
    /// How messages call the file.
    pub fn name(&self) -> Arc<str> {
        match self {
            Self::Stdin => STDIN.into(),
            Self::Named(path) | Self::Found(path) => name(path),
        }
    }

    /// Opens the file.
    pub fn chunks(&self) -> Result<Chunks, InputError> {
        match self {
            Self::Stdin => Ok(Chunks::new(self.name(), Box::new(BufReader::new(std::io::stdin())))),
            Self::Named(path) | Self::Found(path) => {
                let file = File::open(path)
                    .map_err(|error| InputError::new(&self.name(), 0, format!("cannot be read: {error}")))?;
                Ok(Chunks::new(self.name(), Box::new(BufReader::with_capacity(1 << 16, file))))
            }
        }
    }
}
