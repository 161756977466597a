//! What is concluded from what was found out: plain values in, the document out.

use std::collections::BTreeMap;

use gatewright_compiler::{ACTION_LABEL, POLICY_LABEL};
use gatewright_engine::NotApplied;
use gatewright_gatekeeper::{Action, MatchField};
use gatewright_rules::pod_security_standard::Level;
use strum::IntoEnumIterator as _;

use super::document::{Because, Explain, Row, Violation, WithFixes};
use super::facts::{Facts, Found, NOT_VERIFIED};
use super::words::{self, Author};
use crate::check::report::table::joined;
use crate::check::result::{self, ConstraintName, Judged, Verdict, plural};
use crate::cluster::Unseen;
use crate::cluster::judging::Policy;
use crate::fix;
use crate::foreign::Foreign;
use crate::policies::PolicyRef;
use crate::status::{State, state};

/// What standards are called.
const STANDARD: &str = "PodSecurityStandard";

/// The level that demands nothing.
const PRIVILEGED: &str = "privileged";

/// What is known of an object beside what constraints say.
#[derive(Clone, Debug, Default)]
pub struct Place<'a> {
    /// The namespace whose labels count.
    pub namespace: &'a str,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Why Gatekeeper is not asked about objects of the namespace, if it is not.
    pub exemption: Option<String>,
    /// Whether the object has lines.
    pub has_lines: bool,
    /// How many Pods run of it: the object itself, or those of a controller.
    pub running: u64,
    /// The policies of a cluster.
    pub policies: &'a [Policy],
    /// What may not be seen and without which nobody can say what passes.
    pub blind: Vec<Unseen>,
    /// What else may not be seen.
    pub incomplete: Vec<Unseen>,
}

/// The document.
pub fn explain(found: Found, place: &Place<'_>) -> Explain {
    let Found { result, facts, fixed, written } = found;
    let rows = rows(&facts, place, &result.operation);
    // Whoever changes a Pod does not make it anew.
    let made_anew =
        result.operation == "CREATE" && if is_pod(&result) { denied(&rows) } else { result.pods_refused };
    Explain {
        kind: "Explain",
        version: 1,
        verdict: verdict(result.verdict, &rows, !place.blind.is_empty()),
        not_judged: result.assumed.first().filter(|_| result.verdict == Verdict::Error).cloned(),
        refused_later: result.refused_later().is_some(),
        object: result.object,
        source: place.has_lines.then_some(result.source),
        operation: result.operation,
        policies: rows,
        not_coming_back: if made_anew { place.running } else { 0 },
        with_fixes: fixed.as_ref().map(|fixed| with_fixes(&fixed.after)),
        patch: result.patch,
        patched: fixed.map_or(written, |fixed| fixed.object),
        assumed: result.assumed,
        incomplete: place.blind.iter().chain(&place.incomplete).cloned().collect(),
    }
}

/// What is left once all fixes are made.
fn with_fixes(after: &result::ObjectResult) -> WithFixes {
    let count = |verdict| after.violations.iter().filter(|it| it.enforcement_action == verdict).count();
    WithFixes {
        verdict: after.verdict,
        denied: count(Verdict::Deny),
        warned: count(Verdict::Warn),
        dryrun: count(Verdict::Dryrun),
    }
}

fn is_pod(result: &result::ObjectResult) -> bool {
    (result.object.api_version.raw(), result.object.kind.raw()) == ("v1", "Pod")
}

fn denied(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.verdict == Some(Verdict::Deny))
}

/// What becomes of the object: what is refused is refused whatever is not known, and of what may be refused by something
/// that cannot be judged nobody can say that it passes.
fn verdict(found: Verdict, rows: &[Row], blind: bool) -> Verdict {
    let unjudged =
        |row: &Row| row.verdict == Some(Verdict::Error) && row.enforced != Some(false) && !is_unverified(row);
    if found != Verdict::Deny && (blind || rows.iter().any(unjudged)) { Verdict::Error } else { found }
}

/// Whether it asks about signatures that are not verified here.
pub fn is_unverified(row: &Row) -> bool {
    row.not_judged.as_ref().is_some_and(|reason| reason.raw() == NOT_VERIFIED)
}

