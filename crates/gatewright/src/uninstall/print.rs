//! What is said of it.

use std::fmt::Write as _;
use std::io::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::decide::{Because, Kept, Object, Plan};
use super::kinds::Kind;
use super::lease::Held;
use crate::cluster::{Format, Unseen};
use crate::foreign::Foreign;

/// How wide what a line is about is.
const WIDTH: usize = 15;

/// How many objects that are left are named.
const NAMED: usize = 20;

/// What there was to delete, and what became of it.
pub struct Outcome {
    pub plan: Plan,
    /// The Leases of operators that run.
    pub leases: Vec<Held>,
    pub incomplete: Vec<Unseen>,
    /// Whether anything was deleted.
    pub yes: bool,
    /// What was to be deleted and is still there, and why.
    pub left: Vec<(Object, String)>,
}

impl Outcome {
    /// Whether nothing is left that was to go.
    pub fn is_done(&self) -> bool {
        if self.yes { self.left.is_empty() } else { self.plan.delete.is_empty() }
    }
}

/// Prints it.
pub fn print(outcome: &Outcome, kinds: &[Kind], format: Format) -> anyhow::Result<()> {
    let text = match format {
        Format::Table => table(outcome, kinds),
        Format::Json => serde_json::to_string_pretty(&document(outcome))? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// What of gatewright is in a cluster, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Uninstall")]
pub struct Document {
    /// `Uninstall`.
    kind: &'static str,
    /// The version of this document's shape.
    version: u32,
    /// What was deleted, or would be with `--yes`.
    delete: Vec<Object>,
    /// What is kept.
    keep: Vec<Kept>,
    /// What was to be deleted and is still there.
    left: Vec<Left>,
    /// The Leases of operators that run, as `KIND/NAME -n NAMESPACE`.
    operators: Vec<String>,
    /// What the user may not see.
    incomplete: Vec<Unseen>,
    /// Whether nothing is left that was to go.
    done: bool,
}

/// An object that is still there.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
struct Left {
    /// The object.
    object: Object,
    /// Why it is still there.
    because: String,
}

fn document(outcome: &Outcome) -> Document {
    let left =
        |(object, because): &(Object, String)| Left { object: object.clone(), because: because.clone() };
    Document {
        kind: "Uninstall",
        version: 1,
        delete: outcome.plan.delete.clone(),
        keep: outcome.plan.keep.clone(),
        left: outcome.left.iter().map(left).collect(),
        operators: outcome.leases.iter().map(Held::full_name).collect(),
        incomplete: outcome.incomplete.clone(),
        done: outcome.is_done(),
    }
}

fn table(outcome: &Outcome, kinds: &[Kind]) -> String {
    let mut text = String::new();
    let mut line = |what: &str, says: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", format!("{what:WIDTH$}{says}").trim_end());
    };
    let (delete, keep) = if outcome.yes { ("deleted", "kept") } else { ("would delete", "would keep") };
    let gone = |object: &&Object| !outcome.left.iter().any(|(left, _)| left == *object);
    let deleted = outcome.plan.delete.iter().filter(gone);
    line(delete, &counted(deleted, kinds).unwrap_or_else(|| "nothing".to_owned()));
    let mut what = keep;
    for says in kept(&outcome.plan.keep, kinds) {
        line(what, &says);
        what = "";
    }
    for (object, why) in outcome.left.iter().take(NAMED) {
        line("left", &format!("{}: {why}", Foreign::from(object.full_name())));
    }
    if outcome.left.len() > NAMED {
        line("left", &format!("{} more", outcome.left.len() - NAMED));
    }
    for lease in &outcome.leases {
        let uninstall = Foreign::from(lease.uninstall());
        line("first", &format!("{uninstall}: while the operator runs, it puts everything back"));
    }
    if !outcome.yes && !outcome.is_done() {
        text.push_str("nothing was deleted: say --yes\n");
    }
    text
}

/// How many objects there are of each kind; none where there are none.
fn counted<'a>(objects: impl Iterator<Item = &'a Object>, kinds: &[Kind]) -> Option<String> {
    let mut counts: Vec<((&str, &str), usize)> = vec![];
    for object in objects {
        let words = kinds[object.at].words;
        match counts.iter_mut().find(|(known, _)| *known == words) {
            Some((_, count)) => *count += 1,
            None => counts.push((words, 1)),
        }
    }
    let words =
        counts.iter().map(|((one, many), count)| format!("{count} {}", if *count == 1 { one } else { many }));
    let words: Vec<_> = words.collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn kept(keep: &[Kept], kinds: &[Kind]) -> Vec<String> {
    let of =
        |because: Because| keep.iter().filter(move |kept| kept.because == because).map(|kept| &kept.object);
    let policies =
        counted(of(Because::Policies), kinds).map(|it| format!("{it} (--policies deletes them, too)"));
    let templates = of(Because::HasOthersConstraints)
        .map(|it| Foreign::from(it.full_name()))
        .map(|name| format!("{name}, because constraints that are not ours would go with it"));
    let others = match of(Because::NotOurs).count() {
        0 => None,
        1 => Some("1 object that is not ours".to_owned()),
        count => Some(format!("{count} objects that are not ours")),
    };
    policies.into_iter().chain(templates).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::{Outcome, document, table};
    use crate::cluster::Unseen;
    use crate::uninstall::decide::{Object, decide};
    use crate::uninstall::kinds::kinds;
    use crate::uninstall::lease::Held;

    fn objects() -> Vec<Object> {
        let kinds = kinds();
        let of = |plural: &str, names: &[&str], owner: &str| {
            let at = kinds.iter().position(|kind| kind.resource.plural == plural).unwrap();
            let object = |name: &&str| Object {
                kind: kinds[at].resource.kind.clone(),
                namespace: String::new(),
                name: (*name).to_owned(),
                at,
                uid: "u".to_owned(),
                owner: Some(owner.to_owned()),
            };
            names.iter().map(object).collect::<Vec<_>>()
        };
        [
            of("d8podsecuritystandard", &["a", "b"], "builtin"),
            of("d8securitypolicy", &["strict"], "0e5ddb58-8a5d-4d3c-9cd3-6e2b3b3ad4ff"),
            of("constrainttemplates", &["d8podsecuritystandard"], "builtin"),
            of("syncsets", &["theirs"], "them"),
            of("securitypolicies", &["strict"], ""),
            of("customresourcedefinitions", &["securitypolicies.deckhouse.io"], ""),
        ]
        .concat()
    }

    fn outcome(yes: bool) -> Outcome {
        Outcome {
            plan: decide(&kinds(), &objects(), false),
            leases: vec![],
            incomplete: vec![],
            yes,
            left: vec![],
        }
    }

    #[test]
    fn what_would_be_deleted_is_counted() {
        let lease = Held { namespace: "gatewright-system".to_owned() };
        let said = table(&Outcome { leases: vec![lease], ..outcome(false) }, &kinds());
        let expected = "\
would delete   2 constraints of the standards, 1 constraint of policies, 1 template
would keep     1 SecurityPolicy, 1 CRD (--policies deletes them, too)
               1 object that is not ours
first          helm uninstall gatewright -n gatewright-system: while the operator runs, it puts everything back
nothing was deleted: say --yes
";
        assert_eq!(said, expected);
    }

    #[test]
    fn what_was_deleted_and_what_is_left_is_reported() {
        let mut outcome = outcome(true);
        assert!(outcome.is_done());
        outcome.left = vec![(outcome.plan.delete[0].clone(), "it is held".to_owned())];
        let said = table(&outcome, &kinds());
        let expected = "\
deleted        1 constraint of the standards, 1 constraint of policies, 1 template
kept           1 SecurityPolicy, 1 CRD (--policies deletes them, too)
               1 object that is not ours
left           D8PodSecurityStandard/a: it is held
";
        assert_eq!(said, expected);
        assert!(!outcome.is_done());
    }

    #[test]
    fn the_document_has_everything() {
        let unseen = Unseen { what: "reports".into(), needs: "list on reports.openreports.io".into() };
        let document =
            serde_json::to_value(document(&Outcome { incomplete: vec![unseen], ..outcome(false) })).unwrap();
        assert_eq!((&document["kind"], &document["version"]), (&"Uninstall".into(), &1.into()));
        assert_eq!(document["delete"][0], serde_json::json!({"kind": "D8PodSecurityStandard", "name": "a"}));
        assert_eq!(document["keep"][0]["because"], "notOurs");
        assert_eq!(document["incomplete"][0]["needs"], "list on reports.openreports.io");
        assert_eq!(document["done"], false);
    }
}
