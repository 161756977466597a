//! Shows what was found.

use std::io::Write as _;

use gatewright_signatures::Class;
use gatewright_verifier::report::EntryReport;

use super::{Document, Format, OfPolicy};
use crate::diagnostics::{GREEN, RED};
use crate::foreign::Foreign;

/// Prints the outcome.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(outcome: &Document, format: Format) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    match format {
        Format::Json => writeln!(out, "{:#}", serde_json::to_value(outcome)?)?,
        Format::Text => write!(out, "{}", text(outcome))?,
    }
    Ok(())
}

/// What people read.
fn text(outcome: &Document) -> String {
    let image = Foreign::from(outcome.image.as_str());
    let mut shown = match outcome.class {
        Class::Verified => format!("{GREEN}verified{GREEN:#}: {image}\n"),
        Class::NotCovered => {
            format!("{RED}not covered{RED:#}: {image}: no entry of the policies covers it\n")
        }
        class => format!("{RED}{class}{RED:#}: {image}: {}\n", Foreign::from(outcome.text.as_str())),
    };
    shown.extend(outcome.digest.iter().map(|digest| format!("digest: {digest}\n")));
    for OfPolicy { policy, report } in &outcome.policies {
        let policy = policy
            .as_deref()
            .map(|name| format!("SecurityPolicy/{}, ", Foreign::from(name)))
            .unwrap_or_default();
        shown.extend(report.entries.iter().map(|entry| format!("\n{policy}{}\n", entry_text(entry))));
    }
    shown
}

fn entry_text(entry: &EntryReport) -> String {
    let outcome = if entry.text.is_empty() {
        entry.class.to_string()
    } else {
        format!("{}: {}", entry.class, Foreign::from(entry.text.as_str()))
    };
    let foreign = |text: &str| Foreign::from(text).to_string();
    let steps =
        entry.steps.iter().map(|step| format!("\n  {}: {}", foreign(&step.place), foreign(&step.answer)));
    format!("entry {}: {outcome}{}", foreign(&entry.reference), steps.collect::<String>())
}

#[cfg(test)]
mod tests {
    use gatewright_signatures::Class;
    use gatewright_verifier::report::Report;

    use super::{Document, OfPolicy, text};

    #[test]
    fn names_cannot_change_the_terminal() {
        let report = Report {
            image: "x".into(),
            digest: None,
            class: Class::InvalidName,
            text: String::new(),
            entries: vec![],
        };
        let outcome = Document {
            kind: "Verify",
            version: 1,
            image: "a\u{1b}[2J\u{202e}".into(),
            digest: None,
            class: Class::InvalidName,
            text: Class::InvalidName.plain().text(),
            policies: vec![OfPolicy { policy: None, report }],
        };
        assert!(text(&outcome).contains("a\\u{1b}[2J\\u{202e}: its name cannot be read"));
    }
}
