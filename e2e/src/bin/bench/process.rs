//! Programs, with what they used: time, processor time, memory.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// What a program used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// From start to end, in seconds.
    pub wall: f64,
    /// Of all processors, in seconds, as of the last look.
    pub cpu: f64,
    /// The most memory it ever had, in megabytes, as of the last look.
    pub megabytes: f64,
}

/// How often a running program is looked at: what it used in its last moments is not seen.
const LOOK: Duration = Duration::from_millis(2);

/// Runs a program that says 0, or 1 if it refuses something, and writes what it prints into a file.
pub fn run(command: &mut Command, output: &Path) -> Result<Usage> {
    let start = Instant::now();
    let mut child = as_users_do(command)
        .stdin(Stdio::null())
        .stdout(File::create(output)?)
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| format!("{} does not run", command.get_program().display()))?;
    let mut usage = Usage::default();
    let status = loop {
        look(child.id(), &mut usage);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(LOOK);
    };
    usage.wall = start.elapsed().as_secs_f64();
    ensure!(matches!(status.code(), Some(0 | 1)), "{command:?}: {status}");
    Ok(usage)
}

/// How long a short program takes, in seconds. Nobody looks at it while it runs.
pub fn time(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let command = as_users_do(command);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(matches!(status.code(), Some(0 | 1)), "{command:?}: {status}");
    Ok(seconds)
}

/// Backtraces are for whoever develops: the Rego parser would take one for each way that it tries in vain.
fn as_users_do(command: &mut Command) -> &mut Command {
    command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE")
}

fn look(id: u32, usage: &mut Usage) {
    if let Some(kilobytes) = kilobytes(&read(id, "status"), "VmHWM:") {
        usage.megabytes = kilobytes / 1024.0;
    }
    if let Some(ticks) = ticks(&read(id, "stat")) {
        usage.cpu = usage.cpu.max(ticks / 100.0);
    }
}

fn read(id: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default()
}

/// What a running process uses now.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Of all processors since its start, in seconds.
    pub cpu: f64,
    /// Its resident memory, in MiB.
    pub resident: f64,
    /// The most resident memory it ever had, in MiB.
    pub peak: f64,
}

/// What a running process uses now.
pub fn now(id: u32) -> Result<Now> {
    let status = read(id, "status");
    let mebibytes = |field| Some(kilobytes(&status, field)? / 1024.0);
    let now = || {
        let cpu = ticks(&read(id, "stat"))? / 100.0;
        Some(Now { cpu, resident: mebibytes("VmRSS:")?, peak: mebibytes("VmHWM:")? })
    };
    now().with_context(|| format!("process {id} has ended"))
}

/// A line of `/proc/ID/status`, in kilobytes. A program that has ended has none.
fn kilobytes(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system time, in the hundredths of a second that Linux shows.
fn ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::{kilobytes, ticks};

    #[test]
    fn what_linux_says_of_a_process() {
        assert_eq!(kilobytes("Name:\tx\nVmHWM:\t    2048 kB\n", "VmHWM:"), Some(2048.0));
        assert_eq!(kilobytes("Name:\tx\n", "VmHWM:"), None);
        assert_eq!(ticks("7 (a b) c) R 1 2 3 4 5 6 7 8 9 10 31 11 0 0"), Some(42.0));
    }
}
