//! Policies of Deckhouse's module `admission-policy-engine`, and what they mean here.

pub mod differences;
mod in_the_way;
mod labels;
mod meaning;
#[cfg(test)]
mod tests;

use gatewright_api::{POLICY_API_VERSION, POLICY_GROUP, PolicyKind};
use gatewright_compiler::Settings;
use serde_json::{Value, json};

use self::differences::{About, DIFFERENCES, Difference};
pub use self::in_the_way::{
    MODULE_LABEL, conflicts, has_traces, is_definition_of_module, may_be_there, module_config, order,
};
pub use self::labels::is_deckhouses;
use super::document::{Found as Entry, General, Migrated, ObjectName, SameMeaning};
use super::edit::{Edit, applied};
use super::names::Names;
use super::source::Found;
use super::trial::{Said, Tried};
use crate::check::result::Violation;
use crate::input::{Document, InputError};
use crate::{policies, written};

/// Where these objects come from.
pub const FROM: &str = "deckhouse";

/// A policy, what of it changes, and what would not.
#[derive(Debug, Default)]
pub struct Examined {
    /// What is said of it.
    pub migrated: Migrated,
    /// The policy with the old meaning written out; none where it cannot be written.
    pub written: Option<Value>,
    /// Whether it is a policy that cannot be written, because it would be refused here.
    pub is_refused: bool,
    /// Whether it has credentials that are not printed.
    pub has_credentials: bool,
    /// Where the policies that were tried stand in the list.
    counts: Vec<(usize, Count)>,
}

/// How to count the objects of a difference: its place among the differences is given beside.
#[derive(Debug)]
enum Count {
    /// Those of which two of the tried policies say something else.
    Between(usize, usize),
    /// Those of which a policy would say something else without these violations.
    Without(usize, fn(&Violation, &Value) -> bool, Value),
}

/// Everything about the objects of Deckhouse's group.
#[derive(Debug, Default)]
pub struct Examination {
    /// The objects.
    pub all: Vec<Examined>,
    /// The policies to try.
    pub tried: Vec<Tried>,
}

/// Looks at all policies.
pub fn examine(found: &Found, settings: &Settings, names: &mut Names) -> Examination {
    let mut examination = Examination::default();
    for document in &found.policies {
        if let Some(kind) = policies::kind_of(document) {
            let one = examine_policy(document, kind, settings, &mut examination.tried);
            examination.all.push(one);
        } else if let Some(one) = examine_other(document, settings, names, &mut examination.tried) {
            examination.all.push(one);
        }
    }
    let namespaces = found.rest.namespaces.iter().map(|(_, namespace)| namespace.clone());
    let objects = found.rest.candidates.iter().map(|candidate| candidate.0.value());
    let labelled = namespaces.chain(objects.filter(|object| object["kind"] != "Namespace"));
    examination.all.extend(labelled.filter_map(|object| labels::examine(&object, settings)));
    examination
}

/// Writes down how many objects each difference concerns.
pub fn count(examination: &mut Examination, said: &Said) {
    for one in &mut examination.all {
        for (at, count) in &one.counts {
            let objects = match count {
                Count::Between(a, b) => said.differ(*a, *b),
                Count::Without(policy, without, value) => {
                    said.differ_without(*policy, |it| without(it, value))
                }
            };
            one.migrated.differences[*at].objects = Some(objects);
        }
    }
}

/// The differences that concern every cluster.
pub fn general() -> Vec<General> {
    let general = DIFFERENCES.iter().filter(|it| matches!(it.about, About::General));
    let said = |it: &Difference| General {
        id: it.id(),
        when: it.when.to_owned(),
        before: it.before.to_owned(),
        after: it.after.to_owned(),
    };
    general.map(said).collect()
}

/// Whether an object is none of Deckhouse's, and was found for a label.
pub fn is_labelled(object: &ObjectName) -> bool {
    let kind = object.kind.raw();
    let is_other = |it: &Difference| matches!(it.about, About::Kind(kinds) if kinds.contains(&kind));
    PolicyKind::of(POLICY_API_VERSION, kind).is_none() && !DIFFERENCES.iter().any(is_other)
}

