//! The files that hold tests.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use walkdir::WalkDir;

/// A file of tests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// Where it is, as people named it.
    pub path: PathBuf,
    /// What it holds.
    pub kind: Kind,
}

/// What a file of tests holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Gatekeeper's `Suite`.
    Suite,
    /// Cases of policies.
    Cases,
}

/// The group of `Suite`. A file without this word holds none.
pub const SUITE_GROUP: &str = "test.gatekeeper.sh";

impl File {
    /// How messages call it.
    pub fn name(&self) -> String {
        name(&self.path)
    }
}

/// How messages call a file.
pub fn name(path: &Path) -> String {
    path.strip_prefix("./").unwrap_or(path).display().to_string()
}

/// All files of tests that the arguments stand for, in order of their names, once each.
pub fn find(arguments: &[String]) -> anyhow::Result<Vec<File>> {
    let mut all = vec![];
    for argument in arguments {
        let found = match argument.strip_suffix("/...").or((argument == "...").then_some(".")) {
            Some(folder) => in_folder(Path::new(if folder.is_empty() { "/" } else { folder }), usize::MAX)?,
            None if Path::new(argument).is_dir() => in_folder(Path::new(argument), 1)?,
            None => vec![named(Path::new(argument))?],
        };
        all.extend(found);
    }
    all.sort();
    all.dedup();
    Ok(all)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "yaml" || end == "yml")
}

fn named(path: &Path) -> anyhow::Result<File> {
    let text = read(path)?;
    ensure!(is_yaml(path), "{}: is not a file *.yaml or *.yml", name(path));
    let kind = if text.contains(SUITE_GROUP) { Kind::Suite } else { Kind::Cases };
    Ok(File { path: path.to_owned(), kind })
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("{}: cannot be read", name(path)))
}

fn unreadable(error: &walkdir::Error, folder: &Path) -> anyhow::Error {
    let path = name(error.path().unwrap_or(folder));
    match error.io_error() {
        Some(cause) => anyhow::anyhow!("{path}: cannot be read: {cause}"),
        None => anyhow::anyhow!("{path}: {error}"),
    }
}

fn in_folder(folder: &Path, depth: usize) -> anyhow::Result<Vec<File>> {
    ensure!(folder.is_dir(), "{}: is not a folder", name(folder));
    let mut found = vec![];
    for entry in WalkDir::new(folder).max_depth(depth).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| unreadable(&error, folder))?;
        let path = entry.path();
        if !entry.file_type().is_file() || !is_yaml(path) {
            continue;
        }
        let is_suite = || fs::read(path).is_ok_and(|text| contains(&text, SUITE_GROUP.as_bytes()));
        if is_cases(path) {
            found.push(File { path: path.to_owned(), kind: Kind::Cases });
        } else if is_suite() {
            found.push(File { path: path.to_owned(), kind: Kind::Suite });
        }
    }
    if found.is_empty() {
        let below = if depth == 1 { "; with /... after it, what is below counts too" } else { "" };
        bail!("{}: holds no tests: no Suite of {SUITE_GROUP}, no cases.yaml{below}", name(folder));
    }
    Ok(found)
}

/// `cases.yaml`, or a name before it: `baseline.cases.yaml`.
fn is_cases(path: &Path) -> bool {
    path.file_stem()
        .is_some_and(|stem| stem == "cases" || Path::new(stem).extension() == Some("cases".as_ref()))
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
