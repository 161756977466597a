//! A cluster of real programs on loopback.

mod access;
mod certificates;
mod control;
mod control_plane;
mod elsewhere;
mod gatekeeper;
mod health;
mod install;
mod kubeconfig;
mod kwok;
mod objects;
mod options;
mod process;
mod processes;
mod reaper;
mod start;
mod state;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};

use crate::paths;

pub use access::Output;
pub use health::until;
pub use objects::Condition;
pub use options::{FailurePolicy, Options};
pub use processes::{Running, running};
pub use reaper::reap;

use certificates::Files;
use reaper::Reaper;
use state::State;

/// A running cluster.
///
/// One that was made by [`Cluster::start`] belongs to its value and ends with it. One that was made
/// by [`Cluster::up`] lives on, and [`Cluster::attach`] gets hold of it again.
#[derive(Debug)]
pub struct Cluster {
    directory: PathBuf,
    state: Mutex<State>,
    /// There is one if the cluster ends with this value.
    reaper: Option<Reaper>,
}

impl Cluster {
    /// Starts a cluster that ends with the returned value, and also if this process is killed.
    ///
    /// The data directory goes with it, except if `keep` is set in the options, if some thread of this
    /// process panicked, or if the start failed.
    ///
    /// # Errors
    ///
    /// A tool is missing, a cluster of this name runs already, or a process does not become healthy.
    pub async fn start(options: Options) -> Result<Self> {
        let _starting = start::lock(&options.name)?;
        let cluster = Self::start_owned(options).await?;
        start::keep_data_on_panic(&cluster.directory);
        Ok(cluster)
    }

    /// Starts a cluster, runs `scenario` on it and ends it. If the scenario fails, the data directory
    /// stays and the error says where the logs are.
    ///
    /// # Errors
    ///
    /// As for [`Cluster::start`], and those of the scenario.
    pub async fn run<T>(options: Options, scenario: impl AsyncFnOnce(&Self) -> Result<T>) -> Result<T> {
        let cluster = Self::start(options).await?;
        let outcome = scenario(&cluster).await;
        if outcome.is_err() {
            cluster.keep_data();
        }
        let cleaned = cluster.clean().await;
        outcome
            .and_then(|value| cleaned.map(|()| value))
            .with_context(|| format!("the logs of the cluster are in {}", cluster.logs().display()))
    }

    /// Starts a cluster that stays until [`down`], in place of what is there of the same name.
    /// Until it is complete it ends with this process.
    ///
    /// # Errors
    ///
    /// As for [`Cluster::start`].
    pub async fn up(options: Options) -> Result<Self> {
        let _starting = start::lock(&options.name)?;
        start::wait_for_previous(&options.name).await?;
        // What a crash left behind, or a cluster that its user wants anew.
        down(&options.name)?;
        let mut cluster = Self::start_owned(options).await?;
        if let Some(reaper) = cluster.reaper.take() {
            reaper.dismiss()?;
        }
        Ok(cluster)
    }

    async fn start_owned(options: Options) -> Result<Self> {
        start::wait_for_previous(&options.name).await?;
        let mut cluster = Self::prepare(options)?;
        cluster.reaper = Some(Reaper::start(&cluster.directory)?);
        if cluster.options().keep {
            cluster.keep_data();
        }
        let outcome = match elsewhere::given() {
            Some(kubeconfig) => cluster.take(&kubeconfig).await,
            None => cluster.bring_up().await,
        };
        if outcome.is_err() {
            cluster.keep_data();
        }
        let logs = cluster.logs();
        outcome.with_context(|| format!("the cluster did not start; its logs are in {}", logs.display()))?;
        Ok(cluster)
    }

    /// Gets hold of a cluster that was started by another process; it stays when the value is dropped.
    ///
    /// # Errors
    ///
    /// There is no cluster of that name.
    pub fn attach(name: &str) -> Result<Self> {
        let directory = paths::cluster(name)?;
        let state = State::load(&directory)?;
        Ok(Self { directory, state: Mutex::new(state), reaper: None })
    }

    /// The directory with everything of this cluster: logs, certificates, etcd's data.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }

    /// The certificate of the authority that all servers of the cluster have theirs from.
    #[must_use]
    pub fn certificate_authority(&self) -> PathBuf {
        Files::new(&self.directory).authority()
    }

    /// A certificate for servers on 127.0.0.1 and localhost, and its key.
    #[must_use]
    pub fn serving_certificate(&self) -> (PathBuf, PathBuf) {
        let files = Files::new(&self.directory);
        (files.server(), files.server_key())
    }

    /// The directory of the logs of all processes.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.directory.join("logs")
    }

    /// The log of the process `name`.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        process::log_path(&self.directory, name)
    }

    /// The last lines of the log of the process `name`, with its path, to show in an error.
    #[must_use]
    pub fn end_of_log(&self, name: &str) -> String {
        process::last_lines(&self.directory, name)
    }

    /// The API server's audit log: one event of `audit.k8s.io/v1`, level Metadata, a line.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        control_plane::audit_log(&self.directory)
    }

    /// A port on 127.0.0.1 that is free and stays reserved; the same for the same purpose.
    ///
    /// # Errors
    ///
    /// There is no free port, or the state of the cluster cannot be written.
    pub fn port(&self, purpose: &str) -> Result<u16> {
        let mut state = self.state();
        state.reserve_ports(&self.directory, &[purpose])?;
        state.port(purpose)
    }

    /// Whether the cluster was started completely and its API server and etcd run.
    #[must_use]
    pub fn is_up(&self) -> bool {
        let essential = [control_plane::ETCD, control_plane::API_SERVER];
        self.state().complete && essential.into_iter().all(|name| self.is_running(name))
    }

    /// Keeps the data directory when the cluster ends.
    pub fn keep_data(&self) {
        reaper::keep_data(&self.directory);
    }

    fn options(&self) -> Options {
        self.state().options.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(reaper) = &mut self.reaper {
            // Not left to the reaper alone, which may have been killed; but first, since another
            // process may start a cluster of this name as soon as the reaper has ended.
            let _ = reaper::tear_down(&self.directory);
            reaper.finish();
        }
    }
}

/// Ends the cluster `name` in whatever state it is, and removes its data. Returns how many processes
/// were killed; `None` if there was nothing at all.
///
/// # Errors
///
/// A process cannot be killed, or the data directory cannot be removed.
pub fn down(name: &str) -> Result<Option<usize>> {
    let directory = paths::cluster(name)?;
    let existed = directory.exists();
    let killed = processes::kill_all(&directory)?;
    reaper::remove_data(&directory).context("the processes are stopped, but data is left")?;
    Ok((existed || killed > 0).then_some(killed))
}
