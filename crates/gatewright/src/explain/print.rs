//! The document as people read it.

use std::collections::BTreeSet;

use super::document::{Explain, Row};
use super::rows::{is_unverified, subject};
use crate::check::result::Verdict;
use crate::columns::{rows_with, table};

/// The space before and behind each column.
const PADDING: [(u16, u16); 4] = [(1, 2), (0, 3), (0, 2), (0, 0)];

/// The text. It is as wide as the terminal; a file gets lines as long as they are.
pub fn text(explain: &Explain, verbose: bool, width: Option<u16>) -> String {
    let source = explain.source.as_ref().map(|source| format!("{source}: ")).unwrap_or_default();
    let mut lines = vec![format!("{source}{}: {}", explain.object, outcome(explain))];
    if !explain.policies.is_empty() {
        let mut table = table(width);
        for row in &explain.policies {
            let applies = if row.applies { "applies" } else { "not" };
            table.add_row([applies.to_owned(), subject(row), verdict(row), reasons(row)]);
        }
        rows_with(table, &PADDING, &mut lines);
    }
    let applied = subjects(explain, |row| row.applies);
    let verb = if applied == 1 { "applies" } else { "apply" };
    lines.push(format!("{applied} of {} {verb}.{}", subjects(explain, |_| true), with_fixes(explain)));
    lines.extend(explain.not_judged.iter().map(|reason| format!("not judged: {reason}")));
    lines.extend(not_coming_back(explain));
    if verbose {
        lines.extend(explain.assumed.iter().map(|assumed| format!("assumed: {assumed}")));
    }
    lines.join("\n") + "\n"
}

/// How many policies, standards and constraints of others such rows are about: a policy on signatures has two rows.
fn subjects(explain: &Explain, is: impl Fn(&Row) -> bool) -> usize {
    explain.policies.iter().filter(|row| is(row)).map(subject).collect::<BTreeSet<_>>().len()
}

/// What becomes of the object, and how many say so.
fn outcome(explain: &Explain) -> String {
    let what = match explain.verdict {
        Verdict::Deny if explain.refused_later => "accepted; its Pods are refused",
        Verdict::Deny => "refused",
        Verdict::Error => "nobody can say here what becomes of it",
        Verdict::Pass | Verdict::Dryrun | Verdict::Warn => "passes",
    };
    let count = |is: &dyn Fn(&Row) -> bool| explain.policies.iter().filter(|row| is(row)).count();
    let with = |verdict| count(&|row: &Row| row.verdict == Some(verdict));
    let unverified = count(&is_unverified);
    let unjudged = count(&|row: &Row| row.verdict == Some(Verdict::Error) && !is_unverified(row));
    let counts = [
        (with(Verdict::Deny), "denies"),
        (with(Verdict::Warn), "warns"),
        (with(Verdict::Dryrun), "dryrun"),
        (unjudged, "not judged"),
        (unverified, "not verified"),
    ];
    let counts: Vec<_> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if counts.is_empty() { what.to_owned() } else { format!("{what} ({})", counts.join(", ")) }
}

/// What a row says of the object, as a word.
fn verdict(row: &Row) -> String {
    match row.verdict {
        None => String::new(),
        Some(Verdict::Pass) => "passes".to_owned(),
        Some(Verdict::Error) => "unknown".to_owned(),
        Some(verdict) => verdict.to_string(),
    }
}

/// What is wrong, or why the row does not apply.
fn reasons(row: &Row) -> String {
    let because = row.because.iter().map(|because| because.text.to_string());
    let mut lines: Vec<String> = row.not_judged.iter().map(ToString::to_string).collect();
    lines.extend(row.violations.iter().map(|it| it.text.clone()).filter(|text| !text.is_empty()));
    if lines.is_empty() {
        lines.extend(because);
    }
    // A policy without a constraint has said so.
    let marked = row.not_enforced.iter().filter(|_| row.constraint.is_some());
    lines.extend(marked.map(|reason| format!("not enforced yet: {reason}")));
    lines.join("\n")
}

/// What is left with all fixes; empty where there are none.
fn with_fixes(explain: &Explain) -> String {
    let Some(left) = &explain.with_fixes else { return String::new() };
    let fixes = explain.policies.iter().flat_map(|row| &row.violations).filter(|it| it.fix.is_some()).count();
    let fixes = if fixes == 1 { "fix" } else { "fixes" };
    let count = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {one}s")),
    };
    let counts = [count(left.denied, "refusal"), count(left.warned, "warning"), count(left.dryrun, "dryrun")];
    let counts: Vec<_> = counts.into_iter().flatten().collect();
    let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
    format!(" With the {fixes}: {counts} left (evaluated).")
}

fn not_coming_back(explain: &Explain) -> Option<String> {
    let is_pod = explain.object.kind.raw() == "Pod";
    match explain.not_coming_back {
        0 => None,
        _ if is_pod => Some("It is running, and will not come back after a restart.".to_owned()),
        1 => Some("1 of its Pods is running, and will not come back after a restart.".to_owned()),
        count => Some(format!("{count} of its Pods are running, and will not come back after a restart.")),
    }
}
