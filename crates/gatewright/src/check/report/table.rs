//! Results for people: by object, and by policy.

use std::io::{self, Write};

use anstyle::Style;

use super::wrap::wrapped;
use crate::check::namespaces::Namespaces;
use crate::check::result::{ObjectResult, Summary, Verdict, Violation, plural};
use crate::diagnostics::{CYAN, GREEN, RED, YELLOW};
use crate::fix;
use crate::foreign::Foreign;

const fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Pass => GREEN,
        Verdict::Dryrun => CYAN,
        Verdict::Warn => YELLOW,
        Verdict::Deny | Verdict::Error => RED,
    }
}

/// Writes an object with what is wrong with it. One that passes is worth a line only to who asks for it.
pub fn write(
    out: &mut impl Write,
    result: &ObjectResult,
    verbose: bool,
    width: Option<usize>,
) -> io::Result<()> {
    if result.verdict == Verdict::Pass && !verbose {
        return Ok(());
    }
    let style_of = style(result.verdict);
    let ObjectResult { object, source, verdict, operation, .. } = result;
    let operation =
        if matches!(operation.as_str(), "CREATE" | "") { String::new() } else { format!(" ({operation})") };
    let later = result
        .refused_later()
        .map(|kind| format!(": the {} is accepted; its {} are refused", object.kind, plural(kind)));
    writeln!(
        out,
        "{source}: {style_of}{verdict}{style_of:#} {object}{operation}{}",
        later.unwrap_or_default()
    )?;
    groups(&result.violations).iter().try_for_each(|group| write_group(out, group, width))?;
    if verbose {
        let line = |assumed: &Foreign| wrapped(&format!("assumed: {assumed}"), 2, 4, width);
        result.assumed.iter().try_for_each(|assumed| writeln!(out, "  {}", line(assumed)))?;
    }
    Ok(())
}

/// The violations of one policy about one thing, in the order in which policies come first.
fn groups(violations: &[Violation]) -> Vec<Vec<&Violation>> {
    let mut groups: Vec<(String, Vec<&Violation>)> = vec![];
    for violation in violations {
        let title = title(violation);
        match groups.iter_mut().find(|(of, _)| *of == title) {
            Some((_, group)) => group.push(violation),
            None => groups.push((title, vec![violation])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn title(violation: &Violation) -> String {
    format!("{} {}", violation.enforcement_action, violation.of_whom())
}

fn write_group(out: &mut impl Write, group: &[&Violation], width: Option<usize>) -> io::Result<()> {
    let Some(first) = group.first() else { return Ok(()) };
    let (action, style) = (first.enforcement_action, style(first.enforcement_action));
    writeln!(out, "  {style}{action}{style:#} {}", first.of_whom())?;
    let mut group = group.to_vec();
    group.sort_by_key(|violation| violation.line);
    for (first, others) in joined(&group) {
        let text = format!("line {}: {}{}", first.line, first.full_message(), also(&others));
        writeln!(out, "    {}", wrapped(&text, 4, 6, width))?;
        for fix in fix::lines_of(&(first, others)) {
            writeln!(out, "      {}", wrapped(&fix, 6, 8, width))?;
        }
    }
    Ok(())
}

/// A violation, and those of other containers that say the same, each with its container.
pub type Joined<'a> = (&'a Violation, Vec<(&'a str, &'a Violation)>);

/// Joins the containers of one reason.
pub fn joined<'a>(group: &[&'a Violation]) -> Vec<Joined<'a>> {
    let mut all: Vec<(Option<(&str, &str)>, Joined<'a>)> = vec![];
    for violation in group {
        let parts = of_container(violation);
        let reason = parts.map(|(before, _, after)| (before, after));
        let same = all.iter_mut().find(|(found, _)| reason.is_some() && *found == reason);
        match (same, parts) {
            (Some((_, (_, others))), Some((_, container, _))) => others.push((container, violation)),
            _ => all.push((reason, (violation, vec![]))),
        }
    }
    all.into_iter().map(|(_, joined)| joined).collect()
}

/// A message of a policy's rule about one container: what stands before the container, the container, and the rest.
fn of_container(violation: &Violation) -> Option<(&str, &str, &str)> {
    violation.rule()?;
    let name = violation.details.get("container")?.as_str()?;
    let quoted = format!("container {}", serde_json::Value::from(name));
    let message = violation.message.raw();
    let colon = message.find(": ")? + 2;
    let at = message.find(&quoted)?;
    let noun = if matches!(&message[colon..at], "" | "init " | "ephemeral ") { colon } else { return None };
    let end = at + quoted.len();
    Some((&message[..noun], &message[noun..end], &message[end..]))
}

fn also(others: &[(&str, &Violation)]) -> String {
    if others.is_empty() {
        return String::new();
    }
    let listed: Vec<_> = others
        .iter()
        .map(|(container, other)| format!("{} (line {})", Foreign::from(*container), other.line))
        .collect();
    format!("; the same is true of {}", listed.join(", "))
}

/// Writes the last lines: how many objects, and what had to be assumed.
pub fn finish(
    out: &mut impl Write,
    summary: Summary,
    namespaces: &Namespaces,
    width: Option<usize>,
) -> io::Result<()> {
    writeln!(out, "{summary}")?;
    let assumed: Vec<_> = namespaces.assumed().collect();
    let said = match assumed.as_slice() {
        [] => return out.flush(),
        [one] => format!("Assumed that namespace {one} has no labels: it is not in the input."),
        several => format!(
            "Assumed that these namespaces have no labels: they are not in the input: {}.",
            several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ),
    };
    writeln!(out, "{}", wrapped(&said, 0, 2, width))?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Verdict, Violation, write_group};
    use crate::check::result::{ConstraintName, Judged};

    fn violation(container: &str, does: &str, line: usize) -> Violation {
        let constraint = ConstraintName { kind: "K".into(), name: "n".into() };
        Violation {
            policy: None,
            constraint,
            enforcement_action: Verdict::Deny,
            message: format!("rule: {container} {does}").into(),
            details: json!({"rule": "rule", "container": container.split('"').nth(1)}),
            judged: Judged::Object,
            line,
            fix: None,
            no_fix: None,
            places: vec![],
            kind: "Pod".into(),
        }
    }

    #[test]
    fn containers_of_one_reason_are_joined_and_lines_are_in_order() {
        let all = [
            violation("container \"b\"", "has no x", 9),
            violation("container \"a\"", "has no y", 5),
            violation("init container \"i\"", "has no x", 3),
            violation("container \"c\"", "has no x", 12),
            violation("the Pod", "has no x", 1),
        ];
        let mut out = vec![];
        write_group(&mut out, &all.iter().collect::<Vec<_>>(), None).unwrap();
        let text = anstream::adapter::strip_bytes(&out).into_vec();
        let expected = "  deny K/n\n    line 1: rule: the Pod has no x\n    line 3: rule: init container \"i\" has no x; \
                        the same is true of container \"b\" (line 9), container \"c\" (line 12)\n    \
                        line 5: rule: container \"a\" has no y\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
