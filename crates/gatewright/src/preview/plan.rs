//! The change that the command line asks for: read, compiled, and every problem said.

use gatewright_api::PolicyKind;
use gatewright_compiler::{
    Compiled, MeaninglessLabel, Settings, is_system_namespace, meaningless_labels, standards,
};
use gatewright_gatekeeper::labels;
use serde_json::{Value, json};

use super::change::{Change, Deleted};
use super::labels::{LabelEdit, edited};
use super::{ChangeArgs, Rules};
use crate::check::Scopes;
use crate::check::collect::{Collected, collect};
use crate::cluster::judging::{Seen, ask_as_we_do};
use crate::diagnostics::{self, stop_at};
use crate::input::{Document, InputError, Reading};
use crate::policies::{self, PolicyRef};
use crate::status::policy_name;

/// What there is today.
pub struct Today {
    /// What the cluster judges by.
    pub seen: Seen,
    /// Its policies as they are written; only where they are compiled anew.
    pub policies: Vec<(Document, PolicyKind)>,
    /// Its Namespaces.
    pub namespaces: Vec<Value>,
}

/// What there is after the change.
pub struct Then {
    /// What the cluster judges by.
    pub seen: Seen,
    /// Its Namespaces.
    pub namespaces: Vec<Value>,
    /// What people call the policies and constraints that the change brings.
    pub new: Vec<String>,
}

/// Reads the change, and makes it.
///
/// # Errors
/// Something of it is wrong: all problems are said.
pub fn then(
    args: &ChangeArgs,
    today: &mut Today,
    settings: &Settings,
    scopes: &Scopes,
    reading: &Reading,
    within: Option<&str>,
) -> anyhow::Result<Then> {
    let mut files = collect(&args.filenames, reading);
    let mut problems = std::mem::take(&mut files.problems);
    let mut change = Change {
        policies: compiled_all(&files.policies, settings, scopes, &mut problems),
        others: files.templates.iter().chain(&files.constraints).map(Document::value).collect(),
        deleted: args.delete.clone(),
        builtin: args.rules == Some(Rules::Builtin),
        ..Change::default()
    };
    stop_at(&problems)?;
    if change.is_nothing() && args.settings.is_none() && args.labels.is_empty() {
        anyhow::bail!(
            "the files of -f hold no policy, ConstraintTemplate or constraint: there is no change to preview"
        );
    }
    let of_others = files.constraints.iter().map(|it| format!("{}/{}", it.header.kind, it.header.name));
    let new = change.policies.iter().map(|(policy, _)| policy.to_string()).chain(of_others).collect();
    if args.settings.is_some() {
        change.standards = Some(standards(settings).iter().map(|it| json!(it)).collect());
        recompile(&mut change, &today.policies, settings);
    }
    let missing: Vec<_> = args.delete.iter().filter(|it| !it.is_in(&today.seen)).collect();
    left_out(&files);
    let (namespaces, unknown) = edited(&today.namespaces, &args.labels);
    let missing = missing.into_iter().map(|it| format!("--delete {it}: the cluster has no {it}"));
    let unknown = unknown.into_iter().map(|it| format!("--label: there is no namespace {}", it.namespace));
    let unknown = unknown.filter(|_| within.is_none()).chain(outside(&args.labels, within));
    let wrong: Vec<_> = missing.chain(unknown).collect();
    if let Some((last, others)) = wrong.split_last() {
        others.iter().for_each(diagnostics::error);
        anyhow::bail!("{last}");
    }
    meaningless(&namespaces, &args.labels, settings).into_iter().for_each(diagnostics::note);
    of_system(&args.labels, settings).for_each(diagnostics::note);
    let mut seen = change.applied(&today.seen);
    if today.seen.constraints.is_empty() && seen.constraints.is_empty() {
        anyhow::bail!("nothing judges: there is no constraint today, and the change brings none");
    }
    ask_as_we_do(&mut today.seen);
    ask_as_we_do(&mut seen);
    Ok(Then { seen, namespaces, new })
}

/// Which objects of the files are no part of a change.
fn left_out(files: &Collected) {
    for candidate in &files.candidates {
        let header = candidate.header();
        let instead = if candidate.is_namespace() { ": --label changes its labels" } else { "" };
        let message = format!("{}/{} does not judge and is left out{instead}", header.kind, header.name);
        diagnostics::note(format!("{}: {message}", candidate.0.location));
    }
    for document in files.configs.iter().chain(&files.expansions) {
        let header = &document.header;
        let message =
            format!("{}/{}: a change of it cannot be previewed; left out", header.kind, header.name);
        diagnostics::note(format!("{}: {message}", document.location));
    }
}

fn compiled_all(
    policies: &[(Document, PolicyKind)],
    settings: &Settings,
    scopes: &Scopes,
    problems: &mut Vec<InputError>,
) -> Vec<(PolicyRef, Vec<Value>)> {
    let mut all = vec![];
    for (document, kind) in policies {
        match policies::compiled(document, *kind, settings) {
            Ok(compiled) => {
                policies::tell(document, *kind, &compiled, scopes, true);
                all.push((reference(document, *kind), constraints(&compiled)));
            }
            Err(errors) => problems.extend(errors),
        }
    }
    all
}

