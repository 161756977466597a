//! One process of a cluster: how it is started, and when it is healthy.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::processes;

/// How a process is started; kept with the cluster's state, so that it can be started again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Process {
    /// Its name within the cluster and of its log file.
    pub name: String,
    program: PathBuf,
    arguments: Vec<String>,
    /// Changes to the environment; no value removes the variable.
    environment: BTreeMap<String, Option<String>>,
    directory: Option<PathBuf>,
    /// The URL that answers with success while the process is healthy.
    pub health: Option<String>,
}

impl Process {
    /// Takes over program, arguments, environment and directory of `command`.
    pub fn from_command(name: &str, command: &Command, health: Option<&str>) -> Result<Self> {
        let environment = command
            .get_envs()
            .map(|(name, value)| Ok((text(name)?, value.map(text).transpose()?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            name: name.to_owned(),
            program: command.get_program().into(),
            arguments: command.get_args().map(text).collect::<Result<_>>()?,
            environment,
            directory: command.get_current_dir().map(Path::to_path_buf),
            health: health.map(str::to_owned),
        })
    }

    /// Starts the process with the marks of the cluster in `cluster`, its output appended to its log.
    ///
    /// It gets its own process group, so that Ctrl-C at a terminal does not reach it.
    pub fn spawn(&self, cluster: &Path) -> Result<()> {
        let log = open_log(&log_path(cluster, &self.name))?;
        let mut command = self.command();
        mark(&mut command, cluster, &self.name)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share the log file")?)
            .stderr(log)
            .process_group(0);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {} ({})", self.name, self.program.display()))?;
        await_marks(&mut child)?;
        // Waits, so that a process that has ended does not stay in the process table.
        thread::spawn(move || child.wait());
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }
}

/// For a moment after its start a process shows no environment: nobody would find it.
fn await_marks(child: &mut Child) -> Result<()> {
    let environment = format!("/proc/{}/environ", child.id());
    while fs::read(&environment).is_ok_and(|marks| marks.is_empty()) && child.try_wait()?.is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Marks the process of `command` as one of the cluster with this data directory.
pub fn mark<'a>(command: &'a mut Command, cluster: &Path, name: &str) -> &'a mut Command {
    command.env(processes::CLUSTER, cluster).env(processes::PROCESS, name)
}

/// The log file of the process `name`.
pub fn log_path(cluster: &Path, name: &str) -> PathBuf {
    cluster.join("logs").join(name).with_added_extension("log")
}

/// Opens a log for appending, so that the lines from before a restart stay.
pub fn open_log(path: &Path) -> Result<File> {
    fs::create_dir_all(path.parent().unwrap_or(path))
        .and_then(|()| OpenOptions::new().create(true).append(true).open(path))
        .with_context(|| format!("cannot open the log {}", path.display()))
}

/// The last lines of a process' log, with its path, to show in an error.
pub fn last_lines(cluster: &Path, name: &str) -> String {
    const LINES: usize = 15;
    let path = log_path(cluster, name);
    let log = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join("\n");
    format!("last lines of {}:\n{last}", path.display())
}

fn text(value: &OsStr) -> Result<String> {
    value.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8", value.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::Signal;

    #[test]
    fn a_process_that_was_started_is_found() {
        let cluster = std::env::temp_dir().join(format!("gatewright-process-{}", std::process::id()));
        for i in 0..200 {
            let name = format!("sleep-{i}");
            let process = Process::from_command(&name, Command::new("sleep").arg("60"), None).unwrap();
            process.spawn(&cluster).unwrap();
            let found = processes::named(&cluster, &name);
            assert_eq!(found.len(), 1, "{name}");
            processes::signal(&found, Signal::KILL);
        }
        fs::remove_dir_all(&cluster).unwrap();
    }
}
