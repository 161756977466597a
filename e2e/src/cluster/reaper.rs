//! The process that ends a cluster whose owner has ended, in whatever way.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::process::{log_path, mark, open_log};
use super::processes::{self, REAPER};

const PROGRAM: &str = "gatewright-e2e";

/// A running reaper. It acts when its standard input ends, which the kernel sees to even if the
/// owner is killed.
#[derive(Debug)]
pub struct Reaper(Child);

impl Reaper {
    /// Starts a reaper for the cluster with this data directory.
    pub fn start(cluster: &Path) -> Result<Self> {
        let program = program()?;
        let mut command = Command::new(&program);
        mark(&mut command, cluster, REAPER)
            .arg("reap")
            .arg(cluster)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(open_log(&log_path(cluster, REAPER))?)
            // Ctrl-C ends the owner, not the reaper.
            .process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self(child))
    }

    /// Lets the reaper act and waits for its end.
    pub fn finish(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }

    /// Ends the reaper; the cluster stays.
    pub fn dismiss(mut self) -> Result<()> {
        if let Some(mut input) = self.0.stdin.take() {
            input.write_all(b"dismissed").context("cannot tell the reaper to let the cluster live")?;
        }
        self.0.wait().context("cannot wait for the reaper")?;
        Ok(())
    }
}

/// What the reaper does: waits for the end of its input, then ends the cluster, unless it was
/// dismissed by some input.
///
/// # Errors
///
/// A process cannot be killed, or the data directory cannot be removed.
pub fn reap(cluster: &Path) -> Result<()> {
    let mut input = Vec::new();
    // A failing pipe is as good as a closed one.
    let _ = std::io::stdin().read_to_end(&mut input);
    if input.is_empty() {
        tear_down(cluster)?;
    }
    Ok(())
}

/// Kills a cluster's processes and removes its data unless [`keep_data`] was called.
///
/// # Errors
///
/// A process cannot be killed, or the data directory cannot be removed.
pub fn tear_down(cluster: &Path) -> Result<()> {
    processes::kill_all(cluster)?;
    if cluster.join("keep").exists() { Ok(()) } else { remove_data(cluster) }
}

/// Marks a data directory as one that stays.
pub fn keep_data(cluster: &Path) {
    let _ = std::fs::write(cluster.join("keep"), "");
}

/// Removes a data directory; one that is not there is no error.
pub fn remove_data(cluster: &Path) -> Result<()> {
    match std::fs::remove_dir_all(cluster) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", cluster.display()))
        }
        _ => Ok(()),
    }
}

/// This package's own program: cargo names it, or it is the caller itself, or it is beside the
/// caller; tests are in a directory below it.
fn program() -> Result<PathBuf> {
    let named = std::env::var_os("CARGO_BIN_EXE_gatewright-e2e").map(PathBuf::from);
    let own = std::env::current_exe().context("cannot find the running program")?;
    let beside = own.ancestors().skip(1).take(3).map(|directory| directory.join(PROGRAM));
    let itself = (own.file_name() == Some(&OsString::from(PROGRAM))).then(|| own.clone());
    named
        .into_iter()
        .chain(itself)
        .chain(beside)
        .find(|path| path.is_file())
        .with_context(|| format!("no {PROGRAM} near {}: run `cargo build -p gatewright-e2e`", own.display()))
}