fn rows(facts: &[Facts], place: &Place<'_>, operation: &str) -> Vec<Row> {
    let (standards, others): (Vec<_>, Vec<_>) = facts.iter().partition(|it| it.author == Author::Standards);
    let mut rows: Vec<_> = others.iter().map(|facts| row(facts, place, operation)).collect();
    rows.extend(of_standards(&standards, place, operation));
    let without = place.policies.iter().filter(|policy| {
        let owned = |facts: &Facts| facts.owner.as_ref() == Some(&name(policy));
        !facts.iter().any(owned)
    });
    rows.extend(without.map(without_constraint));
    rows.sort_by_cached_key(|row| (rank(row), subject(row)));
    rows
}

/// What applies comes first, the worst of it at the top.
fn rank(row: &Row) -> usize {
    let order = [Verdict::Deny, Verdict::Error, Verdict::Warn, Verdict::Dryrun, Verdict::Pass];
    let place = |verdict| order.iter().position(|it| *it == verdict);
    row.verdict.and_then(place).unwrap_or(order.len())
}

/// The name of a policy.
pub fn name(policy: &Policy) -> PolicyRef {
    PolicyRef { kind: policy.seen.kind.to_string(), name: policy.seen.name.as_str().into() }
}

/// Whose demands they are: the policy, or the constraint of others.
pub fn subject(row: &Row) -> String {
    match (&row.policy, &row.constraint) {
        (Some(policy), _) => policy.to_string(),
        (None, Some(constraint)) => format!("{}/{}", constraint.kind, constraint.name),
        (None, None) => String::new(),
    }
}

fn row(facts: &Facts, place: &Place<'_>, operation: &str) -> Row {
    let exempt = place.exemption.as_ref().map(|exemption| exempt(exemption, place.namespace));
    let because = exempt.or_else(|| {
        let reason = facts.not_applied.as_ref()?;
        Some(words::because(reason, &facts.author, place.namespace, operation))
    });
    let applies = because.is_none();
    let verdict = applies.then(|| match &facts.not_judged {
        Some(_) if facts.violations.is_empty() => Verdict::Error,
        _ => facts.violations.iter().map(|it| it.enforcement_action).max().unwrap_or_default(),
    });
    Row {
        policy: facts.owner.clone(),
        constraint: Some(ConstraintName {
            kind: facts.constraint.kind.as_str().into(),
            name: facts.constraint.name.as_str().into(),
        }),
        applies,
        because: because.or_else(|| chosen(facts, place)),
        verdict,
        not_judged: facts.not_judged.clone().filter(|_| applies).map(Foreign::from),
        violations: violations(&facts.violations, place.has_lines),
        enforced: facts.enforced.as_ref().map(Result::is_ok),
        not_enforced: facts.enforced.as_ref().and_then(|it| it.as_ref().err()).map(|it| it.as_str().into()),
    }
}

fn exempt(exemption: &str, namespace: &str) -> Because {
    let text = exemption.strip_prefix("not judged: ").unwrap_or(exemption).to_owned();
    Because::new("exemption", "a namespace that Gatekeeper judges", namespace, text)
}

/// What chose the object. Of a standard it is the labels of the namespace, or what it lacks of them.
fn chosen(facts: &Facts, place: &Place<'_>) -> Option<Because> {
    if facts.author != Author::Standards {
        return facts.chosen_by.as_ref().map(|by| words::chosen(by, &facts.author));
    }
    let level = facts.owner.as_ref()?.name.raw();
    let valid = |key: &str, valid: &[&str]| {
        let value = place.labels.get(key).filter(|value| valid.contains(&value.as_str()))?;
        Some(format!("{key}={value}"))
    };
    let levels: Vec<String> = Level::iter().map(|level| level.as_ref().to_owned()).collect();
    let levels: Vec<&str> = levels.iter().map(String::as_str).chain([PRIVILEGED]).collect();
    let by_label = valid(POLICY_LABEL, &levels);
    let action = valid(ACTION_LABEL, &Action::ALL.map(Action::name));
    let labels = by_label.iter().chain(&action).cloned().collect::<Vec<_>>().join(", ");
    let wants = format!("{POLICY_LABEL}={level}");
    let text = if by_label.is_some() {
        format!("namespace label {labels}")
    } else {
        let label = action.map(|action| format!(", namespace label {action}")).unwrap_or_default();
        format!("the default of namespaces without a label {POLICY_LABEL}{label}")
    };
    Some(Because::new("namespace label", &wants, &labels, text))
}