/// The cluster's policies under other settings, but for those that the change brings itself or deletes.
fn recompile(change: &mut Change, policies: &[(Document, PolicyKind)], settings: &Settings) {
    for (document, kind) in policies {
        let name = reference(document, *kind);
        let deleted = change.deleted.contains(&Deleted::Policy(name.clone()));
        if deleted || change.policies.iter().any(|(known, _)| *known == name) {
            continue;
        }
        match policies::compiled(document, *kind, settings) {
            Ok(compiled) => change.policies.push((name, constraints(&compiled))),
            Err(errors) => {
                errors.iter().for_each(diagnostics::note);
                diagnostics::note(format!("{name} is invalid: its constraint stays as it is"));
            }
        }
    }
    if !settings.signatures.is_enabled() {
        let asks = |constraint: &Value| {
            let kind = constraint["kind"].as_str().unwrap_or_default();
            gatewright_rules::Template::of_kind(kind).is_some_and(gatewright_rules::Template::needs_verifier)
        };
        change.policies.iter_mut().for_each(|(_, constraints)| constraints.retain(|it| !asks(it)));
    }
}

fn reference(document: &Document, kind: PolicyKind) -> PolicyRef {
    PolicyRef { kind: kind.to_string(), name: document.header.name.as_str().into() }
}

fn constraints(compiled: &Compiled) -> Vec<Value> {
    let signatures = compiled.signatures.iter().map(|it| &it.constraint);
    compiled.constraint.iter().chain(signatures).map(|constraint| json!(constraint)).collect()
}

/// The new labels that are meant to choose a standard or an action, and do not.
fn meaningless(namespaces: &[Value], edits: &[LabelEdit], settings: &Settings) -> Vec<String> {
    let name = |it: &Value| it["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let edited = namespaces.iter().filter(|it| edits.iter().any(|edit| edit.namespace == name(it)));
    let said = |namespace: &Value| {
        let found = meaningless_labels(&labels(&namespace["metadata"]["labels"]), &settings.standards);
        let said = |MeaninglessLabel { key, found, allowed, .. }| {
            format!(
                "namespace {}: the label {key} has the value {found:?}, which means nothing; allowed: {allowed}; the \
                 cluster's default holds",
                name(namespace)
            )
        };
        found.into_iter().map(said).collect::<Vec<_>>()
    };
    edited.flat_map(said).collect()
}

/// Changes of labels where nobody looks.
fn outside(edits: &[LabelEdit], within: Option<&str>) -> impl Iterator<Item = String> {
    let edits =
        edits.iter().filter_map(move |edit| Some((edit, within.filter(|name| *name != edit.namespace)?)));
    edits.map(|(edit, within)| format!("--label: -n {within} leaves out namespace {}", edit.namespace))
}

/// Whose labels change little.
fn of_system(edits: &[LabelEdit], settings: &Settings) -> impl Iterator<Item = String> {
    let edits = edits.iter().filter(|edit| is_system_namespace(&edit.namespace, settings));
    edits.map(|edit| {
        format!(
            "{} is a system namespace: no standard reaches it, and a policy only if it names it",
            edit.namespace
        )
    })
}

impl std::fmt::Display for Deleted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Policy(policy) => write!(f, "{policy}"),
            Self::Template(name) => write!(f, "ConstraintTemplate/{name}"),
            Self::Constraint(kind, name) => write!(f, "{kind}/{name}"),
        }
    }
}

/// What `--delete` names.
pub fn deleted(text: &str) -> Result<Deleted, String> {
    if let Ok((kind, name)) = policy_name(text) {
        return Ok(Deleted::Policy(PolicyRef { kind: kind.to_string(), name: name.into() }));
    }
    let form = || {
        format!(
            "{text:?} is nothing that judges; write it as SecurityPolicy/NAME, OperationPolicy/NAME, ConstraintTemplate/NAME, or the kind of a constraint and its name"
        )
    };
    let parts = text.split_once('/').filter(|(kind, name)| !kind.is_empty() && !name.is_empty());
    let (kind, name) = parts.ok_or_else(form)?;
    match kind {
        "PodSecurityStandard" => {
            Err("a standard is not deleted: --label takes it from a namespace, --settings changes \
                                      the default"
                .to_owned())
        }
        "ConstraintTemplate" | "constrainttemplate" | "constrainttemplates" => {
            Ok(Deleted::Template(name.to_owned()))
        }
        _ => Ok(Deleted::Constraint(kind.to_owned(), name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::deleted;

    #[test]
    fn what_is_deleted_is_named_as_for_kubectl() {
        for (text, expected) in [
            ("SecurityPolicy/a", Ok("SecurityPolicy/a")),
            ("secpol/a", Ok("SecurityPolicy/a")),
            ("oppol/a", Ok("OperationPolicy/a")),
            ("constrainttemplates/own", Ok("ConstraintTemplate/own")),
            ("K8sRequiredLabels/team", Ok("K8sRequiredLabels/team")),
            ("PodSecurityStandard/baseline", Err("a standard is not deleted")),
            ("baseline", Err("\"baseline\" is nothing that judges")),
            ("/a", Err("\"/a\" is nothing that judges")),
        ] {
            match (deleted(text), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.to_string(), expected),
                (Err(said), Err(begins)) => assert!(said.starts_with(begins), "{said}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
