//! Folders in which tests run the program.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use assert_cmd::Command;

use crate::Result;

/// A folder of its own for each test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn of(files: &[(&str, &[u8])]) -> Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("gatewright-rows-{}-{number}", std::process::id()));
        for (name, text) in files {
            let file = path.join(name);
            std::fs::create_dir_all(file.parent().ok_or("no folder")?)?;
            std::fs::write(file, text)?;
        }
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The exit code, and what is said on each output.
    pub fn outputs(&self, arguments: &[&str]) -> Result<(i32, String, String)> {
        let output = Command::cargo_bin("gatewright")?.current_dir(&self.0).args(arguments).output()?;
        let code = output.status.code().ok_or("ended by a signal")?;
        Ok((code, String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?))
    }

    /// Writes one more file.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(std::fs::write(self.0.join(name), text)?)
    }

    /// The exit code, and what is said on both outputs.
    pub fn run(&self, arguments: &[&str]) -> Result<(i32, String)> {
        self.run_with(arguments, "")
    }

    /// The same with something on stdin.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Result<(i32, String)> {
        let mut command = Command::cargo_bin("gatewright")?;
        let output = command.current_dir(&self.0).args(arguments).write_stdin(input).output()?;
        let said = [output.stderr, output.stdout].concat();
        Ok((output.status.code().ok_or("ended by a signal")?, String::from_utf8(said)?))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
