//! The programs that local clusters and tests consist of, built from Go modules that are pinned beside this.
//!
//! Each version stands once, in the `go.mod` of its module. A built tool is current while the stamp
//! beside it equals its module files and flags, so that starting a cluster needs no Go. What few tests need beside
//! comes from Debian.

mod debian;
pub mod files;
mod go_mod;
pub mod paths;
mod program;
mod upstream;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

pub use program::Program;
pub use upstream::{gatekeeper_chart, kwok_stages, open_reports, policy_reports};

/// What a tool is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Clusters, and so the demo.
    Clusters,
    /// Tests and benchmarks beside clusters.
    Tests,
    /// Tests on other versions of Kubernetes and Gatekeeper.
    Versions,
    /// The image.
    Image,
    /// Making the signatures again that tests read.
    Fixtures,
}

impl Use {
    /// What `make test` and `make bench` need.
    pub const USUAL: &'static [Self] = &[Self::Clusters, Self::Tests, Self::Image];
}

/// The path of the built tool `name` in its pinned version, whether it is there or not.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    paths::tools().join("bin").join(name)
}

/// The path of the built tool `name` in another version, such as `1.34`, or in its pinned one.
#[must_use]
pub fn path_in(name: &str, version: Option<&str>) -> PathBuf {
    path(&name_in(name, version))
}

fn name_in(name: &str, version: Option<&str>) -> String {
    version.map_or_else(|| name.to_owned(), |version| format!("{name}-{version}"))
}

/// Builds what is missing or outdated of what is for these uses, with one line on `progress` for each tool that is
/// built, and none where nothing is to be done.
///
/// # Errors
///
/// Go is missing, a build fails, or the directory of the tools cannot be written.
pub fn install(wanted: &[Use], progress: &mut impl Write) -> Result<()> {
    // Two runs at once would build the same things twice.
    let lock = files::lock_file(&paths::tools().join("lock"))?;
    lock.lock().context("cannot lock the directory of the tools")?;
    let start = Instant::now();
    let missing = missing_programs(wanted)?;
    for (number, program) in (1..).zip(&missing) {
        let version = program.version()?;
        writeln!(progress, "building {} {version} ({number} of {})", program.name, missing.len())?;
        program.build()?;
    }
    for files in upstream::ALL.iter().filter(|files| wanted.contains(&files.r#use)) {
        files.install()?;
    }
    if wanted.iter().any(|of| [Use::Tests, Use::Image].contains(of))
        && let Err(error) = debian::install(progress)
    {
        // Where Debian's packages are out of reach, only the few tests fail that need them.
        writeln!(progress, "{error:#}")?;
    }
    if !missing.is_empty() {
        writeln!(progress, "the tools are built after {} s", start.elapsed().as_secs())?;
    }
    Ok(())
}

/// Fails with the names of the tools that clusters need and that are not there in their pinned versions.
///
/// # Errors
///
/// Something is missing or outdated, or a `go.mod` cannot be read.
pub fn verify() -> Result<()> {
    let mut missing: Vec<_> =
        missing_programs(&[Use::Clusters])?.into_iter().map(|program| program.name).collect();
    for files in upstream::ALL.iter().filter(|files| files.r#use == Use::Clusters) {
        if !files.is_current()? {
            missing.push(files.name);
        }
    }
    ensure!(
        missing.is_empty(),
        "not in {}, or not in the pinned version: {}; run `make tools`",
        paths::tools().display(),
        missing.join(", ")
    );
    Ok(())
}

fn missing_programs(wanted: &[Use]) -> Result<Vec<&'static Program>> {
    let mut missing = vec![];
    for program in program::ALL.iter().filter(|program| wanted.contains(&program.r#use)) {
        if !program.is_current()? {
            missing.push(program);
        }
    }
    Ok(missing)
}

fn module_directory(module: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(module)
}

/// The version that the `go.mod` of `module` requires of `source`.
fn version(module: &str, source: &str) -> Result<String> {
    let path = module_directory(module).join("go.mod");
    go_mod::required_version(&read(&path)?, source)
        .map(str::to_owned)
        .with_context(|| format!("{} does not require {source}", path.display()))
}

fn module_files(module: &str) -> Result<String> {
    let directory = module_directory(module);
    Ok(read(&directory.join("go.mod"))? + &read(&directory.join("go.sum"))?)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn stamp_path(name: &str) -> PathBuf {
    paths::tools().join("stamps").join(name)
}

fn is_current(name: &str, target: &Path, stamp: &str) -> bool {
    target.exists() && fs::read_to_string(stamp_path(name)).is_ok_and(|found| found == stamp)
}

/// Called after the target is in its place: a run that is cut short leaves an old stamp or none.
fn write_stamp(name: &str, stamp: &str) -> Result<()> {
    let path = stamp_path(name);
    files::write(&path, stamp)
}

fn go(directory: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(directory).stdin(Stdio::null());
    command
}

fn go_missing(error: std::io::Error) -> anyhow::Error {
    anyhow::Error::new(error)
        .context("cannot run `go`: the tools are built from source, so install Go (https://go.dev/dl)")
}

/// The directory of a Go module that one of ours requires, in Go's module cache; downloads the module if it is not
/// there.
///
/// # Errors
///
/// Go is missing, or the module cannot be downloaded.
pub fn module_cache(module: &str, source: &str) -> Result<PathBuf> {
    let directory = module_directory(module);
    let output = go(&directory).args(["mod", "download", "-json", source]).output().map_err(go_missing)?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let Some(found) = answer["Dir"].as_str().filter(|_| output.status.success()) else {
        let said = String::from_utf8_lossy(&output.stderr);
        let error = answer["Error"].as_str().unwrap_or(&said);
        bail!("`go mod download {source}` in {} failed: {} {error}", directory.display(), output.status);
    };
    Ok(PathBuf::from(found))
}
