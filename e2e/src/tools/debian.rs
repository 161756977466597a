//! promtool, which judges alerts. It comes in Debian's package `prometheus` and is taken out of that without
//! installing anything, by whoever runs this: root or not.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::path;
use crate::paths;

/// The name of the program.
const PROMTOOL: &str = "promtool";

/// The package that carries it.
const PACKAGE: &str = "prometheus";

/// Takes the program out of Debian's package, if it neither is there nor installed on this machine.
pub fn install(progress: &mut impl Write) -> Result<()> {
    let target = path(PROMTOOL);
    if runs(&target) {
        writeln!(progress, "{PROMTOOL:24} {:9} up to date", "")?;
        return Ok(());
    }
    if let Some(installed) = installed() {
        fs::create_dir_all(target.parent().unwrap_or(&target))?;
        let fresh = target.with_added_extension("new");
        std::os::unix::fs::symlink(installed, &fresh).and_then(|()| fs::rename(&fresh, &target))?;
        writeln!(progress, "{PROMTOOL:24} {:9} found", "")?;
        return Ok(());
    }
    let folder = paths::tools().join("debian");
    let unpacked = unpack(&folder, &target);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    unpacked.with_context(|| {
        format!("no {PROMTOOL}: install it, or run this where apt-get finds Debian's package {PACKAGE}")
    })?;
    writeln!(progress, "{PROMTOOL:24} {:9} unpacked", "")?;
    Ok(())
}

fn runs(program: &Path) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn installed() -> Option<std::path::PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(PROMTOOL)).find(|program| runs(program))
}

fn unpack(folder: &Path, target: &Path) -> Result<()> {
    let (downloads, unpacked) = (folder.join("downloads"), folder.join("unpacked"));
    fs::create_dir_all(&downloads)?;
    // The machine's own package lists may be missing or old; new ones are kept here, so that nobody must be root.
    if apt_get(folder, &downloads, &[], &["download", PACKAGE]).is_err() {
        for lists in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(lists))?;
        }
        let own = [("Dir::State::Lists", folder.join("lists")), ("Dir::Cache", folder.join("cache"))];
        let own = own.map(|(option, value)| format!("{option}={}", value.display()));
        apt_get(folder, &downloads, &own, &["update"])?;
        apt_get(folder, &downloads, &own, &["download", PACKAGE])?;
    }
    let packages = fs::read_dir(&downloads)?.collect::<Result<Vec<_>, _>>()?;
    let package = packages.first().context("apt-get has downloaded nothing")?.path();
    let mut command = Command::new("dpkg");
    run(command.arg("-x").arg(package).arg(&unpacked))?;
    fs::create_dir_all(target.parent().unwrap_or(target))?;
    fs::rename(unpacked.join("usr/bin").join(PROMTOOL), target)?;
    ensure!(runs(target), "{} does not run", target.display());
    Ok(())
}

fn apt_get(folder: &Path, downloads: &Path, options: &[String], arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    // As root, apt would hand the download to a user who may not write here.
    command.args(["-qq", "-o", "APT::Sandbox::User=root"]);
    let options = options.iter().flat_map(|option| ["-o", option]);
    run(command.args(options).args(arguments).current_dir(downloads).env("HOME", folder))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", said.trim());
    Ok(())
}
