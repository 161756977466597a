//! The document as people read it.

use super::document::{Conflict, Document, Found, General, Migrated};
use super::{deckhouse, library, psa};
use crate::check::report::wrap::wrapped;
use crate::cluster::Unseen;
use crate::foreign::Foreign;
use crate::written::LEFT_OUT;

/// What is said of policies in a cluster in which Deckhouse's module has left nothing.
const NO_MODULE: &str = "There are no traces of Deckhouse's module admission-policy-engine. Policies that were written for \
                         gatewright mean what they say; nothing has to be done for them";

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
        object(migrated, counted(document), width, &mut lines);
    }
    in_the_way(&document.conflicts, width, &mut lines);
    for (number, step) in document.order.iter().enumerate() {
        let label = if number == 0 { "Order" } else { "" };
        lines.push(format!("{label:WIDTH$}{} {}", number + 1, step.what));
        lines.extend(step.commands.iter().map(|command| format!("{:WIDTH$}  $ {command}", "")));
    }
    if document.has_module == Some(false) {
        lines.push(wrapped(NO_MODULE, 0, 2, width));
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

/// How objects are counted: how many were judged, and whether there may be more.
#[derive(Clone, Copy)]
struct Counted {
    judged: usize,
    is_all: bool,
}

fn counted(document: &Document) -> Option<Counted> {
    document.judged.map(|judged| Counted { judged, is_all: document.incomplete.is_empty() })
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

fn object(migrated: &Migrated, counted: Option<Counted>, width: Option<usize>, lines: &mut Vec<String>) {
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
    let note = migrated.note.as_ref();
    lines.extend(note.map(|note| wrapped(&format!("      under a new name: {note}"), 0, 8, width)));
    migrated.differences.iter().for_each(|it| difference(it, counted, width, lines));
}

fn difference(found: &Found, counted: Option<Counted>, width: Option<usize>, lines: &mut Vec<String>) {
    let Found { id, field, when, before, after, same_meaning, objects } = found;
    lines.push(wrapped(&format!("  {id:4}{when}: {before}; {after}"), 0, 6, width));
    let same = same_meaning.as_ref().map(|same| format!("same meaning: {}", same.text));
    let counted = objects.zip(counted).map(|(objects, Counted { judged, is_all })| {
        let plural = if judged == 1 { "" } else { "s" };
        if is_all {
            format!("changes the verdict of {objects} of your {judged} object{plural}")
        } else {
            format!("changes the verdict of at least {objects} of your objects: {judged} could be seen")
        }
    });
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
    let changes = ["changes its meaning", "change their meaning"];
    let stays = ["stays as it is", "stay as they are"];
    let differs = |it: &Migrated| !it.differences.is_empty();
    let of_library = |it: &Migrated| it.from == library::FROM;
    let is_policy = |it: &Migrated| it.from == deckhouse::FROM && !deckhouse::is_labelled(&it.object);
    let is_labelled = |it: &Migrated| it.from == deckhouse::FROM && deckhouse::is_labelled(&it.object);
    let parts = [
        said_of(document, is_policy, differs, ["policy", "policies"], changes),
        count(
            document,
            is_labelled,
            ["object has a label that means nothing here", "objects have labels that mean nothing here"],
        ),
        said_of(document, |it| it.from == psa::FROM, differs, ["namespace", "namespaces"], changes),
        said_of(document, of_library, |it| it.becomes.is_none(), ["constraint", "constraints"], stays),
        count(
            document,
            |it| of_library(it) && it.becomes.is_some() && differs(it),
            ["policy differs from its constraint", "policies differ from their constraints"],
        ),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    match (parts.is_empty(), document.incomplete.is_empty()) {
        (false, _) => parts.join("; "),
        (true, true) if !document.order.is_empty() => "no object changes its meaning".to_owned(),
        (true, true) => "nothing to migrate was found".to_owned(),
        (true, false) => "nothing to migrate was found in what you may see".to_owned(),
    }
}

/// How many objects are so; none where none is.
fn count(document: &Document, is_so: impl Fn(&Migrated) -> bool, said: [&str; 2]) -> Option<String> {
    let objects = document.objects.iter().filter(|it| is_so(it)).count();
    (objects > 0).then(|| format!("{objects} {}", said[usize::from(objects != 1)]))
}

/// How many of some objects are so, and how many are not; none where there are none.
fn said_of(
    document: &Document,
    is_one: impl Fn(&Migrated) -> bool,
    is_so: impl Fn(&Migrated) -> bool,
    nouns: [&str; 2],
    verbs: [&str; 2],
) -> Option<String> {
    let (so, others): (Vec<_>, Vec<_>) =
        document.objects.iter().filter(|it| is_one(it)).partition(|it| is_so(it));
    let (so, others) = (so.len(), others.len());
    let at = usize::from(so != 1);
    let do_not = if others == 1 { "does not" } else { "do not" };
    (so + others > 0).then(|| format!("{so} {} {}, {others} {do_not}", nouns[at], verbs[at]))
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
pub fn comments(migrated: &Migrated, is_left_out: bool, without_credentials: bool) -> Vec<String> {
    let said = |it: &Found| match &it.same_meaning {
        Some(same) => format!("{} {}: {}", it.id, it.when, same.text),
        None if is_left_out => format!("{} {}: {}", it.id, it.field, it.after),
        None => format!("{} {}: not written out; {}", it.id, it.when, it.after),
    };
    let mut all = vec![format!("from {}", migrated.object)];
    if is_left_out {
        all.push("left out: gatewright refuses the policy. Repair it, and run this again".to_owned());
    }
    all.extend(migrated.note.iter().map(|note| format!("under a new name: {note}")));
    all.extend(migrated.differences.iter().map(said));
    if without_credentials && !is_left_out {
        all.push(LEFT_OUT.to_owned());
    }
    all.into_iter().map(|line| Foreign::from(line).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Document, Found, Migrated, notes, text};
    use crate::cluster::Unseen;
    use crate::migrate::document::ObjectName;

    /// One policy with one difference, counted.
    fn document(incomplete: &[&str]) -> Document {
        let found = Found { id: "Δ1".to_owned(), objects: Some(2), ..Found::default() };
        let object = ObjectName::new("SecurityPolicy", None, "one");
        let migrated =
            Migrated { object, from: "deckhouse", differences: vec![found], ..Migrated::default() };
        let unseen = |needs: &&str| Unseen { what: "Pods".to_owned(), needs: (*needs).to_owned() };
        let incomplete = incomplete.iter().map(unseen).collect();
        Document { objects: vec![migrated], judged: Some(5), incomplete, ..Document::default() }
    }

    #[test]
    fn nobody_counts_what_may_not_be_seen() {
        let whole = text(&document(&[]), None);
        assert!(whole.contains("changes the verdict of 2 of your 5 objects\n"), "{whole}");
        let part = document(&["list on pods"]);
        let said = text(&part, None);
        assert!(said.contains("at least 2 of your objects: 5 could be seen\n"), "{said}");
        assert_eq!(notes(&part).len(), 1);
    }

    #[test]
    fn without_traces_of_the_module_that_is_said() {
        for (has_module, expected) in [(Some(false), true), (Some(true), false), (None, false)] {
            let said = text(&Document { has_module, ..document(&[]) }, None);
            assert_eq!(said.contains("no traces of Deckhouse's module"), expected, "{said}");
        }
    }
}