fn examine_policy(
    document: &Document,
    kind: PolicyKind,
    settings: &Settings,
    tried: &mut Vec<Tried>,
) -> Examined {
    let policy = document.value();
    let mut one = Examined {
        migrated: Migrated { object: ObjectName::of(&policy), from: FROM, ..Migrated::default() },
        ..Examined::default()
    };
    examine_rules(&mut one, &policy, kind, tried);
    leave_out_refused(&mut one, document, kind, settings);
    let known = without_missing(&policy, kind);
    one.migrated.differences.extend(refused(document, &known, kind, settings));
    one
}

/// Leaves out a policy that is refused here: who replaces the old one with it would have none.
fn leave_out_refused(one: &mut Examined, document: &Document, kind: PolicyKind, settings: &Settings) {
    let is_accepted = |written: &Value| {
        let made = Document::made(written, document.location.clone());
        made.is_ok_and(|made| policies::compiled(&made, kind, settings).is_ok())
    };
    one.written = one.written.take().filter(is_accepted);
    one.is_refused = one.written.is_none();
}

/// Finds the differences of a policy by its fields.
fn examine_rules(one: &mut Examined, policy: &Value, kind: PolicyKind, tried: &mut Vec<Tried>) {
    let known = without_missing(policy, kind);
    let itself = tried.len();
    tried.push(Tried { kind, policy: known.clone() });
    let mut all_edits = vec![];
    for difference in DIFFERENCES {
        let Some((edits, count)) = concerns(difference, policy, kind, itself) else { continue };
        let mut entry = said(difference, policy);
        let at = one.migrated.differences.len();
        if !edits.is_empty() {
            entry.field = edited_field(&edits).into();
            entry.same_meaning = Some(same_meaning(&edits));
            one.counts.push((at, Count::Between(itself, tried.len())));
            tried.push(Tried { kind, policy: applied(&known, &edits) });
        }
        one.counts.extend(count.map(|count| (at, count)));
        one.migrated.differences.push(entry);
        all_edits.extend(edits);
    }
    one.has_credentials = written::has_credentials(policy);
    one.written = Some(written::cleaned(&applied(&known, &all_edits)));
}

/// Whether a difference concerns a policy: what would mean the same, and how the objects are counted otherwise.
fn concerns(
    difference: &Difference,
    policy: &Value,
    kind: PolicyKind,
    itself: usize,
) -> Option<(Vec<Edit>, Option<Count>)> {
    match &difference.about {
        About::SameMeaning(of, edits) if *of == kind => edits(policy).map(|edits| (edits, None)),
        About::Stricter(of, concerned, without) if *of == kind => {
            concerned(policy).then(|| (vec![], Some(Count::Without(itself, *without, policy.clone()))))
        }
        About::Uncounted(of, concerned) if *of == kind => concerned(policy).then(|| (vec![], None)),
        About::Missing(of, field) if *of == kind => {
            policy["spec"]["policies"].get(field).is_some().then(|| (vec![], None))
        }
        _ => None,
    }
}

fn said(difference: &Difference, policy: &Value) -> Entry {
    let fields = difference.field.split(", ").filter(|field| policy["spec"]["policies"].get(field).is_some());
    let named = fields.map(|field| format!("spec.policies.{field}")).next();
    let field = named.unwrap_or_else(|| match difference.about {
        About::Kind(_) | About::Label(_) | About::Refused | About::General => difference.field.to_owned(),
        _ => format!("spec.policies.{}", difference.field),
    });
    Entry {
        id: difference.id(),
        field: field.into(),
        when: difference.when.into(),
        before: difference.before.into(),
        after: difference.after.into(),
        same_meaning: None,
        objects: None,
    }
}

fn edited_field(edits: &[Edit]) -> String {
    let Some(Edit::Add { path, .. } | Edit::Remove { path }) = edits.first() else { return String::new() };
    policies::field(path)
}

fn same_meaning(edits: &[Edit]) -> SameMeaning {
    let text = edits.iter().map(Edit::text).collect::<Vec<_>>().join(", ");
    SameMeaning { text: text.into(), patch: edits.to_vec() }
}

/// The policy without the fields that do not exist here.
fn without_missing(policy: &Value, kind: PolicyKind) -> Value {
    let missing = DIFFERENCES.iter().filter_map(|it| match it.about {
        About::Missing(of, field) if of == kind => Some(Edit::remove(field)),
        _ => None,
    });
    applied(policy, &missing.collect::<Vec<_>>())
}

