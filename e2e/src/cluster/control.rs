//! Single processes of a cluster: starting more of them, ending and restarting any.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use super::process::Process;
use super::{Cluster, health, processes};

/// Names of processes that are not started through [`Cluster::spawn`].
const RESERVED: [&str; 3] = [processes::REAPER, processes::KUBECTL, processes::EXEC];

impl Cluster {
    /// Runs `command` as one more process of the cluster: it has a log there, can be ended and
    /// restarted by its name, and ends with the cluster. With a URL in `health`, waits until that
    /// answers with success; `https` URLs are verified with the cluster's authority.
    ///
    /// Of `command`, the program, arguments, environment and working directory count.
    ///
    /// # Errors
    ///
    /// A process of that name runs already, or the new one ends or is not healthy in time.
    pub async fn spawn(&self, name: &str, command: &Command, health: Option<&str>) -> Result<()> {
        ensure!(!RESERVED.contains(&name), "{name} is no name for a process of a cluster");
        ensure!(!self.is_running(name), "{name} runs already in {}", self.directory.display());
        self.launch(Process::from_command(name, command, health)?).await
    }

    /// Whether a process of that name runs.
    #[must_use]
    pub fn is_running(&self, name: &str) -> bool {
        !processes::named(&self.directory, name).is_empty()
    }

    /// Ends a process by SIGKILL, as in a crash, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// No such process runs, or it does not end in time.
    pub async fn kill(&self, name: &str) -> Result<()> {
        self.end(name, Signal::KILL).await
    }

    /// Ends a process by SIGTERM and waits until it is gone.
    ///
    /// # Errors
    ///
    /// No such process runs, or it does not end in time.
    pub async fn stop(&self, name: &str) -> Result<()> {
        self.end(name, Signal::TERM).await
    }

    /// Starts a process again as it was started before, after ending it by SIGTERM if it runs, and
    /// waits until it is healthy.
    ///
    /// # Errors
    ///
    /// There never was such a process, it does not end in time, or does not become healthy.
    pub async fn restart(&self, name: &str) -> Result<()> {
        let process = self.state().processes.get(name).cloned();
        let process =
            process.with_context(|| format!("{name} was never started in {}", self.directory.display()))?;
        health::end(&self.directory, name, Signal::TERM).await?;
        self.launch(process).await
    }

    /// Stops a process in its tracks, as on a machine that hangs, until [`Self::thaw`].
    ///
    /// # Errors
    ///
    /// No such process runs.
    pub fn freeze(&self, name: &str) -> Result<()> {
        self.send(name, Signal::STOP)
    }

    /// Lets a frozen process go on where it was.
    ///
    /// # Errors
    ///
    /// No such process runs.
    pub fn thaw(&self, name: &str) -> Result<()> {
        self.send(name, Signal::CONT)
    }

    fn send(&self, name: &str, signal: Signal) -> Result<()> {
        ensure!(self.is_running(name), "{name} does not run in {}", self.directory.display());
        processes::signal(&processes::named(&self.directory, name), signal);
        Ok(())
    }

    async fn end(&self, name: &str, signal: Signal) -> Result<()> {
        ensure!(self.is_running(name), "{name} does not run in {}", self.directory.display());
        health::end(&self.directory, name, signal).await
    }
}
