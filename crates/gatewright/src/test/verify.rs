//! Runs Gatekeeper's suites as `gator verify` does.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatewright_engine::expand::Expander;
use gatewright_engine::sandbox::Sandbox;
use gatewright_engine::{EnforcementPoint, Engine, ExpansionError, Options, Request, ReviewError, Violation};
use gatewright_gatekeeper::CONSTRAINT_GROUP;
use gatewright_re2::Pattern;
use serde_json::Value;

use super::files::File;
use super::filter::Filter;
use super::result::{Outcome, TestResult};
use super::suite::{self, Assertion, Case, Suite, Test};
use crate::input::{self, Document, InputError, Location, Reading};
use crate::policies;

/// Runs all suites of a file.
pub fn run(file: &File, filter: &Filter, reading: &Reading, sandbox: &Arc<dyn Sandbox>) -> Vec<TestResult> {
    let folder = file.path.parent().unwrap_or(Path::new("")).to_owned();
    let files = Files { folder, reading };
    let mut runner = Runner { files, filter, sandbox, engines: HashMap::new() };
    let mut results = vec![];
    let mut suites = 0;
    for document in input::read(std::slice::from_ref(&file.path), reading) {
        match document {
            Ok(document) if suite::is_suite(&document) => {
                suites += 1;
                match suite::read(&document) {
                    Ok(suite) => results.extend(runner.suite(&suite, &document)),
                    Err(error) => results.push(TestResult::of_file(&error)),
                }
            }
            Ok(_) => {}
            Err(error) => results.push(TestResult::of_file(&error)),
        }
    }
    if suites == 0 && results.is_empty() {
        let message = "holds no Suite: apiVersion is test.gatekeeper.sh/v1alpha1, kind is Suite";
        results.push(TestResult::of_file(&InputError::new(&file.name().into(), 0, message)));
    }
    results
}

/// Why a test does not pass, line by line.
enum Problem {
    /// Something else was found than was expected.
    Found(Vec<String>),
    /// It cannot be run.
    Broken(Vec<String>),
}

impl Problem {
    fn broken(line: impl Into<String>) -> Self {
        Self::Broken(vec![line.into()])
    }
}

/// The files that a suite names.
#[derive(Clone)]
struct Files<'a> {
    folder: PathBuf,
    reading: &'a Reading,
}

struct Runner<'a> {
    files: Files<'a>,
    filter: &'a Filter,
    sandbox: &'a Arc<dyn Sandbox>,
    /// By the file of the template, which is compiled once.
    engines: HashMap<String, Engine>,
}

/// What is known of the test that runs.
struct Running<'a> {
    test: &'a Test,
    engine: &'a mut Engine,
    expander: Expander,
    files: &'a Files<'a>,
}

impl Runner<'_> {
    fn suite(&mut self, suite: &Suite, document: &Document) -> Vec<TestResult> {
        if suite.skip {
            return vec![TestResult::new(&document.location, "the whole suite", None, Outcome::Skipped)];
        }
        let tests = suite.tests.iter().enumerate();
        tests.flat_map(|(index, test)| self.test(test, &format!("/tests/{index}"), document)).collect()
    }

    fn test(&mut self, test: &Test, pointer: &str, document: &Document) -> Vec<TestResult> {
        let whole = |outcome| TestResult::new(&document.locate(pointer), &test.name, None, outcome);
        let names = test.cases.iter().map(|case| case.name.as_str());
        if test.skip || !self.filter.runs_test(&test.name, names) {
            return vec![whole(Outcome::Skipped)];
        }
        let filter = self.filter;
        match self.prepare(test) {
            Err(problem) => vec![with(whole(Outcome::Passed), Err(problem))],
            Ok(None) => vec![whole(Outcome::Passed)],
            Ok(Some(_)) if test.cases.is_empty() => vec![whole(Outcome::Passed)],
            Ok(Some(mut running)) => {
                let cases = test.cases.iter().enumerate();
                let run = |(index, case): (usize, &Case)| {
                    let location = document.locate(&format!("{pointer}/cases/{index}"));
                    let result = TestResult::new(&location, &test.name, Some(&case.name), Outcome::Passed);
                    if case.skip || !filter.runs_case(&test.name, &case.name) {
                        return TestResult { outcome: Outcome::Skipped, ..result };
                    }
                    with(result, running.case(case))
                };
                cases.map(run).collect()
            }
        }
    }

    /// Loads what the test needs; nothing if the test was whether it loads.
    fn prepare<'a>(&'a mut self, test: &'a Test) -> Result<Option<Running<'a>>, Problem> {
        self.template(&test.template)?;
        let refused = "the constraint must not fit the schema of its template (invalid: true)";
        let constraint = self.files.one("constraint", &test.constraint)?;
        let expander = expander(&self.files, &test.expansion);
        let Some(engine) = self.engines.get_mut(&test.template) else {
            return Err(Problem::broken("template: cannot be used".to_owned()));
        };
        engine.forget_constraints();
        engine.forget_objects();
        let loaded = load(engine, &constraint);
        match loaded {
            Err((_, true)) if test.invalid => return Ok(None),
            Err((found, _)) if test.invalid => {
                return Err(Problem::Found(vec![format!("expected: {refused}"), format!("found: {found}")]));
            }
            Ok(()) if test.invalid => {
                let found = "found: it fits".to_owned();
                return Err(Problem::Found(vec![format!("expected: {refused}"), found]));
            }
            Err((found, _)) => return Err(Problem::broken(found)),
            Ok(()) => {}
        }
        Ok(Some(Running { test, engine, expander: expander?, files: &self.files }))
    }

    fn template(&mut self, file: &str) -> Result<(), Problem> {
        if self.engines.contains_key(file) {
            return Ok(());
        }
        let document = self.files.one("template", file)?;
        let mut engine = Engine::new(Options {
            point: EnforcementPoint::Gator,
            sandbox: Some(Arc::clone(self.sandbox)),
            ..Options::default()
        });
        engine.add_template(&document.value()).map_err(|errors| {
            let said = errors.iter().map(|error| {
                let location = document.locate_line(&error.pointer, error.line);
                format!("{location}: {}: {error}", policies::field(&error.pointer))
            });
            Problem::Broken(said.collect())
        })?;
        self.engines.insert(file.to_owned(), engine);
        Ok(())
    }
}