/// Why a policy is refused here, if it is.
fn refused(document: &Document, known: &Value, kind: PolicyKind, settings: &Settings) -> Vec<Entry> {
    let errors = match Document::made(known, document.location.clone()) {
        Ok(known) => policies::compiled(&known, kind, settings).err().unwrap_or_default(),
        Err(error) => vec![error],
    };
    let difference = DIFFERENCES.iter().find(|it| matches!(it.about, About::Refused));
    let said = |error: InputError| {
        let policy = format!("{}/{}: ", document.header.kind, document.header.name);
        let message = error.message.strip_prefix(&policy).unwrap_or(&error.message).to_owned();
        let (field, problem) = message.split_once(": ").unwrap_or(("", &message));
        let subject = if problem.starts_with("is ") { format!("{field} ") } else { String::new() };
        difference.map(|it| Entry {
            field: field.into(),
            after: format!("{}: {subject}{problem}", it.after).into(),
            ..said(it, known)
        })
    };
    once_each(errors.into_iter().filter_map(said).collect())
}

/// Without the entries of which another is about the same field or a part of it: these are other words for one fault.
fn once_each(entries: Vec<Entry>) -> Vec<Entry> {
    let is_part =
        |part: &str, of: &str| part.strip_prefix(of).is_some_and(|rest| rest.starts_with(['.', '[']));
    let (mut kept, all): (Vec<Entry>, _) = (vec![], entries.clone());
    for entry in entries {
        let field = entry.field.raw();
        let parts = all.iter().any(|other| is_part(other.field.raw(), field));
        let known = kept.iter().any(|other| other.field.raw() == field);
        if field.is_empty() || !(parts || known) {
            kept.push(entry);
        }
    }
    kept
}

/// An object of a kind that does not exist here.
fn examine_other(
    document: &Document,
    settings: &Settings,
    names: &mut Names,
    tried: &mut Vec<Tried>,
) -> Option<Examined> {
    let kind = document.header.kind.as_str();
    let of_kind = |it: &&Difference| matches!(it.about, About::Kind(kinds) if kinds.contains(&kind));
    let difference = DIFFERENCES.iter().find(of_kind)?;
    let object = document.value();
    let mut one = Examined {
        migrated: Migrated { object: ObjectName::of(&object), from: FROM, ..Migrated::default() },
        ..Examined::default()
    };
    one.migrated.differences.push(said(difference, &object));
    let Some(policy) = of_the_cluster(&object) else { return Some(one) };
    let kind = PolicyKind::of(POLICY_API_VERSION, policy["kind"].as_str()?)?;
    examine_rules(&mut one, &policy, kind, tried);
    let document = Document::made(&policy, document.location.clone()).ok()?;
    leave_out_refused(&mut one, &document, kind, settings);
    if let Some(written) = &mut one.written {
        one.migrated.note = names.give(written, "namespaced");
        let becomes = format!("{kind}/{}", written["metadata"]["name"].as_str()?);
        let text = format!("the policy {becomes}").into();
        one.migrated.differences[0].same_meaning = Some(SameMeaning { text, patch: vec![] });
        one.migrated.becomes = Some(becomes.into());
    }
    one.migrated.differences.extend(refused(&document, &without_missing(&policy, kind), kind, settings));
    Some(one)
}

/// The policy of the cluster that does what a namespaced one does.
fn of_the_cluster(object: &Value) -> Option<Value> {
    let kind = object["kind"].as_str()?.strip_prefix("Namespaced")?;
    let (namespace, name) = (object["metadata"]["namespace"].as_str()?, object["metadata"]["name"].as_str()?);
    let mut spec = object["spec"].clone();
    let mut matched = json!({"namespaceSelector": {"matchNames": [namespace]}});
    if let Some(selector) = spec.pointer("/match/labelSelector") {
        matched["labelSelector"] = selector.clone();
    }
    spec["match"] = matched;
    Some(json!({
        "apiVersion": format!("{POLICY_GROUP}/v1alpha1"), "kind": kind,
        "metadata": {"name": format!("{namespace}-{name}")}, "spec": spec,
    }))
}
