//! Runs what pages show, in a folder that is like a reader's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use super::{Action, Page, Task};
use crate::operator::binary;
use crate::paths;
use crate::transcript::{normal, without_client_logs};

/// How long one command may take.
const COMMAND: Duration = Duration::from_mins(3);

/// Commands that wait for what a dry run does not do.
const WAITS: [&str; 3] = ["kubectl wait", "kubectl rollout status", "gatewright status"];

/// Commands that can ask the server without doing anything.
const ASK: [&str; 6] =
    ["helm install", "helm upgrade", "helm uninstall", "helm rollback", "kubectl apply", "kubectl create"];

/// A folder, and the cluster that commands in it reach.
#[derive(Clone, Debug)]
pub struct Shell {
    folder: PathBuf,
    kubeconfig: PathBuf,
}

/// What a command printed, both of its streams as a terminal shows them, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// Without what the library of kubectl logs.
    pub text: String,
    /// The exit code; -1 if a signal ended it.
    pub code: i32,
}

impl Shell {
    /// A folder with these parts of the repository.
    ///
    /// # Errors
    ///
    /// A part cannot be copied.
    pub fn new(folder: &Path, kubeconfig: &Path, parts: &[&str]) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        for part in parts {
            copy(&paths::repository().join(part), &folder.join(part)).with_context(|| (*part).to_owned())?;
        }
        Ok(Self { folder: folder.to_owned(), kubeconfig: kubeconfig.to_owned() })
    }

    /// Runs a text as bash does. The user's own program and those of the tools come first.
    ///
    /// # Errors
    ///
    /// It does not end in time.
    pub async fn run(&self, text: &str) -> Result<Printed> {
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("exec 2>&1\n{text}")]).current_dir(&self.folder);
        shell.env("PATH", search_path()?).env("HOME", &self.folder).env("KUBECONFIG", &self.kubeconfig);
        shell.env_remove("CLICOLOR_FORCE").env("COLUMNS", "120").env("COSIGN_PASSWORD", "");
        // What a page calls so is the reader's own.
        shell.env("PASSWORD", "secret");
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let output = tokio::time::timeout(COMMAND, shell.output());
        let output = output.await.with_context(|| format!("does not end in {COMMAND:?}: {text}"))??;
        let text = without_client_logs(&String::from_utf8_lossy(&output.stdout));
        Ok(Printed { text, code: output.status.code().unwrap_or(-1) })
    }

    /// Does what a page asks for.
    ///
    /// # Errors
    ///
    /// Something is otherwise than the page says.
    pub async fn perform(&self, page: &Page, task: &Task) -> Result<()> {
        match &task.action {
            Action::Session { steps, exit } => {
                for (number, step) in (1..).zip(steps) {
                    let printed = self.run(&step.command).await?;
                    ensure!(
                        shows(&step.output, &printed.text),
                        "line {}: $ {}\nthe page says:\n{}it prints:\n{}",
                        step.line,
                        step.command,
                        step.output,
                        printed.text
                    );
                    ends(&step.command, &printed, if number == steps.len() { *exit } else { printed.code })?;
                }
                Ok(())
            }
            Action::Script { text, exit, dry_run } => {
                let text = if *dry_run { asked(text) } else { text.clone() };
                ends(&text, &self.run(&format!("set -euo pipefail\n{text}")).await?, *exit)
            }
            Action::Prints { command, text, exit } => {
                let printed = self.run(command).await?;
                ensure!(
                    shows(text, &printed.text),
                    "the page says:\n{text}{command} prints:\n{}",
                    printed.text
                );
                ends(command, &printed, *exit)
            }
            Action::Manifest { name, text } => {
                self.write(name, text)?;
                let printed = self.run(&format!("gatewright check --allow-empty -f {name}")).await?;
                // Objects in it may be refused on purpose.
                ensure!(printed.code < 2, "{name} cannot be used: {}", printed.text);
                Ok(())
            }
            Action::File { name, text } => self.write(name, text),
            Action::RunBy(test) => run_by(test, page),
            Action::NotRun(_) | Action::Text => Ok(()),
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, text).with_context(|| path.display().to_string())
    }
}