/// The standards that apply; where none does, one row that says why.
fn of_standards(standards: &[&Facts], place: &Place<'_>, operation: &str) -> Vec<Row> {
    let all: Vec<_> = standards.iter().map(|facts| row(facts, place, operation)).collect();
    let (applied, left_out): (Vec<_>, Vec<_>) = all.into_iter().partition(|row| row.applies);
    if !applied.is_empty() {
        return applied;
    }
    let by_labels = |facts: &&&Facts| matches!(&facts.not_applied, Some(NotApplied::Match(why)) if why.field == MatchField::NamespaceSelector);
    let all_by_labels =
        place.exemption.is_none() && standards.iter().filter(by_labels).count() == standards.len();
    let (name, because) = if all_by_labels { ("privileged", Some(privileged(place))) } else { ("*", None) };
    let first = left_out.into_iter().next();
    let folded = first.map(|row| Row {
        policy: Some(PolicyRef { kind: STANDARD.to_owned(), name: name.into() }),
        constraint: None,
        because: because.or(row.because),
        enforced: None,
        not_enforced: None,
        ..row
    });
    folded.into_iter().collect()
}

fn privileged(place: &Place<'_>) -> Because {
    let wants = format!("a level other than {PRIVILEGED}");
    if place.labels.get(POLICY_LABEL).is_some_and(|value| value == PRIVILEGED) {
        let has = format!("{POLICY_LABEL}={PRIVILEGED}");
        return Because::new(
            "namespace label",
            &wants,
            &has,
            format!("namespace label {has} demands nothing"),
        );
    }
    let text = format!("the default of namespaces without a label {POLICY_LABEL} demands nothing");
    Because::new("namespace label", &wants, &format!("no label {POLICY_LABEL}"), text)
}

/// A policy of a cluster that has no constraint.
fn without_constraint(policy: &Policy) -> Row {
    let (state, reason, message) = state(&policy.seen);
    let (enforced, text) = if reason == "NothingToEnforce" {
        (true, "demands nothing that could be violated, so it has no constraint".to_owned())
    } else {
        (false, format!("has no constraint: {}", said(state, &reason, &message)))
    };
    Row {
        policy: Some(name(policy)),
        constraint: None,
        applies: false,
        because: Some(Because::new("constraint", "a constraint", "none", text)),
        verdict: None,
        not_judged: None,
        violations: vec![],
        enforced: Some(enforced),
        not_enforced: (!enforced).then(|| said(state, &reason, &message).into()),
    }
}

/// How far a policy is, and why no further.
pub fn said(state: State, reason: &str, message: &str) -> String {
    format!("{state}, {reason}: {message}")
}

fn violations(found: &[result::Violation], has_lines: bool) -> Vec<Violation> {
    let mut texts = texts(found, has_lines);
    let of = |(at, it): (usize, &result::Violation)| Violation {
        enforcement_action: it.enforcement_action,
        message: it.message.clone(),
        details: it.details.clone(),
        judged: it.judged,
        line: has_lines.then_some(it.line),
        fix: it.fix.clone(),
        no_fix: it.no_fix.clone(),
        text: texts.remove(&at).unwrap_or_default(),
    };
    found.iter().enumerate().map(of).collect()
}

/// The sentences of violations, by the number of the first that each speaks of.
fn texts(found: &[result::Violation], has_lines: bool) -> BTreeMap<usize, String> {
    let mut texts = BTreeMap::new();
    for judged in [Judged::Object, Judged::Pod] {
        let group: Vec<_> = found.iter().filter(|it| it.judged == judged).collect();
        for (first, others) in joined(&group) {
            let at = found.iter().position(|it| std::ptr::eq(it, first)).unwrap_or_default();
            let whose = if judged == Judged::Pod {
                format!("on its {}: ", plural(&first.kind))
            } else {
                String::new()
            };
            let line = if has_lines { format!("line {}: ", first.line) } else { String::new() };
            let text = format!("{line}{whose}{}{}", first.full_message(), also(&others, has_lines));
            let fixes = fix::lines_of(&(first, others));
            texts.insert(at, [vec![text], fixes].concat().join("\n"));
        }
    }
    texts
}

fn also(others: &[(&str, &result::Violation)], has_lines: bool) -> String {
    let named = others.iter().map(|(container, other)| {
        let container = Foreign::from(*container);
        if has_lines { format!("{container} (line {})", other.line) } else { container.to_string() }
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() { String::new() } else { format!("; the same is true of {}", named.join(", ")) }
}
