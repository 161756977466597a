//! Writes results.

mod github;
mod junit;
pub mod pages;
pub mod sarif;
pub mod table;
pub mod wrap;

use std::io::Write;

use anyhow::Context as _;

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
    json: JsonResults,
    width: Option<usize>,
}

/// Results as the text that they take in the document: so each is made while others are judged.
#[derive(Default)]
struct JsonResults(String);

impl JsonResults {
    fn add(&mut self, results: &[ObjectResult]) -> serde_json::Result<()> {
        for result in results {
            let text = serde_json::to_string_pretty(result)?;
            self.0 += if self.0.is_empty() { "\n" } else { ",\n" };
            for (number, line) in text.split('\n').enumerate() {
                self.0 += if number == 0 { "    " } else { "\n    " };
                self.0 += line;
            }
        }
        Ok(())
    }

    /// Writes the document that `of` is without results.
    fn write(&self, out: &mut impl Write, of: &Document<'_>) -> anyhow::Result<()> {
        let frame = serde_json::to_string_pretty(of)?;
        let (before, after) = frame.rsplit_once("[]").context("a document without results")?;
        let end = if self.0.is_empty() { "" } else { "\n  " };
        Ok(writeln!(out, "{before}[{}{end}]{after}", self.0)?)
    }
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
        let (results, json, width) = (vec![], JsonResults::default(), terminal_width().map(usize::from));
        Self { format, verbose, fail_on, out, results, json, width }
    }

    /// Takes results, in order.
    pub fn add(&mut self, results: Vec<ObjectResult>) -> std::io::Result<()> {
        match self.format {
            Format::Table => {}
            Format::Json => return Ok(self.json.add(&results)?),
            Format::Sarif | Format::Junit | Format::Github => {
                self.results.extend(results);
                return Ok(());
            }
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
                let document = Document { kind: "Check", version: 1, summary, results: &[] };
                self.json.write(&mut std::io::stdout().lock(), &document)?;
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

#[cfg(test)]
mod tests {
    use super::{Document, JsonResults};
    use crate::check::result::{ObjectRef, ObjectResult, Source, Summary, Verdict};

    fn result(operation: &str) -> ObjectResult {
        ObjectResult {
            object: ObjectRef::default(),
            source: Source { file: "a.yaml".into(), line: 1 },
            operation: operation.to_owned(),
            verdict: Verdict::Pass,
            violations: vec![],
            patch: None,
            assumed: vec![],
            unread: false,
            unverified: vec![],
            pods_refused: false,
            exempt: None,
        }
    }

    #[test]
    fn the_document_is_the_same_whatever_comes_at_a_time() {
        let results = [result("a\nb"), result(""), result("[]")];
        let summary = Summary::default();
        for count in 0..=results.len() {
            let results = &results[..count];
            let whole = Document { kind: "Check", version: 1, summary, results };
            let mut json = JsonResults::default();
            for result in results {
                json.add(std::slice::from_ref(result)).unwrap();
            }
            let mut written = vec![];
            json.write(&mut written, &Document { results: &[], ..whole }).unwrap();
            let written = String::from_utf8(written).unwrap();
            assert_eq!(written, serde_json::to_string_pretty(&whole).unwrap() + "\n");
        }
    }
}