/// A test that runs blocks of a page reads the page: its name stands there.
fn run_by(test: &Path, page: &Page) -> Result<()> {
    let content = std::fs::read_to_string(paths::repository().join(test));
    let content = content.with_context(|| format!("{} does not exist", test.display()))?;
    let page = page.path.display().to_string();
    ensure!(content.contains(&page), "{} does not read {page}", test.display());
    Ok(())
}

fn ends(command: &str, printed: &Printed, exit: i32) -> Result<()> {
    ensure!(printed.code == exit, "{command}\nends with {}, not {exit}:\n{}", printed.code, printed.text);
    Ok(())
}

/// Whether a command printed what a page shows; a line `…` stands for any lines.
fn shows(page: &str, printed: &str) -> bool {
    let (page, printed) = (normal(page), normal(printed));
    let mut parts = page
        .split('\n')
        .collect::<Vec<_>>()
        .split(|line| *line == "…")
        .map(<[_]>::to_vec)
        .collect::<Vec<_>>();
    let lines: Vec<_> = printed.split('\n').collect();
    let last = parts.pop().unwrap_or_default();
    if parts.is_empty() {
        return last == lines;
    }
    let mut at = 0;
    for (number, part) in parts.iter().enumerate() {
        let places = if number == 0 { 0..1 } else { at..lines.len() + 1 };
        let found = places.into_iter().find(|place| lines[*place..].starts_with(part));
        let Some(place) = found else { return false };
        at = place + part.len();
    }
    lines[at..].ends_with(&last)
}

/// The same commands, only asked.
fn asked(script: &str) -> String {
    let is = |line: &str, known: &[&str]| known.iter().any(|one| line.starts_with(one));
    let lines = script.lines().filter(|line| !is(line, &WAITS));
    let asked = lines.map(|line| match () {
        () if line.contains("--dry-run") || !is(line, &ASK) => format!("{line}\n"),
        // It has no other word.
        () if line.starts_with("helm uninstall") => format!("{line} --dry-run\n"),
        () => format!("{line} --dry-run=server\n"),
    });
    asked.collect::<Vec<_>>().concat()
}

/// Our binary, and the tools; then what the machine has.
fn search_path() -> Result<OsString> {
    let folder = |program: PathBuf| program.parent().map(Path::to_path_buf).context("no folder");
    let own = [folder(binary()?)?, folder(crate::tools::path("kubectl"))?];
    let machine = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(own.into_iter().chain(std::env::split_paths(&machine)))?)
}

/// Copies a file, or a folder with all that is in it.
///
/// # Errors
///
/// Those of the file system.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_file() {
        std::fs::copy(from, to)?;
        return Ok(());
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_stand_for_any_lines_and_nothing_else_does() {
        for (page, printed, expected) in [
            ("a\nb\n", "a\nb\n", true),
            ("a\n", "a\nb\n", false),
            ("a\n…\nd\n", "a\nb\nc\nd\n", true),
            ("a\n…\nd\n", "a\nd\n", true),
            ("a\n…\nd\n", "a\nb\n", false),
            ("b\n…\nd\n", "a\nb\nd\n", false),
            ("…\nd\n", "a\nd\n", true),
            ("a\n…\n", "a\nb\n", true),
            ("a\n…\nc\n…\ne\n", "a\nb\nc\nd\ne\n", true),
            ("a\n…\nx\n…\ne\n", "a\nb\nc\nd\ne\n", false),
        ] {
            assert_eq!(shows(page, printed), expected, "{page:?} {printed:?}");
        }
    }

    #[test]
    fn a_dry_run_asks_the_server_and_waits_for_nothing() {
        let script = "helm upgrade a b\nkubectl rollout status x\nkubectl create y --dry-run=client\nls\n";
        let expected = "helm upgrade a b --dry-run=server\nkubectl create y --dry-run=client\nls\n";
        assert_eq!(asked(script), expected);
    }
}