/// Adds the constraint; or what is wrong with it, and whether that is the schema.
fn load(engine: &mut Engine, constraint: &Document) -> Result<(), (String, bool)> {
    if constraint.header.group() != CONSTRAINT_GROUP {
        let location = constraint.locate("/apiVersion");
        return Err((format!("{location}: {} is not a constraint", constraint.header.kind), false));
    }
    engine.add_constraint(&constraint.value()).map_err(|error| {
        let location = constraint.locate(&error.pointer);
        (format!("{location}: {}: {error}", policies::field(&error.pointer)), error.schema)
    })
}

fn expander(files: &Files<'_>, file: &str) -> Result<Expander, Problem> {
    let mut expander = Expander::default();
    if file.is_empty() {
        return Ok(expander);
    }
    for document in files.some("expansion", file)? {
        let refuse = |pointer: &str, message: &str| {
            let (location, field) = (document.locate(pointer), policies::field(pointer));
            Problem::broken(format!("{location}: {field}: {message}"))
        };
        if document.header.group() != "expansion.gatekeeper.sh" || document.header.kind != "ExpansionTemplate"
        {
            return Err(refuse("/kind", "is not an ExpansionTemplate"));
        }
        let added = expander.add(&document.value());
        added.map_err(|ExpansionError { pointer, message }| refuse(&pointer, &message))?;
    }
    Ok(expander)
}

impl Files<'_> {
    /// All objects of a file.
    fn all(&self, field: &str, file: &str) -> Result<Vec<Document>, Problem> {
        if file.is_empty() {
            return Err(Problem::broken(format!("{field}: is required: a file")));
        }
        // To Gatekeeper all paths begin at the folder, also those with a slash before them.
        let path = self.folder.join(file.trim_start_matches('/'));
        // A suite of somebody else's must not make us wait for a pipe.
        if path == Path::new("-") || (path.exists() && !path.is_file()) {
            return Err(Problem::broken(format!("{field}: {} is not a file", path.display())));
        }
        let documents: Result<Vec<_>, InputError> = input::read(&[path], self.reading).collect();
        documents.map_err(|error| Problem::broken(format!("{field}: {error}")))
    }

    /// All objects of a file that must have one.
    fn some(&self, field: &str, file: &str) -> Result<Vec<Document>, Problem> {
        let all = self.all(field, file)?;
        if all.is_empty() {
            Err(Problem::broken(format!("{field}: {file} holds no object")))
        } else {
            Ok(all)
        }
    }

    /// The first object of a file: Gatekeeper reads no further.
    fn one(&self, field: &str, file: &str) -> Result<Document, Problem> {
        Ok(self.some(field, file)?.swap_remove(0))
    }
}

fn with(result: TestResult, found: Result<(), Problem>) -> TestResult {
    match found {
        Ok(()) => result,
        Err(Problem::Found(problems)) => TestResult { outcome: Outcome::Failed, problems, ..result },
        Err(Problem::Broken(problems)) => TestResult { outcome: Outcome::Broken, problems, ..result },
    }
}

