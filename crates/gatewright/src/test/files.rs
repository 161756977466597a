//! The files that hold tests.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail, ensure};
use walkdir::WalkDir;

use super::{reading, suite};
use crate::input::{self, LimitArgs, Reading, name};

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

/// The group of `Suite`. A file without these words holds none.
pub const SUITE_GROUP: &str = "test.gatekeeper.sh";

impl File {
    /// How messages call it.
    pub fn name(&self) -> String {
        name(&self.path).to_string()
    }
}

/// All files of tests that the arguments stand for, in order of their names, once each.
///
/// # Errors
/// A file cannot be read, or a folder holds no tests.
pub fn find(arguments: &[String], limit: &LimitArgs) -> anyhow::Result<Vec<File>> {
    let mut all = vec![];
    for argument in arguments {
        let found = match argument.strip_suffix("/...").or((argument == "...").then_some(".")) {
            Some(folder) => {
                in_folder(Path::new(if folder.is_empty() { "/" } else { folder }), usize::MAX, limit)?
            }
            None if Path::new(argument).is_dir() => in_folder(Path::new(argument), 1, limit)?,
            None => vec![named(Path::new(argument), limit)?],
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

fn named(path: &Path, limit: &LimitArgs) -> anyhow::Result<File> {
    ensure!(is_yaml(path), "{}: is not a file *.yaml or *.yml", name(path));
    let kind = if holds_suite(path, &reading(limit))? { Kind::Suite } else { Kind::Cases };
    Ok(File { path: path.to_owned(), kind })
}

/// Whether a document of a file is a suite. A file that mentions suites and cannot be read as YAML could be one.
fn holds_suite(path: &Path, reading: &Reading) -> anyhow::Result<bool> {
    let text = input::text(path, &reading.limit).map_err(|problem| anyhow!("{}: {problem}", name(path)))?;
    if !text.contains(SUITE_GROUP) {
        return Ok(false);
    }
    let mut documents = input::read(&[path.to_owned()], reading);
    Ok(documents.any(|document| document.as_ref().map_or(true, suite::is_suite)))
}

fn unreadable(error: &walkdir::Error, folder: &Path) -> anyhow::Error {
    let path = name(error.path().unwrap_or(folder));
    match error.io_error() {
        Some(cause) => anyhow::anyhow!("{path}: cannot be read: {cause}"),
        None => anyhow::anyhow!("{path}: {error}"),
    }
}

fn in_folder(folder: &Path, depth: usize, limit: &LimitArgs) -> anyhow::Result<Vec<File>> {
    ensure!(folder.is_dir(), "{}: is not a folder", name(folder));
    let mut found = vec![];
    for entry in WalkDir::new(folder).max_depth(depth).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| unreadable(&error, folder))?;
        let path = entry.path();
        if !entry.file_type().is_file() || !is_yaml(path) {
            continue;
        }
        if is_cases(path) {
            found.push(File { path: path.to_owned(), kind: Kind::Cases });
        } else if holds_suite(path, &reading(limit))? {
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
