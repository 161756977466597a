//! Programs and libraries that come in Debian's packages, and are taken out of these without installing anything, by
//! whoever runs this: root or not.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::path;
use crate::paths;

/// A file of a package.
struct Borrowed {
    /// The file's name.
    file: &'static str,
    /// The package that carries it.
    package: &'static str,
    /// Whether it is a program, which may be installed on this machine.
    program: bool,
}

const ALL: [Borrowed; 3] = [
    // Judges alerts.
    Borrowed { file: "promtool", package: "prometheus", program: true },
    // Tells one process the wrong time.
    Borrowed { file: "libfaketimeMT.so.1", package: "libfaketime", program: false },
    // Runs the image's binary for the other platform.
    Borrowed { file: "qemu-aarch64-static", package: "qemu-user-static", program: true },
];

/// Takes out of Debian's packages what neither is there nor installed on this machine.
pub fn install(progress: &mut impl Write) -> Result<()> {
    ALL.iter().try_for_each(|borrowed| borrowed.install(progress))
}

impl Borrowed {
    fn install(&self, progress: &mut impl Write) -> Result<()> {
        let Self { file, package, .. } = self;
        let target = path(file);
        if self.works(&target) {
            return Ok(());
        }
        fs::create_dir_all(target.parent().unwrap_or(&target))?;
        if let Some(installed) = self.installed() {
            let fresh = target.with_added_extension("new");
            std::os::unix::fs::symlink(installed, &fresh).and_then(|()| fs::rename(&fresh, &target))?;
            return Ok(());
        }
        writeln!(progress, "unpacking {file} out of Debian's package {package}")?;
        let folder = paths::tools().join("debian");
        let unpacked = self.unpack(&folder, &target);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        unpacked.with_context(|| {
            format!("no {file}: install it, or run this where apt-get finds Debian's package {package}")
        })?;
        Ok(())
    }

    fn works(&self, file: &Path) -> bool {
        if !self.program {
            return file.is_file();
        }
        let mut command = Command::new(file);
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    fn installed(&self) -> Option<PathBuf> {
        let folders = std::env::var_os("PATH").filter(|_| self.program)?;
        std::env::split_paths(&folders).map(|folder| folder.join(self.file)).find(|file| self.works(file))
    }

    fn unpack(&self, folder: &Path, target: &Path) -> Result<()> {
        let (downloads, unpacked) = (folder.join("downloads"), folder.join("unpacked"));
        fs::create_dir_all(&downloads)?;
        download(folder, &downloads, self.package)?;
        let packages = fs::read_dir(&downloads)?.collect::<Result<Vec<_>, _>>()?;
        let package = packages.first().context("apt-get has downloaded nothing")?.path();
        run(Command::new("dpkg").arg("-x").arg(package).arg(&unpacked))?;
        // Where libraries stand depends on the machine.
        let mut files = walkdir::WalkDir::new(&unpacked).into_iter().filter_map(Result::ok);
        let found = files.find(|entry| entry.file_name() == self.file);
        fs::rename(found.context("it is not in the package")?.path(), target)?;
        ensure!(self.works(target), "{} does not run", target.display());
        Ok(())
    }
}

fn download(folder: &Path, downloads: &Path, package: &str) -> Result<()> {
    // The machine's own package lists may be missing or old; new ones are kept here, so that nobody must be root.
    if apt_get(folder, downloads, &[], &["download", package]).is_ok() {
        return Ok(());
    }
    for lists in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(folder.join(lists))?;
    }
    let own = [("Dir::State::Lists", folder.join("lists")), ("Dir::Cache", folder.join("cache"))];
    let own = own.map(|(option, value)| format!("{option}={}", value.display()));
    apt_get(folder, downloads, &own, &["update"])?;
    apt_get(folder, downloads, &own, &["download", package])
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
