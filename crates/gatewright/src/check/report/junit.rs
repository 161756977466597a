//! Results as JUnit XML, the format that CI servers read.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use crate::check::FailOn;
use crate::check::result::{Exempt, ObjectResult, Verdict, Violation};
use crate::foreign::Foreign;
use crate::input::InputError;

/// The document: a suite for each file, a test case for each object.
pub fn document(
    results: &[ObjectResult],
    problems: &[InputError],
    fail_on: FailOn,
) -> anyhow::Result<String> {
    let mut report = quick_junit::Report::new("gatewright");
    for of_file in results.chunk_by(|a, b| a.source.file == b.source.file) {
        let mut suite = TestSuite::new(of_file[0].source.file.to_string());
        suite.add_test_cases(of_file.iter().map(|result| test_case(result, fail_on)));
        report.add_test_suite(suite);
    }
    if !problems.is_empty() {
        let mut suite = TestSuite::new("input");
        suite.add_test_cases(problems.iter().map(problem));
        report.add_test_suite(suite);
    }
    Ok(report.to_string()?)
}

fn test_case(result: &ObjectResult, fail_on: FailOn) -> TestCase {
    let unverified: String = result.unverified_words().map(|text| text + "\n").collect();
    let said = format!("{}\n{}{unverified}", result.source, lines(result));
    let status = match result.verdict {
        Verdict::Error => unsuccessful(
            NonSuccessKind::Error,
            "error",
            said.clone(),
            result.assumed.first().map(Foreign::to_string).as_ref(),
        ),
        verdict if fail_on.fails(verdict) => {
            let worst = |violation: &&Violation| violation.enforcement_action == verdict;
            let message = result.violations.iter().find(worst).map(|worst| worst.full_message().to_string());
            unsuccessful(NonSuccessKind::Failure, &verdict.to_string(), said.clone(), message.as_ref())
        }
        _ => result.exempt.as_ref().map_or_else(TestCaseStatus::success, skipped),
    };
    let passed = matches!(status, TestCaseStatus::Success { .. });
    let mut case = TestCase::new(result.object.to_string(), status);
    case.set_classname(result.source.file.to_string());
    if passed && !(result.violations.is_empty() && unverified.is_empty()) {
        case.set_system_out(said);
    }
    case
}

/// Nobody judged it.
fn skipped(exempt: &Exempt) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(Foreign::from(exempt.reason.as_str()).to_string());
    status
}

fn unsuccessful(kind: NonSuccessKind, name: &str, said: String, message: Option<&String>) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(name).set_description(said);
    if let Some(message) = message {
        status.set_message(message.as_str());
    }
    status
}

fn lines(result: &ObjectResult) -> String {
    let line = |violation: &Violation| {
        let Violation { enforcement_action: action, line, .. } = violation;
        let message = violation.full_message();
        format!("{action} {} line {line}: {message}\n", violation.of_whom())
    };
    result.violations.iter().map(line).collect()
}

fn problem(problem: &InputError) -> TestCase {
    let said = Foreign::from(problem.to_string()).to_string();
    let message = Foreign::from(problem.message.as_str()).to_string();
    let status = unsuccessful(NonSuccessKind::Error, "input", said, Some(&message));
    let mut case = TestCase::new(Foreign::from(problem.location.to_string()).to_string(), status);
    case.set_classname("input");
    case
}
