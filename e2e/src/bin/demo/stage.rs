//! Where the demo plays: what is done and said is shown, and each answer is checked.

use std::io::{IsTerminal as _, Write as _, stdout};

use anyhow::{Result, ensure};

use gatewright_e2e::{Cluster, Output, SOON, paths, until};

/// The cluster, and what was not as it should be.
pub(super) struct Stage<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) wrong: Vec<String>,
    color: bool,
}

impl<'a> Stage<'a> {
    pub(super) fn new(cluster: &'a Cluster) -> Self {
        Self { cluster, wrong: vec![], color: stdout().is_terminal() }
    }
}

impl Stage<'_> {
    pub(super) async fn apply(&self, workload: &str) -> Result<Output> {
        self.kubectl(&["apply", "-f", &format!("examples/workloads/{workload}.yaml")]).await
    }

    pub(super) async fn dry_run(&self, workload: &str) -> Result<Output> {
        let file = format!("examples/workloads/{workload}.yaml");
        self.kubectl(&["apply", "--dry-run=server", "-f", &file]).await
    }

    /// Runs kubectl and shows nothing.
    pub(super) async fn quietly(&self, arguments: &[&str]) -> Result<Output> {
        let arguments = absolute(arguments);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        self.cluster.kubectl(&arguments, None).await
    }

    /// Waits until kubectl says this, and shows nothing. What is asked of Gatekeeper takes a moment to be so.
    pub(super) async fn settles(&self, arguments: &[&str], says: &str) -> bool {
        let settled = until(&format!("kubectl says {says:?}"), SOON, async || {
            let output = self.quietly(arguments).await?;
            let said = output.stdout + &output.stderr;
            ensure!(said.contains(says), "{said}");
            Ok(true)
        })
        .await;
        if let Err(error) = &settled {
            println!("  {error:#}");
        }
        settled.is_ok()
    }

    /// Tells the reader what happens beside.
    pub(super) fn note(&self, what: &str) {
        println!("  {}", self.paint("2", &format!("({what})")));
    }

    /// Runs kubectl where the reader would, and shows the command and what it printed.
    pub(super) async fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        let quoted = arguments.iter().map(|argument| {
            if argument.contains([' ', '{', '"']) { format!("'{argument}'") } else { (*argument).to_owned() }
        });
        println!("{}", self.paint("1", &format!("$ kubectl {}", quoted.collect::<Vec<_>>().join(" "))));
        let output = self.quietly(arguments).await?;
        let said = format!("{}{}", output.stdout, output.stderr);
        let said = said.replace(&format!("{}/", paths::repository().display()), "");
        ensure!(!said.contains("connection refused"), "the API server is gone: {said}");
        for line in said.lines() {
            println!("  {line}");
        }
        Ok(output)
    }

    pub(super) fn title(&self, title: &str) -> Result<()> {
        println!("\n{}", self.paint("1;34", &format!("== {title}")));
        Ok(stdout().flush()?)
    }

    pub(super) fn check(&mut self, what: &str, holds: bool) {
        if holds {
            println!("  {} {what}", self.paint("32", "ok"));
        } else {
            println!("  {} {what}", self.paint("1;31", "WRONG"));
            self.wrong.push(what.to_owned());
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Where the reader is, the examples stand in the folder.
fn absolute(arguments: &[&str]) -> Vec<String> {
    let examples = paths::repository().join("examples");
    let absolute = |argument: &&str| match argument.strip_prefix("examples/") {
        Some(path) => examples.join(path).to_string_lossy().into_owned(),
        None => (*argument).to_owned(),
    };
    arguments.iter().map(absolute).collect()
}