impl Running<'_> {
    fn case(&mut self, case: &Case) -> Result<(), Problem> {
        if case.assertions.is_empty() {
            return Err(Problem::broken("assertions: at least one is required".to_owned()));
        }
        let expected: Result<Vec<_>, _> = case.assertions.iter().map(Expected::of).collect();
        let expected = expected.map_err(Problem::broken)?;
        let violations = self.review(case)?;
        let messages: Vec<_> = violations.iter().map(|violation| violation.message.as_str()).collect();
        let wrong: Vec<_> = expected.iter().filter_map(|expected| expected.difference(&messages)).collect();
        if wrong.is_empty() {
            return Ok(());
        }
        let found = match messages.as_slice() {
            [] => vec!["found no violation".to_owned()],
            messages => std::iter::once("found:".to_owned())
                .chain(messages.iter().map(|message| format!("  - {message}")))
                .collect(),
        };
        Err(Problem::Found([wrong, found].concat()))
    }

    fn review(&mut self, case: &Case) -> Result<Vec<Violation>, Problem> {
        let document = match <[_; 1]>::try_from(self.files.all("object", &case.object)?) {
            Ok([document]) => document,
            Err(several) => {
                let (file, count) = (&case.object, several.len());
                let message = format!("object: {file} holds {count} objects; it must be exactly one");
                return Err(Problem::broken(message));
            }
        };
        self.engine.forget_objects();
        for file in &case.inventory {
            for object in self.files.some("inventory", file)? {
                self.engine.add_object(&object.value());
            }
        }
        let broken = |location: Location, pointer: &str, message: &str| {
            Problem::broken(format!("{location}: {}: {message}", policies::field(pointer)))
        };
        let value: Value = document.value();
        if document.header.group() == "admission.k8s.io" && document.header.kind == "AdmissionReview" {
            let request = Request::from_admission_review(value)
                .map_err(|error| broken(document.locate(&error.pointer), &error.pointer, &error.message))?;
            return self.engine.review(&request).map_err(|error| unreviewed(&document, &error));
        }
        let request = Request::audit(value);
        let found = if self.test.expansion.is_empty() {
            self.engine.review(&request)
        } else {
            self.engine.review_expanded(&request, &self.expander)
        };
        found.map_err(|error| unreviewed(&document, &error))
    }
}

fn unreviewed(document: &Document, error: &ReviewError) -> Problem {
    Problem::broken(match error {
        ReviewError::Expansion(inner) => {
            format!("{}: {}: {error}", document.locate(&inner.pointer), policies::field(&inner.pointer))
        }
        ReviewError::Message { .. } | ReviewError::Engine { .. } => format!("{}: {error}", document.location),
    })
}

/// An assertion that makes sense.
struct Expected<'a> {
    count: Count,
    message: Option<(&'a str, Pattern)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Count {
    Some,
    None,
    Exactly(usize),
}

impl<'a> Expected<'a> {
    fn of(assertion: &'a Assertion) -> Result<Self, String> {
        let count = match &assertion.violations {
            Value::Null => Count::Some,
            Value::String(word) if word == "yes" => Count::Some,
            Value::String(word) if word == "no" => Count::None,
            other => match other.as_u64().and_then(|count| usize::try_from(count).ok()) {
                Some(count) => Count::Exactly(count),
                None => {
                    return Err(format!("violations: is {other}; allowed: yes, no and a number from 0"));
                }
            },
        };
        let message = assertion.message.as_deref().map(|text| match Pattern::new(text) {
            Ok(pattern) => Ok((text, pattern)),
            Err(refused) => Err(format!("message: {refused}")),
        });
        Ok(Self { count, message: message.transpose()? })
    }

    /// What was expected and how many were found, where these differ.
    fn difference(&self, messages: &[&str]) -> Option<String> {
        let counts =
            |message: &&&str| self.message.as_ref().is_none_or(|(_, pattern)| pattern.is_match(message));
        let found = messages.iter().filter(counts).count();
        let (right, wanted) = match self.count {
            Count::Some => (found > 0, "at least 1 violation".to_owned()),
            Count::None => (found == 0, "no violation".to_owned()),
            Count::Exactly(1) => (found == 1, "exactly 1 violation".to_owned()),
            Count::Exactly(count) => (found == count, format!("exactly {count} violations")),
        };
        let of = match &self.message {
            Some((text, _)) => format!(" with a message that matches `{text}`"),
            None => String::new(),
        };
        (!right).then(|| format!("expected {wanted}{of}, found {found}"))
    }
}
