//! The page of a policy kind: a section for each rule.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use gatewright_api::PolicyKind;
use serde_json::{Value, json};

use super::example::{self, Candidate};
use super::metadata::Metadata;
use super::{Error, Page, Read, anchor, field, load, message, notes, parse, standards};
use crate::cases::{Case, CaseKinds, Cases};
use crate::kinds::{POD, plural};
use crate::{Definition, PodTemplates, Reach, Rule, Subject, Volatile};

/// The page, and the rows of the index.
pub(super) fn page(template: &Definition, kind: PolicyKind, read: Read<'_>) -> Result<(Page, String), Error> {
    let file = format!("{}.md", template.folder);
    let mut text = head(kind);
    let mut index = format!("\n## [{kind}]({file})\n\n| rule | fields |\n|---|---|\n");
    for rule in template.rules {
        let metadata = Metadata::of(rule.name, rule.module)?;
        let fields: Vec<_> = fields(rule).iter().map(|field| format!("`{field}`")).collect();
        let title = &metadata.title;
        let _ = writeln!(index, "| [{title}]({file}#{}) | {} |", anchor(title), fields.join(", "));
        let path = format!("{}/{}/cases.yaml", template.folder, rule.name);
        let cases: Cases = parse(&path, &load(read, &path)?)?;
        text.push_str(&section(template, kind, rule, &metadata, &cases.cases)?);
    }
    Ok((Page { file, text }, index))
}

fn head(kind: PolicyKind) -> String {
    format!(
        "# {kind}: the rules\n\n\
         Each field belongs under `spec.policies`; one that is absent is not checked. [What a policy means](../policies.md) \
         describes the frame, `match`, the three states of a field, and what the rules do not stop. [All rules](README.md).\n\n\
         The examples are short: of a policy its `policies`, of a workload its pod spec, whichever kind it is, without \
         images. A whole policy looks like this:\n\n\
         ```yaml\n\
         apiVersion: deckhouse.io/v1alpha1\n\
         kind: {kind}\n\
         metadata:\n  name: example\n\
         spec:\n  match:\n    namespaceSelector:\n      matchNames: [\"*\"]\n  policies:\n    # what the example says\n\
         ```\n"
    )
}

/// The fields of a rule, each once: a field may have several checks.
fn fields(rule: &Rule) -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    rule.checks.iter().map(|check| check.field).filter(|field| seen.insert(*field)).collect()
}

fn section(
    template: &Definition,
    kind: PolicyKind,
    rule: &Rule,
    metadata: &Metadata,
    cases: &[Case],
) -> Result<String, Error> {
    let mut text = format!("\n## {}\n\n{}\n", metadata.title, metadata.description.trim());
    let fields = fields(rule);
    text.push_str(&field::table(kind.as_ref(), &fields));
    text.push_str(&judged(rule));
    let shown = examples(&mut text, rule, &fields, cases)?;
    let rego =
        [&[rule.module][..], &template.libs.iter().map(|lib| lib.module()).collect::<Vec<_>>()].concat();
    let all = shown.iter().copied().chain(cases.iter().flat_map(|case| &case.violations).map(String::as_str));
    let other: Vec<_> =
        message::distinct(all, &rego).into_iter().filter(|message| !shown.contains(message)).collect();
    if !other.is_empty() {
        let _ = write!(text, "\nOther messages:\n\n```\n{}\n```\n", other.join("\n"));
    }
    text.push_str(&metadata.related(standards::counterpart(rule)?));
    Ok(text)
}

/// An example for each field. Gives the messages in them.
fn examples<'a>(
    text: &mut String,
    rule: &Rule,
    fields: &[&str],
    cases: &'a [Case],
) -> Result<Vec<&'a str>, Error> {
    let candidates = candidates(cases)?;
    let mut shown = vec![];
    for field in fields {
        let found = example::pair(field, &candidates);
        let (good, bad) =
            found.ok_or_else(|| Error::Missing { rule: rule.name, field: (*field).to_owned() })?;
        let _ = write!(text, "\n### {field}\n\n{}{}\n", notes::of(field), example::block(&bad.setting)?);
        text.push_str(&example::text(good, bad)?);
        shown.extend(bad.messages.iter().map(String::as_str));
    }
    Ok(shown)
}

