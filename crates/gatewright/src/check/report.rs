//! Writes results.

mod github;
mod junit;
pub mod pages;
pub mod sarif;
pub mod table;
pub mod wrap;

use std::io::Write;

use super::FailOn;
use super::namespaces::Namespaces;
use super::result::{ObjectResult, Summary};
use crate::columns::terminal_width;
use crate::input::InputError;

/// The formats of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text for people
    #[default]
    Table,
    /// One JSON document, for scripts
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, for CI servers
    Junit,
    /// Workflow commands: GitHub shows each violation beside its line
    Github,
}

/// What `check` found: what `-o json` prints.
#[derive(serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "Check")]
pub struct Document<'a> {
    /// `Check`.
    kind: &'static str,
    /// The version of this document's shape.
    version: u32,
    /// How many objects have which verdict.
    summary: Summary,
    /// What was found out about each object, in the order of the input.
    results: &'a [ObjectResult],
}

/// Where results go. The table is written as they come; the other formats are one document, written at the end.
pub struct Report {
    format: Format,
    verbose: bool,
    fail_on: FailOn,
    out: Out,
    results: Vec<ObjectResult>,
    width: Option<usize>,
}

/// Where the table goes. The other formats are documents, which go to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Out {
    /// Standard output.
    Stdout,
    /// Standard error, where something else is the document.
    Stderr,
}

impl Out {
    fn lock(self) -> Box<dyn Write> {
        match self {
            Self::Stdout => Box::new(anstream::stdout().lock()),
            Self::Stderr => Box::new(anstream::stderr().lock()),
        }
    }
}

impl Report {
    /// A report without results.
    pub fn new(format: Format, verbose: bool, fail_on: FailOn, out: Out) -> Self {
        Self { format, verbose, fail_on, out, results: vec![], width: terminal_width().map(usize::from) }
    }

    /// Takes results, in order.
    pub fn add(&mut self, results: Vec<ObjectResult>) -> std::io::Result<()> {
        if self.format != Format::Table {
            self.results.extend(results);
            return Ok(());
        }
        let mut out = self.out.lock();
        results.iter().try_for_each(|result| table::write(&mut out, result, self.verbose, self.width))?;
        out.flush()
    }

    /// Writes what is left to write.
    pub fn finish(
        self,
        summary: Summary,
        namespaces: &Namespaces,
        problems: &[InputError],
    ) -> anyhow::Result<()> {
        match self.format {
            Format::Table => {
                table::finish(&mut self.out.lock(), summary, namespaces, self.width)?;
            }
            Format::Github => {
                let text = github::document(&self.results, problems, summary);
                std::io::stdout().lock().write_all(text.as_bytes())?;
            }
            Format::Json => {
                let document = Document { kind: "Check", version: 1, summary, results: &self.results };
                writeln!(std::io::stdout().lock(), "{}", serde_json::to_string_pretty(&document)?)?;
            }
            Format::Sarif => {
                writeln!(std::io::stdout().lock(), "{:#}", sarif::document(&self.results, problems))?;
            }
            Format::Junit => {
                let text = junit::document(&self.results, problems, self.fail_on)?;
                std::io::stdout().lock().write_all(text.as_bytes())?;
            }
        }
        Ok(())
    }
}
