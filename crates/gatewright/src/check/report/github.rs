//! Results as workflow commands, which GitHub shows beside the lines of a change.

use std::fmt::Write as _;

use crate::check::result::{ObjectResult, Source, Summary, Verdict, Violation};
use crate::foreign::Foreign;
use crate::input::InputError;

/// A command for each violation and each problem, and how many objects have which verdict.
pub fn document(results: &[ObjectResult], problems: &[InputError], summary: Summary) -> String {
    let mut text = String::new();
    for InputError { location, message } in problems {
        let source = Source { file: location.file.to_string().into(), line: location.line };
        command(&mut text, Verdict::Error, &source, "input", message);
    }
    for result in results {
        if let (Verdict::Error, Some(reason)) = (result.verdict, result.assumed.first()) {
            command(
                &mut text,
                Verdict::Error,
                &result.source,
                "not judged",
                &format!("{}: {reason}", result.object),
            );
        }
        for said in result.unverified_words() {
            let message = format!("{}: {said}", result.object);
            command(&mut text, Verdict::Pass, &result.source, "not verified", &message);
        }
        for violation in &result.violations {
            let Violation { enforcement_action: action, line, .. } = violation;
            let source = Source { file: result.source.file.clone(), line: *line };
            let message = violation.full_message();
            let title = format!("{action} {}", violation.of_whom());
            command(&mut text, *action, &source, &title, &format!("{}: {message}", result.object));
        }
    }
    let _ = writeln!(text, "{summary}");
    text
}

const fn level(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Deny | Verdict::Error => "error",
        Verdict::Warn => "warning",
        Verdict::Dryrun | Verdict::Pass => "notice",
    }
}

fn command(text: &mut String, verdict: Verdict, source: &Source, title: &str, message: &str) {
    let file = property(source.file.raw().strip_prefix("./").unwrap_or(source.file.raw()));
    let line = Some(format!(",line={}", source.line)).filter(|_| source.line > 0).unwrap_or_default();
    let (level, title, message) = (level(verdict), property(title), data(message));
    let _ = writeln!(text, "::{level} file={file}{line},title={title}::{message}");
}

/// The text of a command, which ends with its line. Whoever reads the log of a job looks at a terminal's text, too.
fn data(text: &str) -> String {
    Foreign::from(text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")).to_string()
}

/// A property of a command, which ends before a comma or a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::{Source, Verdict, command};

    #[test]
    fn nothing_ends_a_command_early() {
        let mut text = String::new();
        let source = Source { file: "./a,b:c%\n.yaml".into(), line: 7 };
        command(&mut text, Verdict::Warn, &source, "x, y: z", "50%\r\n::error::forged, a: b");
        assert_eq!(
            text,
            "::warning file=a%2Cb%3Ac%25%0A.yaml,line=7,title=x%2C y%3A z::50%25%0D%0A::error::forged, a: b\n"
        );
    }

    #[test]
    fn a_file_as_a_whole_has_no_line() {
        let mut text = String::new();
        command(&mut text, Verdict::Error, &Source { file: "a".into(), line: 0 }, "input", "no");
        assert_eq!(text, "::error file=a,title=input::no\n");
    }
}
