//! Reports on files: what `check` says of them, by owner.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use gatewright_compiler::Settings;
use gatewright_gatekeeper::Action;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde::Deserialize as _;

use super::document::Subject;
use super::fold::Finding;
use super::owners::{Object, Owners, group_of};
use crate::check::collect::{Collected, collect};
use crate::check::fixing::{Fixes, Fixing};
use crate::check::judge::Judge;
use crate::check::namespaces::CommandLine;
use crate::check::result::{ConstraintName, ObjectRef, ObjectResult, Verdict, Violation};
use crate::check::world::World;
use crate::check::{NOTHING_JUDGED, judge_all, not_done, notes, place, report_exceeded};
use crate::diagnostics::stop_at;
use crate::foreign::Foreign;
use crate::input::Reading;
use crate::sandbox::Pool;

/// What was found in files.
pub struct OfFiles {
    /// What is violated.
    pub findings: Vec<Finding>,
    /// Who controls the objects, as they say themselves.
    pub owners: Owners,
    /// How many namespaces have an object.
    pub namespaces: usize,
    /// What was not judged or not verified, as sentences.
    pub notes: Vec<String>,
    /// Whether something could not be judged.
    pub failed: bool,
}

/// Judges the objects of files as `check` does.
///
/// # Errors
/// The input is wrong, or holds nothing to judge: the problems are printed.
pub fn judge(
    filenames: &[PathBuf],
    reading: &Reading,
    settings: &Settings,
    namespace: Option<&str>,
    pool: &Arc<Pool>,
) -> anyhow::Result<OfFiles> {
    let mut collected = collect(filenames, reading);
    let line = CommandLine { labels: &[], default: namespace };
    let (mut world, problems) = World::build(&mut collected, settings, line, pool);
    collected.problems.extend(problems);
    let owners = owners(&collected, namespace);
    let placed = place(&mut collected, &mut world, namespace);
    stop_at(&collected.problems)?;
    if placed.is_empty() {
        bail!("{NOTHING_JUDGED}; name the manifests of workloads with -f, too");
    }
    let namespaces: BTreeSet<_> =
        placed.iter().filter_map(|one| one.namespace().map(str::to_owned)).collect();
    let judge = Judge { world: &world, assumed: not_done(&collected, &world), assume_defaults: false };
    let mut said = judge.assumed.clone();
    let mut findings = vec![];
    let mut failed = vec![];
    let (summary, unjudged) = judge_all(&judge, placed, &mut Fixes::new(Fixing::Nothing), &mut |results| {
        findings.extend(results.iter().flat_map(found));
        failed.extend(results.iter().filter_map(unjudgeable));
        Ok(())
    })?;
    said.extend(unjudged);
    said.extend(notes_of(&world, settings));
    if let Some(named) = notes::named(failed.into_iter()) {
        said.push(format!("{} of {} objects could not be judged: {named}", summary.errors, summary.objects));
    }
    let failed = report_exceeded(pool, &world) || summary.errors > 0;
    Ok(OfFiles { findings, owners, namespaces: namespaces.len(), notes: said, failed })
}

/// What is true of the policies and namespaces, and not of single objects.
fn notes_of(world: &World, settings: &Settings) -> Vec<String> {
    notes::of_disabled_signatures(world, settings)
        .chain(notes::of_system_namespaces(world))
        .chain(notes::of_meaningless_labels(world, &settings.standards))
        .chain(notes::of_idle(world))
        .collect()
}

/// What the objects say of who controls them; `kubectl get -o yaml` writes that.
fn owners(collected: &Collected, namespace: Option<&str>) -> Owners {
    let mut owners = Owners::default();
    for candidate in collected.candidates.iter().filter(|candidate| !candidate.is_review()) {
        let header = candidate.header();
        let value = candidate.0.value();
        let references = Vec::<OwnerReference>::deserialize(&value["metadata"]["ownerReferences"]);
        if let Ok(references) = references {
            let namespace = header.namespace.as_deref().or(namespace).unwrap_or("default");
            let object = Object::new(header.group(), &header.kind, namespace, &header.name);
            owners.learn(object, &references);
        }
    }
    owners
}

/// An object without a verdict, and why it has none.
fn unjudgeable(result: &ObjectResult) -> Option<String> {
    let reason = result.assumed.first().filter(|_| result.verdict == Verdict::Error)?;
    Some(format!("{} ({reason})", result.object))
}

fn found(result: &ObjectResult) -> Vec<Finding> {
    let ObjectRef { api_version, kind, namespace, name } = &result.object;
    let object = Object {
        namespace: namespace.clone().unwrap_or_default(),
        group: group_of(api_version.raw()).into(),
        kind: kind.clone(),
        name: name.clone(),
    };
    let finding = |violation: &Violation| {
        let action = match violation.enforcement_action {
            Verdict::Deny | Verdict::Error => Action::Deny,
            Verdict::Warn => Action::Warn,
            Verdict::Dryrun => Action::Dryrun,
            Verdict::Pass => return None,
        };
        let (object, message) = (object.clone(), violation.full_message());
        Some(Finding { object, policy: subject(violation), action, message, since: None })
    };
    result.violations.iter().filter_map(finding).collect()
}

fn subject(violation: &Violation) -> Subject {
    if let Some(policy) = &violation.policy {
        return Subject { kind: Foreign::from(policy.kind.as_str()), name: policy.name.clone() };
    }
    let ConstraintName { kind, name } = violation.constraint.clone();
    Subject { kind, name }
}
