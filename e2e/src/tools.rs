//! The programs a cluster consists of, built from Go modules that are pinned below `e2e/tools`.
//!
//! Each version stands once, in the `go.mod` of its module. A built tool is current while the stamp
//! beside it equals its module files and flags, so that starting a cluster needs no Go. One program that clusters do
//! not need, promtool, comes from Debian.

mod debian;
mod go_mod;
mod upstream;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::paths;

pub use upstream::{gatekeeper_chart, kwok_stages, open_reports, policy_reports};

/// A program that is built from a Go module.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// The name of the binary.
    pub name: &'static str,
    /// The directory below `e2e/tools` whose `go.mod` pins it.
    module: &'static str,
    /// The Go package of the program.
    package: &'static str,
    /// The Go module whose version the program has.
    source: &'static str,
    /// Variables to set by the linker; `{version}`, `{major}` and `{minor}` are replaced.
    stamps: &'static [&'static str],
}

const KUBERNETES: Tool = Tool {
    name: "",
    module: "kubernetes",
    package: "",
    source: "k8s.io/kubernetes",
    // Without them the server calls itself v0.0.0 and clients misbehave.
    stamps: &[
        "k8s.io/client-go/pkg/version.gitVersion={version}",
        "k8s.io/component-base/version.gitVersion={version}",
        "k8s.io/component-base/version.gitMajor={major}",
        "k8s.io/component-base/version.gitMinor={minor}",
    ],
};

const GATEKEEPER: Tool = Tool {
    name: "gatekeeper",
    module: "gatekeeper",
    package: "github.com/open-policy-agent/gatekeeper/v3",
    source: "github.com/open-policy-agent/gatekeeper/v3",
    stamps: &["github.com/open-policy-agent/gatekeeper/v3/pkg/version.Version={version}"],
};

/// All programs, in the order in which they are built.
pub const TOOLS: &[Tool] = &[
    Tool {
        name: "etcd",
        module: "etcd",
        package: "go.etcd.io/etcd/server/v3",
        source: "go.etcd.io/etcd/server/v3",
        stamps: &[],
    },
    Tool { name: "kube-apiserver", package: "k8s.io/kubernetes/cmd/kube-apiserver", ..KUBERNETES },
    Tool {
        name: "kube-controller-manager",
        package: "k8s.io/kubernetes/cmd/kube-controller-manager",
        ..KUBERNETES
    },
    Tool { name: "kube-scheduler", package: "k8s.io/kubernetes/cmd/kube-scheduler", ..KUBERNETES },
    Tool { name: "kubectl", package: "k8s.io/kubernetes/cmd/kubectl", ..KUBERNETES },
    GATEKEEPER,
    Tool { name: "gator", package: "github.com/open-policy-agent/gatekeeper/v3/cmd/gator", ..GATEKEEPER },
    Tool {
        name: "kwok",
        module: "kwok",
        package: "sigs.k8s.io/kwok/cmd/kwok",
        source: "sigs.k8s.io/kwok",
        stamps: &["sigs.k8s.io/kwok/pkg/consts.Version={version}"],
    },
    Tool {
        name: "helm",
        module: "helm",
        package: "helm.sh/helm/v4/cmd/helm",
        source: "helm.sh/helm/v4",
        stamps: &["helm.sh/helm/v4/internal/version.version={version}"],
    },
];

/// The path of the built tool `name`, whether it is there or not.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    paths::tools().join("bin").join(name)
}

/// Builds what is missing or outdated and says so on `progress`, one line for each tool.
///
/// # Errors
///
/// Go is missing, a build fails, or the directory of the tools cannot be written.
pub fn install(progress: &mut impl Write) -> Result<()> {
    let directory = paths::tools();
    // Two runs at once would build the same things twice.
    let lock = crate::files::lock_file(&directory.join("lock"))?;
    lock.lock().context("cannot lock the directory of the tools")?;
    for tool in TOOLS {
        tool.install(progress)?;
    }
    for files in upstream::ALL {
        files.install(progress)?;
    }
    // No cluster needs it: where Debian's packages are out of reach, only the test of the alerts fails.
    if let Err(error) = debian::install(progress) {
        writeln!(progress, "{error:#}")?;
    }
    Ok(())
}

