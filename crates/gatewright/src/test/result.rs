//! What tests find: the shape of `-o json`.

use std::fmt;

use gatewright_engine::bounded;
use schemars::JsonSchema;
use serde::Serialize;

use crate::input::{InputError, Location};

/// What becomes of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Outcome {
    /// It was not run.
    Skipped,
    /// What was expected was found.
    Passed,
    /// Something else was found.
    Failed,
    /// It cannot be run.
    Broken,
}

/// The tests of one file.
#[derive(Clone, Debug)]
pub struct FileResult {
    /// The file.
    pub file: String,
    /// What was found, in order.
    pub results: Vec<TestResult>,
}

/// One case, or a test without cases.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TestResult {
    /// The file.
    pub file: String,
    /// The line on which the case, or what is wrong with it, stands.
    pub line: usize,
    /// The test; empty for a whole file.
    pub test: String,
    /// The case; none for a whole test.
    pub case: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// What was expected and found, line by line.
    pub problems: Vec<String>,
}

/// How many tests have which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// All of them.
    pub tests: usize,
    /// Those that passed.
    pub passed: usize,
    /// Those that found something else than they expected.
    pub failed: usize,
    /// Those that cannot be run.
    pub broken: usize,
    /// Those that were not run.
    pub skipped: usize,
}

impl TestResult {
    /// A result without problems.
    pub fn new(location: &Location, test: &str, case: Option<&str>, outcome: Outcome) -> Self {
        Self {
            file: location.file.to_string(),
            line: location.line,
            test: test.to_owned(),
            case: case.map(str::to_owned),
            outcome,
            problems: vec![],
        }
    }

    /// A file that cannot be read.
    pub fn of_file(error: &InputError) -> Self {
        let result = Self::new(&error.location, "", None, Outcome::Broken);
        Self { problems: vec![error.message.clone()], ..result }
    }

    /// Cuts what is too long to be shown. Messages were compared as they are.
    pub fn cut(&mut self) {
        self.problems = std::mem::take(&mut self.problems).into_iter().map(bounded).collect();
    }

    /// How people call it.
    pub fn name(&self) -> String {
        match &self.case {
            Some(case) => format!("{}: {case}", self.test),
            None => self.test.clone(),
        }
    }
}

impl FromIterator<Outcome> for Summary {
    fn from_iter<I: IntoIterator<Item = Outcome>>(outcomes: I) -> Self {
        let mut summary = Self::default();
        for outcome in outcomes {
            summary.tests += 1;
            *match outcome {
                Outcome::Skipped => &mut summary.skipped,
                Outcome::Passed => &mut summary.passed,
                Outcome::Failed => &mut summary.failed,
                Outcome::Broken => &mut summary.broken,
            } += 1;
        }
        summary
    }
}

impl Summary {
    /// The worst outcome of all.
    pub fn worst(self) -> Outcome {
        match self {
            Self { broken: 1.., .. } => Outcome::Broken,
            Self { failed: 1.., .. } => Outcome::Failed,
            Self { passed: 1.., .. } => Outcome::Passed,
            _ => Outcome::Skipped,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, broken, skipped, .. } = self;
        write!(f, "{passed} passed")?;
        for (count, word) in [(failed, "failed"), (broken, "broken"), (skipped, "skipped")] {
            if *count > 0 {
                write!(f, ", {count} {word}")?;
            }
        }
        Ok(())
    }
}