/// What is created, holds for Pods, and shows nothing but the rule.
fn is_plain(case: &Case) -> bool {
    !case.is_update()
        && case.kinds != CaseKinds::Controllers
        && case.request.is_none()
        && case.help_url.is_none()
}

/// What is shown to people.
fn candidates(cases: &[Case]) -> Result<Vec<Candidate<'_>>, Error> {
    let created = cases.iter().filter(|case| is_plain(case));
    let candidate = |case: &'_ Case| {
        let mut setting = json!({"policies": case.policies});
        if case.r#match.get("labelSelector").is_some() {
            setting["match"] = case.r#match.clone();
        }
        (setting, example::object(case))
    };
    created
        .map(|case| {
            let (setting, object) = candidate(case);
            Candidate::new(setting, object, &case.violations)
        })
        .collect()
}

/// What the checks look at and which updates they let through; said once where all checks agree.
fn judged(rule: &Rule) -> String {
    let said: Vec<_> = rule.checks.iter().map(|check| (check.field, sentences(check.subject))).collect();
    let mut text = "\n".to_owned();
    match &said[..] {
        [(_, first), rest @ ..] if rest.iter().all(|(_, other)| other == first) => {
            let _ = writeln!(text, "{first}");
        }
        said => {
            for (at, (field, sentences)) in said.iter().enumerate() {
                if !said[..at].contains(&(*field, sentences.clone())) {
                    let _ = writeln!(text, "* `{field}`: {sentences}");
                }
            }
        }
    }
    text
}

fn sentences(subject: Subject) -> String {
    let change = match subject {
        Subject::Pod(looks_at) | Subject::PodAlone(looks_at) => {
            format!("the pod spec{}", but_for(looks_at))
        }
        Subject::PodAndMore(looks_at) => {
            format!("the pod spec and what else the rule reads{}", but_for(looks_at))
        }
        Subject::Objects(_) => "what the rule reads".to_owned(),
        Subject::Watched => "the keys that are asked for".to_owned(),
    };
    format!(
        "Judges {}. [An update](../policies.md#what-is-judged) is judged if it changes {change}.",
        kinds(subject)
    )
}

fn kinds(subject: Subject) -> String {
    let reach = Reach { controllers: true, pod_templates: PodTemplates::Strict, unlabelled: true };
    let kinds = subject.kinds(reach, &Value::Null);
    let names: Vec<_> = kinds.iter().filter(|kind| **kind != POD).map(|kind| plural(&kind.kind)).collect();
    match subject {
        Subject::Pod(_) | Subject::PodAndMore(_) => format!("Pods, and the Pod templates of {}", and(&names)),
        Subject::PodAlone(_) => {
            format!("Pods; with the setting `podTemplates: Strict` also the Pod templates of {}", and(&names))
        }
        Subject::Objects(_) => and(&names),
        Subject::Watched => "objects of the kinds in `watchKinds`".to_owned(),
    }
}

fn and(words: &[String]) -> String {
    let mut words: Vec<_> = words.iter().map(String::as_str).collect();
    words.dedup();
    match &words[..] {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        words => words.concat(),
    }
}

/// Fields of a running Pod that change without a judgement, unless the rule looks at them.
fn but_for(looks_at: &[Volatile]) -> String {
    let all = [
        (Volatile::EphemeralContainers, "debug containers"),
        (Volatile::Resources, "resources"),
        (Volatile::Tolerations, "tolerations"),
    ];
    let free = all.iter().filter(|(field, _)| !looks_at.contains(field)).map(|(_, name)| (*name).to_owned());
    let free: Vec<_> = free.collect();
    if free.is_empty() { String::new() } else { format!("; on a Pod, changed {} do not count", and(&free)) }
}
