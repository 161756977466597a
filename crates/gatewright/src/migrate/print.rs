//! The document as people read it.

use super::document::{Conflict, Document, Found, General, Migrated};
use crate::check::report::wrap::wrapped;
use crate::cluster::Unseen;
use crate::foreign::Foreign;
use crate::written::LEFT_OUT;

/// How wide what a line is about is.
const WIDTH: usize = 20;

/// The text. It is as wide as the terminal; a file gets lines as long as they are.
pub fn text(document: &Document, width: Option<usize>) -> String {
    if let Some(verdicts) = &document.verdicts {
        return of_verdicts(&verdicts.version, &verdicts.changes);
    }
    let mut lines = vec![];
    let shown = document.objects.iter().filter(|it| it.becomes.is_some() || !it.differences.is_empty());
    for migrated in shown {
        object(migrated, document.judged, width, &mut lines);
    }
    in_the_way(&document.conflicts, width, &mut lines);
    for (number, step) in document.order.iter().enumerate() {
        let label = if number == 0 { "Order" } else { "" };
        lines.push(format!("{label:WIDTH$}{} {}", number + 1, step.what));
        lines.extend(step.commands.iter().map(|command| format!("{:WIDTH$}  $ {command}", "")));
    }
    if !document.general.is_empty() {
        lines.push("In every cluster".to_owned());
    }
    for General { id, when, before, after } in &document.general {
        lines.push(wrapped(&format!("  {id:4}{when}: {before}; {after}"), 0, 6, width));
    }
    lines.push(summary(document));
    lines.join("\n") + "\n"
}

fn of_verdicts(version: &str, changes: &[String]) -> String {
    if changes.is_empty() {
        return format!(
            "between {version} and this version no verdict changes for a policy that a cluster stores\n"
        );
    }
    let changes: Vec<_> = changes.iter().map(|change| format!("  {change}\n")).collect();
    format!("between {version} and this version these verdicts change:\n{}", changes.concat())
}

fn object(migrated: &Migrated, judged: Option<usize>, width: Option<usize>, lines: &mut Vec<String>) {
    let differences = match migrated.differences.len() {
        0 => String::new(),
        1 => "1 difference".to_owned(),
        count => format!("{count} differences"),
    };
    let becomes = match (&migrated.was, &migrated.becomes) {
        (Some(was), Some(becomes)) => format!("{was} → {becomes}"),
        (None, Some(becomes)) => format!("→ {becomes}"),
        (Some(was), None) => was.to_string(),
        (None, None) => String::new(),
    };
    let parts = [migrated.object.to_string(), becomes, differences];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    lines.push(wrapped(&parts.join("   "), 0, 6, width));
    migrated.differences.iter().for_each(|it| difference(it, judged, width, lines));
}

fn difference(found: &Found, judged: Option<usize>, width: Option<usize>, lines: &mut Vec<String>) {
    let Found { id, field, when, before, after, same_meaning, objects } = found;
    lines.push(wrapped(&format!("  {id:4}{when}: {before}; {after}"), 0, 6, width));
    let same = same_meaning.as_ref().map(|same| format!("same meaning: {}", same.text));
    let counted = match (objects, judged) {
        (Some(objects), Some(judged)) => Some(format!(
            "changes the verdict of {objects} of your {judged} object{}",
            if judged == 1 { "" } else { "s" }
        )),
        _ => None,
    };
    let field = same.is_none().then(|| field.to_string()).filter(|field| field.contains('.'));
    let parts: Vec<_> = [field, same, counted].into_iter().flatten().collect();
    if !parts.is_empty() {
        lines.push(wrapped(&format!("      {}", parts.join("   ")), 0, 8, width));
    }
}

fn in_the_way(conflicts: &[Conflict], width: Option<usize>, lines: &mut Vec<String>) {
    for (number, conflict) in conflicts.iter().enumerate() {
        let label = if number == 0 { "In the way" } else { "" };
        let detail = conflict.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        let line = format!("{label:WIDTH$}{}{detail}: {}", conflict.object, conflict.because);
        lines.push(wrapped(&line, 0, WIDTH, width));
    }
}

/// How many objects change, and how many do not.
fn summary(document: &Document) -> String {
    let parts = [
        said_of(
            document,
            "deckhouse",
            ["policy", "policies"],
            ["changes its meaning", "change their meaning"],
        ),
        said_of(
            document,
            "psa",
            ["namespace", "namespaces"],
            ["changes its meaning", "change their meaning"],
        ),
        said_of(
            document,
            "gatekeeper-library",
            ["constraint", "constraints"],
            ["stays as it is", "stay as they are"],
        ),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    match (parts.is_empty(), document.incomplete.is_empty()) {
        (false, _) => parts.join("; "),
        (true, true) => "nothing to migrate was found".to_owned(),
        (true, false) => "nothing to migrate was found in what you may see".to_owned(),
    }
}

/// The same of one source; none where it has no objects.
fn said_of(document: &Document, from: &str, nouns: [&str; 2], verbs: [&str; 2]) -> Option<String> {
    let of_source = || document.objects.iter().filter(|it| it.from == from);
    let changed = of_source().filter(|it| !it.differences.is_empty()).count();
    let same = of_source().count() - changed;
    let at = usize::from(changed != 1);
    let do_not = if same == 1 { "does not" } else { "do not" };
    (changed + same > 0).then(|| format!("{changed} {} {}, {same} {do_not}", nouns[at], verbs[at]))
}

/// What is said beside the document.
pub fn notes(document: &Document) -> Vec<String> {
    let mut notes: Vec<_> = document.incomplete.iter().map(Unseen::to_string).collect();
    if document.not_judged > 0 {
        notes.push(format!("{} objects cannot be judged here, and are not counted", document.not_judged));
    }
    notes
}

/// The comments before an object of `-o yaml`.
pub fn comments(migrated: &Migrated, without_credentials: bool) -> Vec<String> {
    let said = |it: &Found| match &it.same_meaning {
        Some(same) => format!("{} {}: {}", it.id, it.when, same.text),
        None => format!("{} {}: not written out; {}", it.id, it.when, it.after),
    };
    let mut all = vec![format!("from {}", migrated.object)];
    all.extend(migrated.differences.iter().map(said));
    if without_credentials {
        all.push(LEFT_OUT.to_owned());
    }
    all.into_iter().map(|line| Foreign::from(line).to_string()).collect()
}
