//! Finds and signals the processes of a cluster.
//!
//! Every process carries two marks in its environment, and so do the processes it starts. Reading
//! them from `/proc` needs no files that go stale in a crash.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// The variable that holds the data directory of the cluster a process belongs to.
pub const CLUSTER: &str = "GATEWRIGHT_CLUSTER";
/// The variable that holds the name of a process within its cluster.
pub const PROCESS: &str = "GATEWRIGHT_PROCESS";
/// The name of the process that cleans up after its cluster's owner, and thus outlives the rest.
pub const REAPER: &str = "reaper";

/// The name of commands that `kubectl exec` runs.
pub const EXEC: &str = "exec";
/// The name of kubectl.
pub const KUBECTL: &str = "kubectl";

/// How long killed processes may take to disappear.
const DEATH: Duration = Duration::from_secs(10);

/// A running process of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pid: Pid,
    /// Its name within the cluster; what it started itself has the same one.
    pub name: String,
}

impl Running {
    /// Its number, under which `/proc` says more.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }
}

/// The processes of the cluster with this data directory, except the calling one.
#[must_use]
pub fn running(directory: &Path) -> Vec<Running> {
    let own = rustix::process::getpid();
    let process = |entry: fs::DirEntry| {
        let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let environment = fs::read(entry.path().join("environ")).ok()?;
        let name = name_in(&environment, directory)?;
        (pid != own).then_some(Running { pid, name })
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(process).collect()
}

/// The processes named `name`.
#[must_use]
pub fn named(directory: &Path, name: &str) -> Vec<Running> {
    let mut found = running(directory);
    found.retain(|process| process.name == name);
    found
}

/// Sends `signal` to all of `processes`; one that has ended meanwhile is no error.
pub fn signal(processes: &[Running], signal: Signal) {
    for process in processes {
        let _ = kill_process(process.pid, signal);
    }
}

/// Whether a process has let go of everything. Its marks go earlier, while it still holds its ports;
/// and what is left until its parent looks holds nothing, unless some of its threads are still ending.
#[must_use]
pub fn has_ended(process: &Running) -> bool {
    let directory = PathBuf::from(format!("/proc/{}", process.pid.as_raw_nonzero()));
    let Ok(state) = fs::read_to_string(directory.join("stat")) else {
        return true;
    };
    let threads = fs::read_dir(directory.join("task")).into_iter().flatten().count();
    is_zombie(&state) && threads <= 1
}

/// The state stands after the name, which is in parentheses and may hold any characters.
fn is_zombie(stat: &str) -> bool {
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Kills all processes of a cluster but its reaper, and waits until they are gone.
///
/// # Errors
///
/// Some are still there after 10 seconds.
pub fn kill_all(directory: &Path) -> Result<usize> {
    let deadline = Instant::now() + DEATH;
    let mut killed: Vec<Running> = Vec::new();
    let mut quiet = 0;
    // Looks twice, since a process that is just being started has no mark yet.
    while quiet < 2 {
        let mut left = running(directory);
        left.retain(|process| process.name != REAPER);
        if left.is_empty() && killed.iter().all(has_ended) {
            quiet += 1;
        } else if Instant::now() > deadline {
            bail!("still there {} s after SIGKILL: {killed:?}", DEATH.as_secs());
        }
        signal(&left, Signal::KILL);
        killed.extend(left);
        thread::sleep(Duration::from_millis(20));
    }
    killed.sort_unstable_by_key(|process| process.pid.as_raw_nonzero());
    killed.dedup();
    Ok(killed.len())
}

/// The name of a process with this environment, if it belongs to the cluster.
fn name_in(environment: &[u8], directory: &Path) -> Option<String> {
    let cluster = variable(environment, CLUSTER)?;
    if OsStr::from_bytes(cluster) != directory.as_os_str() {
        return None;
    }
    variable(environment, PROCESS).map(|name| String::from_utf8_lossy(name).into_owned())
}

fn variable<'a>(environment: &'a [u8], name: &str) -> Option<&'a [u8]> {
    environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_zombies() {
        let cases = [("12 (etcd) S 1 12", false), ("12 (etcd) Z 1 12", true), ("12 (a ) Z b) R 1 12", false)];
        for (stat, expected) in cases {
            assert_eq!(is_zombie(stat), expected, "{stat}");
        }
    }

    #[test]
    fn recognises_processes_by_both_marks() {
        let cases: [(&[u8], Option<&str>); 6] = [
            (b"A=b\0GATEWRIGHT_CLUSTER=/c/x\0GATEWRIGHT_PROCESS=etcd\0", Some("etcd")),
            (b"GATEWRIGHT_PROCESS=etcd\0GATEWRIGHT_CLUSTER=/c/x", Some("etcd")),
            (b"GATEWRIGHT_CLUSTER=/c/xy\0GATEWRIGHT_PROCESS=etcd\0", None),
            (b"GATEWRIGHT_CLUSTER=/c/x\0", None),
            (b"MY_GATEWRIGHT_CLUSTER=/c/x\0GATEWRIGHT_PROCESS=etcd\0", None),
            (b"", None),
        ];
        for (environment, expected) in cases {
            let found = name_in(environment, Path::new("/c/x"));
            assert_eq!(found.as_deref(), expected, "{}", String::from_utf8_lossy(environment));
        }
    }
}
