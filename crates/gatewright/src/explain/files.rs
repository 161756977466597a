//! Explains objects of files by what stands in other files, without a cluster.

use std::sync::Arc;

use anyhow::bail;

use super::document::Explain;
use super::facts::{Inventory, Known, find, leave_out_beyond};
use super::rows::{Place, explain as explained};
use super::{Args, Operation, explains_namespaces, within_bounds};
use crate::check::collect::{Collected, collect};
use crate::check::namespaces::CommandLine;
use crate::check::notes::of_disabled_signatures;
use crate::check::placed::Placed;
use crate::check::world::World;
use crate::diagnostics::{self, stop_at};
use crate::policies::PolicyRef;
use crate::sandbox::Pool;

/// Explains all objects.
///
/// # Errors
/// The input is wrong: the problems are printed.
pub fn explain(args: &Args, pool: &Arc<Pool>) -> anyhow::Result<Vec<Explain>> {
    if args.operation == Operation::Update {
        bail!("--operation update compares with what is in the cluster: leave out --policies");
    }
    let reading = args.reading.reading();
    let settings = args.settings.read(&reading.limit)?;
    let namespace = args.cluster.namespace_or("default");
    let mut objects = collect(&args.filenames, &reading);
    let mut by = collect(&args.policies, &reading);
    let candidates = std::mem::take(&mut objects.candidates);
    within_bounds(&candidates)?;
    let beside = std::mem::take(&mut by.candidates);
    let mut all = merged(objects, by);
    let line = CommandLine { labels: &[], default: namespace.as_deref() };
    let (mut world, problems) = World::build(&mut all, &settings, line, pool);
    all.problems.extend(problems);
    let known = known(&all);
    leave_out_beyond(&mut world, &known);
    let mut place = |candidate| match Placed::new(candidate, &all.scopes, namespace.as_deref()) {
        Ok(placed) => Some(placed),
        Err(problem) => {
            all.problems.push(problem);
            None
        }
    };
    let judged: Vec<_> = candidates.into_iter().filter_map(&mut place).collect();
    let beside: Vec<_> = beside.into_iter().filter_map(&mut place).collect();
    stop_at(&all.problems)?;
    of_disabled_signatures(&world, &settings).for_each(diagnostics::note);
    prepare(&mut world, &judged, &beside);
    let namespaces_too = explains_namespaces(&world, judged.iter());
    let judged = judged.iter().filter(|placed| namespaces_too || !placed.is_namespace());
    Ok(judged.map(|placed| one(&mut world, &known, placed)).collect())
}

fn one(world: &mut World, known: &Known, placed: &Placed) -> Explain {
    let found = find(world, known, &[], placed);
    let namespace = placed.labelled_by().unwrap_or_default();
    let place = Place {
        namespace,
        labels: world.namespaces.labels(namespace),
        exemption: placed.labelled_by().and_then(|namespace| world.exemption(namespace)),
        has_lines: true,
        ..Place::default()
    };
    explained(found, &place)
}

/// What judges may stand in either of the files.
fn merged(mut objects: Collected, by: Collected) -> Collected {
    let Collected {
        policies,
        templates,
        constraints,
        configs,
        expansions,
        mutators,
        namespaces,
        scopes,
        problems,
        ..
    } = by;
    objects.policies.extend(policies);
    objects.templates.extend(templates);
    objects.constraints.extend(constraints);
    objects.configs.extend(configs);
    objects.expansions.extend(expansions);
    objects.mutators.extend(mutators);
    objects.namespaces.extend(namespaces);
    objects.scopes.extend(scopes);
    objects.problems.extend(problems);
    objects
}

fn known(all: &Collected) -> Known {
    let excluded = all.policies.iter().map(|(document, kind)| {
        let names = document.value().pointer("/spec/match/namespaceSelector/excludeNames").cloned();
        let names = names.and_then(|names| serde_json::from_value(names).ok()).unwrap_or_default();
        (PolicyRef { kind: kind.to_string(), name: document.header.name.as_str().into() }, names)
    });
    Known { excluded: excluded.collect(), inventory: Inventory::Files, ..Known::default() }
}

/// Says the engine what it must know before it is asked.
fn prepare(world: &mut World, judged: &[Placed], beside: &[Placed]) {
    for placed in judged.iter().chain(beside) {
        if let Some(namespace) = placed.namespace() {
            world.namespaces.assume(namespace);
            if let Some(object) = placed.gives_to_pods() {
                world.cluster.learn(&object, namespace);
            }
        }
    }
    world.add_namespaces();
    if world.engine.reads_inventory() {
        for placed in judged.iter().chain(beside) {
            if let Some(object) = placed.stored(&world.cluster) {
                world.engine.add_object(&object);
            }
        }
    }
}
