//! Writes what tests found.

use std::io::{self, Write};

use anstyle::Style;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::result::{FileResult, Outcome, Summary, TestResult};
use crate::diagnostics::{CYAN, GREEN, RED};
use crate::foreign::Foreign;

/// The formats of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text for people
    #[default]
    Table,
    /// One JSON document, for scripts
    Json,
    /// JUnit XML, for CI servers
    Junit,
}

/// What tests found: what `-o json` prints.
#[derive(serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "Test")]
pub struct Document<'a> {
    /// `Test`.
    kind: &'static str,
    /// The version of this document's shape.
    version: u32,
    /// How many tests have which outcome.
    summary: Summary,
    /// What was found, in the order of the files.
    results: Vec<&'a TestResult>,
}

/// Writes all results.
pub fn write(format: Format, verbose: bool, files: &[FileResult], summary: Summary) -> anyhow::Result<()> {
    match format {
        Format::Table => table(&mut anstream::stdout().lock(), verbose, files, summary)?,
        Format::Json => {
            let results = files.iter().flat_map(|file| &file.results).collect();
            let document = Document { kind: "Test", version: 1, summary, results };
            let document = serde_json::to_string_pretty(&document)?;
            writeln!(io::stdout().lock(), "{document}")?;
        }
        Format::Junit => io::stdout().lock().write_all(junit(files)?.as_bytes())?,
    }
    Ok(())
}

const fn style(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Passed => GREEN,
        Outcome::Skipped => CYAN,
        Outcome::Failed | Outcome::Broken => RED,
    }
}

fn table(out: &mut impl Write, verbose: bool, files: &[FileResult], summary: Summary) -> io::Result<()> {
    for file in files {
        let of_file: Summary = file.results.iter().map(|result| result.outcome).collect();
        let worst = of_file.worst();
        let style = style(worst);
        writeln!(out, "{style}{worst}{style:#} {}: {of_file}", Foreign::from(file.file.as_str()))?;
        let said = |result: &&TestResult| verbose || result.outcome >= Outcome::Failed;
        file.results.iter().filter(said).try_for_each(|result| row(out, result))?;
    }
    if files.len() > 1 {
        writeln!(out, "{} files: {summary}", files.len())?;
    }
    out.flush()
}

fn row(out: &mut impl Write, result: &TestResult) -> io::Result<()> {
    let TestResult { file, line, outcome, .. } = result;
    let (style, name) = (style(*outcome), result.name());
    let file = Foreign::from(file.as_str());
    let place = if *line == 0 { file.to_string() } else { format!("{file}:{line}") };
    let name = if name.is_empty() { name } else { format!(" {}", Foreign::from(name)) };
    writeln!(out, "  {place}: {style}{outcome}{style:#}{name}")?;
    result.problems.iter().try_for_each(|line| writeln!(out, "    {}", Foreign::from(line.as_str())))
}

fn junit(files: &[FileResult]) -> anyhow::Result<String> {
    let mut report = quick_junit::Report::new("gatewright");
    for file in files {
        let mut suite = TestSuite::new(one_line(&file.file));
        suite.add_test_cases(file.results.iter().map(|result| test_case(&file.file, result)));
        report.add_test_suite(suite);
    }
    Ok(report.to_string()?)
}

fn test_case(file: &str, result: &TestResult) -> TestCase {
    let unsuccessful = |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_type(result.outcome.to_string());
        let place = std::iter::once(format!("{}:{}", one_line(file), result.line));
        let said = place.chain(result.problems.iter().map(|problem| one_line(problem)));
        status.set_description(said.collect::<Vec<_>>().join("\n"));
        if let Some(first) = result.problems.first() {
            status.set_message(one_line(first));
        }
        status
    };
    let status = match result.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Skipped => TestCaseStatus::skipped(),
        Outcome::Failed => unsuccessful(NonSuccessKind::Failure),
        Outcome::Broken => unsuccessful(NonSuccessKind::Error),
    };
    let name = if result.name().is_empty() { file.to_owned() } else { result.name() };
    let mut case = TestCase::new(one_line(&name), status);
    case.set_classname(one_line(file));
    case
}

/// What stands in a file or is its name, as XML and whoever reads the log of a job may have it.
fn one_line(text: &str) -> String {
    Foreign::from(text).to_string()
}
