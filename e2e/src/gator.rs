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
        self.violations(NO_CEL)
    }

    /// The same, with templates in CEL.
    ///
    /// # Errors
    /// As for [`Self::test`].
    pub fn test_cel(&self) -> Result<Vec<Violation>> {
        self.violations(CEL)
    }

    fn violations(&self, engine: &str) -> Result<Vec<Violation>> {
        let folder = self.0.display().to_string();
        let output = gator(&["test", "--output=json", "--filename", &folder], engine)?;
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

    /// Runs tests of a suite with `gator verify`, and returns what failed as it says it; none if all pass.
    ///
    /// # Errors
    /// There are no tests, or they do not run.
    pub fn verify(&self, tests: &[Value]) -> Result<Option<String>> {
        ensure!(!tests.is_empty(), "no tests");
        let suite = json!({"apiVersion": "test.gatekeeper.sh/v1alpha1", "kind": "Suite", "tests": tests});
        self.write("suite.yaml", &suite)?;
        let output = gator(&["verify", &self.0.join("suite.yaml").display().to_string()], NO_CEL)?;
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        ensure!(said.contains("PASS") || said.contains("FAIL"), "gator ran nothing: {said}");
        Ok((!output.status.success()).then(|| said.into_owned()))
    }

    /// Removes the folder.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(self) -> Result<()> {
        Ok(fs::remove_dir_all(&self.0)?)
    }
}

const CEL: &str = "--enable-k8s-native-validation=true";
const NO_CEL: &str = "--enable-k8s-native-validation=false";

fn gator(arguments: &[&str], engine: &str) -> Result<Output> {
    Command::new(tools::path("gator"))
        .args(arguments)
        .arg(engine)
        .output()
        .context("gator does not run; `make tools` builds it")
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
