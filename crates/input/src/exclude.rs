//! Files of folders that people do not want to have read: `--exclude`, and ignore files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::limit::Limit;
use super::location::InputError;
use super::{files, open};

/// The name of ignore files. They are written like Git's.
pub const IGNORE_FILE: &str = ".gatewrightignore";

/// Checks a pattern of `--exclude`.
///
/// # Errors
/// What is wrong with it.
pub fn pattern(text: &str) -> Result<String, String> {
    let mut builder = GitignoreBuilder::new("");
    let added = builder.add_line(None, text).and_then(|builder| builder.build());
    added.map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// What is left out of one folder.
pub struct Excluded<'a> {
    /// The folder, as people named it.
    named: &'a Path,
    /// The same without links.
    root: PathBuf,
    /// Where ignore files begin to count.
    top: PathBuf,
    patterns: Gitignore,
    files: HashMap<PathBuf, Gitignore>,
    limit: &'a Limit,
    /// What is wrong with ignore files.
    pub problems: Vec<InputError>,
}

impl<'a> Excluded<'a> {
    /// For a folder. Ignore files count in it and below, and above it up to the folder in which the command runs.
    pub fn of(named: &'a Path, patterns: &[String], limit: &'a Limit) -> Self {
        let root = named.canonicalize().unwrap_or_else(|_| named.to_owned());
        let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
        let top = if root.starts_with(&here) { here } else { root.clone() };
        let mut builder = GitignoreBuilder::new(&root);
        for pattern in patterns {
            // A pattern that is wrong was refused before.
            let _ = builder.add_line(None, pattern);
        }
        let patterns = builder.build().unwrap_or_else(|_| Gitignore::empty());
        Self { named, root, top, patterns, files: HashMap::new(), limit, problems: vec![] }
    }

    /// What leaves a file or folder out, if anything does. The nearest ignore file that says something decides.
    pub fn by(&mut self, path: &Path, is_folder: bool) -> Option<String> {
        let below = path.strip_prefix(self.named).unwrap_or(path);
        let path = self.root.join(below);
        if self.patterns.matched(&path, is_folder).is_ignore() {
            return Some("--exclude".to_owned());
        }
        for folder in path.ancestors().skip(1) {
            if !folder.starts_with(&self.top) {
                break;
            }
            match self.file(folder).matched(&path, is_folder) {
                Match::Ignore(_) => return Some(self.shown(folder)),
                Match::Whitelist(_) => return None,
                Match::None => {}
            }
        }
        None
    }

    fn file(&mut self, folder: &Path) -> &Gitignore {
        if !self.files.contains_key(folder) {
            let read = self.read(folder);
            self.files.insert(folder.to_owned(), read);
        }
        &self.files[folder]
    }

    fn read(&mut self, folder: &Path) -> Gitignore {
        let path = folder.join(IGNORE_FILE);
        if !path.is_file() {
            return Gitignore::empty();
        }
        let shown = self.shown(folder).as_str().into();
        let mut builder = GitignoreBuilder::new(folder);
        match open::text(&path, self.limit) {
            Ok(text) => {
                for (index, line) in text.lines().enumerate() {
                    if let Err(error) = builder.add_line(None, line) {
                        self.problems.push(InputError::new(&shown, index + 1, error.to_string()));
                    }
                }
            }
            Err(message) => self.problems.push(InputError::new(&shown, 0, message)),
        }
        builder.build().unwrap_or_else(|_| Gitignore::empty())
    }

    /// An ignore file, as people would name it.
    fn shown(&self, folder: &Path) -> String {
        let path = match folder.strip_prefix(&self.root) {
            Ok(below) => self.named.join(below),
            Err(_) => folder.strip_prefix(&self.top).unwrap_or(folder).to_owned(),
        };
        files::name(&path.join(IGNORE_FILE)).to_string()
    }
}
