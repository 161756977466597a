//! What is known of a cluster from outside the process that started it: `cluster.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::options::Options;
use super::process::Process;
use crate::paths;
use crate::tools::files;

/// Ports below the range from which the kernel takes those of outgoing connections: otherwise a
/// client that keeps dialling a stopped server could take that server's port, or meet itself there.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// What is known of a cluster.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    pub options: Options,
    /// Ports on 127.0.0.1 by what they are for.
    pub ports: BTreeMap<String, u16>,
    /// All processes that were ever started, by name.
    pub processes: BTreeMap<String, Process>,
    /// What was there before in somebody else's cluster; none if the cluster is ours.
    #[serde(default)]
    pub before: Option<BTreeSet<String>>,
    /// Whether the start came to its end.
    pub complete: bool,
}

impl State {
    pub fn new(options: Options) -> Self {
        Self { options, ports: BTreeMap::new(), processes: BTreeMap::new(), before: None, complete: false }
    }

    pub fn load(directory: &Path) -> Result<Self> {
        let path = directory.join("cluster.json");
        let json =
            fs::read(&path).with_context(|| format!("no cluster here: cannot read {}", path.display()))?;
        serde_json::from_slice(&json).with_context(|| format!("cannot understand {}", path.display()))
    }

    pub fn save(&self, directory: &Path) -> Result<()> {
        files::write(&directory.join("cluster.json"), serde_json::to_vec_pretty(self)?)
    }

    /// Gives each of `purposes` that has none a free port of its own.
    ///
    /// Ports are reserved by standing in some cluster's state, which is read and written under a
    /// lock, so that clusters that start at the same time do not choose the same ones.
    pub fn reserve_ports(&mut self, directory: &Path, purposes: &[&str]) -> Result<()> {
        let clusters = paths::clusters();
        let lock = files::lock_file(&clusters.join(".locks/.ports"))?;
        lock.lock().context("cannot lock the ports")?;
        let mut taken = reserved(&clusters);
        taken.extend(self.ports.values());
        let mut free = candidates().filter(|port| !taken.contains(port) && is_free(*port));
        for purpose in purposes {
            if !self.ports.contains_key(*purpose) {
                let port = free.next().context("no free port between 20000 and 30000")?;
                self.ports.insert((*purpose).to_owned(), port);
            }
        }
        self.save(directory)
    }

    pub fn port(&self, purpose: &str) -> Result<u16> {
        self.ports.get(purpose).copied().with_context(|| format!("no port is reserved for {purpose}"))
    }
}

/// Starts at another place in each process, for clusters of another checkout that are not known here.
fn candidates() -> impl Iterator<Item = u16> {
    let count = u32::from(PORTS.end - PORTS.start);
    let first = std::process::id().wrapping_mul(64) % count;
    let port = move |offset| u16::try_from((first + offset) % count).unwrap_or_default() + PORTS.start;
    (0..count).map(port)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("0.0.0.0", port)).is_ok()
}

/// The ports of all clusters that have a data directory.
fn reserved(clusters: &Path) -> BTreeSet<u16> {
    let entries = fs::read_dir(clusters).into_iter().flatten().flatten();
    let states = entries.filter_map(|entry| State::load(&entry.path()).ok());
    states.flat_map(|state| state.ports.into_values()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_cover_the_range_once() {
        let all: BTreeSet<u16> = candidates().collect();
        assert_eq!(all, PORTS.collect());
        assert_eq!(candidates().count(), PORTS.len());
    }
}
