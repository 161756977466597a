//! The section of one rule.

use std::fmt::Write as _;

use serde_json::Value;

use super::field::{self, PolicyKind};
use super::metadata::Metadata;
use super::{Error, distinct, example};
use crate::cases::Case;
use crate::{Check, Reach, Rule, Subject, Volatile};

pub(super) fn section(
    kind: &PolicyKind,
    rule: &Rule,
    metadata: &Metadata,
    cases: &[Case],
) -> Result<String, Error> {
    let mut text = format!("\n## {}\n\n{}\n", metadata.title, metadata.description.trim());
    text.push_str("\n| field | type | meaning |\n|---|---|---|\n");
    for check in rule.checks {
        text.push_str(&field::rows(check.field, &field::schema(kind, check.field)));
    }
    text.push('\n');
    for line in subjects(rule.checks) {
        let _ = writeln!(text, "{line}");
    }
    text.push_str("\nMessages:\n\n```\n");
    for message in distinct(cases.iter().flat_map(|case| &case.violations)) {
        let _ = writeln!(text, "{message}");
    }
    text.push_str("```\n");
    text.push_str(&example::of(kind, rule, cases)?);
    text.push_str(&metadata.related());
    Ok(text)
}

/// What the checks look at and which updates they let through; said once where all checks agree.
fn subjects(checks: &[Check]) -> Vec<String> {
    let said: Vec<_> = checks.iter().map(|check| (check.field, sentence(check.subject))).collect();
    let same = said.windows(2).all(|pair| pair[0].1 == pair[1].1);
    if same {
        return said.first().map(|(_, sentence)| sentence.clone()).into_iter().collect();
    }
    said.into_iter().map(|(field, sentence)| format!("* `{field}`: {sentence}")).collect()
}

fn sentence(subject: Subject) -> String {
    let reach = Reach { controllers: true, unlabelled: true };
    let kinds: Vec<_> = subject.kinds(reach, &Value::Null).iter().map(|kind| kind.kind.to_string()).collect();
    let let_through = match subject {
        Subject::Pod(volatile) => format!("the pod spec alone{}", but_for(volatile)),
        Subject::PodAndMore(volatile) => {
            format!("the pod spec and the annotations that the rule reads alone{}", but_for(volatile))
        }
        Subject::Objects(_) => "what the rule judges alone".to_owned(),
        Subject::Watched => "the keys that are asked for alone".to_owned(),
    };
    let kinds = if kinds.is_empty() { "the kinds in `watchKinds`".to_owned() } else { kinds.join(", ") };
    format!("Looks at {kinds}. An update that leaves {let_through} is let through.")
}

/// Fields of a running Pod that change without a judgement, unless the rule looks at them.
fn but_for(looks_at: &[Volatile]) -> String {
    let all = [
        (Volatile::EphemeralContainers, "debug containers"),
        (Volatile::Resources, "resources"),
        (Volatile::Tolerations, "tolerations"),
    ];
    let free: Vec<_> =
        all.iter().filter(|(field, _)| !looks_at.contains(field)).map(|(_, name)| *name).collect();
    if free.is_empty() {
        String::new()
    } else {
        format!(" (on a Pod, changes of {} count for nothing)", free.join(", "))
    }
}
