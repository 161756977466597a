//! Gatekeeper's own engine on files: `gator`.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::tools;
use crate::trial::Violation;

/// A folder of templates, constraints and objects. It stays if it is not removed, for whoever looks into a failure.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new folder.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn new() -> Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("gatewright-gator-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    /// Writes a document.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, document: &Value) -> Result<()> {
        self.write_all(name, std::slice::from_ref(document))
    }

    /// Writes a file of several documents.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_all(&self, name: &str, documents: &[Value]) -> Result<()> {
        let texts: Vec<_> = documents.iter().map(|document| format!("---\n{document}\n")).collect();
        Ok(fs::write(self.0.join(name), texts.concat())?)
    }

    /// What `gator test` finds in the folder, as audit would, in no order.
    ///
    /// # Errors
    /// It does not run, or does not understand the folder.
    pub fn test(&self) -> Result<Vec<Violation>> {
        self.violations("--enable-k8s-native-validation=false")
    }

    /// The same, with templates in CEL.
    ///
    /// # Errors
    /// As for [`Self::test`].
    pub fn test_cel(&self) -> Result<Vec<Violation>> {
        self.violations("--enable-k8s-native-validation=true")
    }

    fn violations(&self, engine: &str) -> Result<Vec<Violation>> {
        let arguments = ["test", "--output=json", engine, "--filename"];
        let output = run(Command::new(tools::path("gator")).args(arguments).arg(&self.0))?;
        let said = || String::from_utf8_lossy(&output.stderr).into_owned();
        let results: Option<Vec<Value>> = serde_json::from_slice(&output.stdout).with_context(said)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let violation = |result: &Value| Violation {
            object: text(&result["violatingObject"]["metadata"]["name"]),
            constraint: text(&result["constraint"]["metadata"]["name"]),
            message: text(&result["msg"]),
            details: result["metadata"]["details"].clone(),
        };
        Ok(results.iter().flatten().map(violation).collect())
    }

    /// Writes a suite of tests, and returns where.
    ///
    /// # Errors
    /// There are no tests, or it cannot be written.
    pub fn suite(&self, tests: &[Value]) -> Result<PathBuf> {
        ensure!(!tests.is_empty(), "no tests");
        let suite = json!({"apiVersion": "test.gatekeeper.sh/v1alpha1", "kind": "Suite", "tests": tests});
        self.write("suite.yaml", &suite)?;
        Ok(self.0.join("suite.yaml"))
    }

    /// Runs tests of a suite as `gator verify` does, and returns what failed as it says it; none if all pass. A
    /// template of which many cases are judged is compiled once.
    ///
    /// # Errors
    /// There are no tests, or they do not run.
    pub fn verify(&self, tests: &[Value]) -> Result<Option<String>> {
        let output = run(Command::new(tools::path("gator-verify")).arg(self.suite(tests)?))?;
        let said = said(&output);
        ensure!(said.contains("PASS") || said.contains("FAIL"), "gator ran nothing: {said}");
        Ok((!output.status.success()).then_some(said))
    }

    /// All that `gator verify` says of each test and case, whether it passes or not.
    ///
    /// # Errors
    /// As for [`Self::verify`].
    pub fn verify_all(&self, tests: &[Value]) -> Result<String> {
        let options = ["verify", "-v", "--enable-k8s-native-validation=false"];
        let output = run(Command::new(tools::path("gator")).args(options).arg(self.suite(tests)?))?;
        Ok(said(&output))
    }

    /// Removes the folder.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(self) -> Result<()> {
        Ok(fs::remove_dir_all(&self.0)?)
    }
}

/// Runs one of Gatekeeper's programs.
///
/// # Errors
/// It is not built.
pub fn run(command: &mut Command) -> Result<Output> {
    command
        .output()
        .with_context(|| format!("{} does not run; `make tools` builds it", command.get_program().display()))
}

/// All that a program says.
#[must_use]
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Assertions that there are exactly these violations: as many as messages, and each message as often as it is given.
#[must_use]
pub fn assertions(messages: &[String]) -> Vec<Value> {
    let total = json!({"violations": messages.len()});
    let each = messages.iter().map(|message| {
        let times = messages.iter().filter(|other| *other == message).count();
        json!({"violations": times, "message": format!("^{}$", regex::escape(message))})
    });
    std::iter::once(total).chain(each).collect()
}