/// Fails with the names of the tools that are not there in their pinned versions.
///
/// # Errors
///
/// Something is missing or outdated, or a `go.mod` cannot be read.
pub fn verify() -> Result<()> {
    let mut missing = Vec::new();
    for tool in TOOLS {
        if !is_current(tool.name, &path(tool.name), &tool.stamp()?) {
            missing.push(tool.name);
        }
    }
    for files in upstream::ALL {
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

impl Tool {
    fn install(&self, progress: &mut impl Write) -> Result<()> {
        let version = version(self.module, self.source)?;
        write!(progress, "{:24} {version:9} ", self.name)?;
        progress.flush()?;
        let stamp = self.stamp()?;
        if is_current(self.name, &path(self.name), &stamp) {
            writeln!(progress, "up to date")?;
            return Ok(());
        }
        let start = Instant::now();
        let built = self.build(&version).and_then(|()| write_stamp(self.name, &stamp));
        if let Err(error) = built {
            writeln!(progress, "failed")?;
            return Err(error);
        }
        writeln!(progress, "built in {:.1} s", start.elapsed().as_secs_f32())?;
        Ok(())
    }

    fn build(&self, version: &str) -> Result<()> {
        let target = path(self.name);
        let fresh = target.with_added_extension("new");
        let directory = module_directory(self.module);
        let status = go(&directory)
            .args(["build", "-trimpath", "-ldflags", &self.linker_flags(version), "-o"])
            .arg(&fresh)
            .arg(self.package)
            .status()
            .map_err(go_missing)?;
        ensure!(status.success(), "`go build {}` in {} failed: {status}", self.package, directory.display());
        fs::rename(&fresh, &target)
            .with_context(|| format!("cannot move {} to {}", fresh.display(), target.display()))
    }

    fn linker_flags(&self, version: &str) -> String {
        let mut parts = version.trim_start_matches('v').split('.');
        let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let fill = |stamp: &&str| {
            let value =
                stamp.replace("{version}", version).replace("{major}", major).replace("{minor}", minor);
            format!(" -X {value}")
        };
        let stamps: String = self.stamps.iter().map(fill).collect();
        format!("-s -w{stamps}")
    }

    fn stamp(&self) -> Result<String> {
        let flags = self.linker_flags(&version(self.module, self.source)?);
        Ok(format!("{} {flags}\n{}", self.package, module_files(self.module)?))
    }
}

fn module_directory(module: &str) -> PathBuf {
    paths::repository().join("e2e/tools").join(module)
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
    crate::files::write(&path, stamp)
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

/// The directory of a module in Go's module cache; downloads the module if it is not there.
fn module_cache(module: &str, source: &str) -> Result<PathBuf> {
    let directory = module_directory(module);
    let output = go(&directory)
        .args(["mod", "download", "-json", source])
        .stderr(Stdio::inherit())
        .output()
        .map_err(go_missing)?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let Some(found) = answer["Dir"].as_str().filter(|_| output.status.success()) else {
        let error = answer["Error"].as_str().unwrap_or_default();
        bail!("`go mod download {source}` in {} failed: {} {error}", directory.display(), output.status);
    };
    Ok(PathBuf::from(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_a_pinned_version() {
        for tool in TOOLS {
            let version = version(tool.module, tool.source).unwrap();
            assert!(version.starts_with('v'), "{}: {version}", tool.name);
        }
    }

    #[test]
    fn linker_flags_carry_the_version() {
        let tool = Tool { name: "kubectl", ..KUBERNETES };
        assert_eq!(
            tool.linker_flags("v1.36.3"),
            "-s -w -X k8s.io/client-go/pkg/version.gitVersion=v1.36.3 \
             -X k8s.io/component-base/version.gitVersion=v1.36.3 \
             -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36"
        );
    }
}
