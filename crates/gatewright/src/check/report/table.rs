//! Results for people.

use std::io::{self, Write};

use anstyle::Style;

use crate::check::namespaces::Namespaces;
use crate::check::result::{ObjectResult, Summary, Verdict};
use crate::diagnostics::{CYAN, GREEN, RED, YELLOW};

const fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Pass => GREEN,
        Verdict::Dryrun => CYAN,
        Verdict::Warn => YELLOW,
        Verdict::Deny | Verdict::Error => RED,
    }
}

/// Writes an object with what is wrong with it. One that passes is worth a line only to who asks for it.
pub fn write(out: &mut impl Write, result: &ObjectResult, verbose: bool) -> io::Result<()> {
    if result.verdict == Verdict::Pass && !verbose {
        return Ok(());
    }
    let style_of = style(result.verdict);
    let ObjectResult { object, source, verdict, operation, .. } = result;
    let operation =
        if matches!(operation.as_str(), "CREATE" | "") { String::new() } else { format!(" ({operation})") };
    writeln!(out, "{source}: {style_of}{verdict}{style_of:#} {object}{operation}")?;
    for violation in &result.violations {
        let action = violation.enforcement_action;
        let style = style(action);
        let message = violation.message.replace('\n', "\n      ");
        writeln!(out, "  {style}{action}{style:#} [{}] {message}", violation.subject())?;
    }
    if verbose {
        result.assumed.iter().try_for_each(|assumed| writeln!(out, "  assumed: {assumed}"))?;
    }
    Ok(())
}

/// Writes the last lines: how many objects, and what had to be assumed.
pub fn finish(out: &mut impl Write, summary: Summary, namespaces: &Namespaces) -> io::Result<()> {
    writeln!(out, "{summary}")?;
    let assumed: Vec<_> = namespaces.assumed().collect();
    match assumed.as_slice() {
        [] => {}
        [one] => writeln!(out, "Assumed that namespace {one} has no labels: it is not in the input.")?,
        several => {
            let names = several.join(", ");
            writeln!(
                out,
                "Assumed that these namespaces have no labels: they are not in the input: {names}."
            )?;
        }
    }
    out.flush()
}
