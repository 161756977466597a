//! Random templates, and those of a folder of inputs: Gatekeeper's engine and ours load the same ones, and find the same
//! violations with the same messages.

use std::collections::BTreeMap;
use std::fmt::Write;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use gatewright_e2e::generate::Random;
use gatewright_e2e::templates::{Difference, Trial, compare, object, template};
use gatewright_e2e::{paths, tools};
use gatewright_engine::{EnforcementPoint, Engine, Options, Request};
use serde_json::{Value, json};

/// So many are loaded into one process.
const AT_ONCE: usize = 500;

/// Templates of the fixed seed that only one engine loaded once, by number: in all but one a comprehension closes over a
/// variable that gets its value from the comprehension.
const KEPT: [u64; 5] = [1130, 1269, 1306, 1798, 1827];

/// Templates of the fixed seed that only Gatekeeper loads, by number; `docs/check.md` lists the kind: a call gives a value
/// to a variable that a comprehension in its arguments closes over.
const LISTED: [u64; 2] = [139, 1870];

#[test]
fn random_templates() -> Result<()> {
    let (seed, count) = (Random::from_env()?.seed, gatewright_e2e::generate::cases(150)?);
    let kept = KEPT.into_iter().filter(|number| *number >= count as u64);
    let trials: Vec<_> = (0..count as u64).chain(kept).map(|number| trial(seed, number)).collect();
    let (mut loaded, mut violations) = (0, 0);
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let mut kinds: BTreeMap<Difference, usize> = BTreeMap::new();
    let mut said = String::new();
    for trials in trials.chunks(AT_ONCE) {
        let verdicts = compare(trials)?;
        loaded += verdicts.loaded;
        for (code, times) in verdicts.refused {
            *refused.entry(code).or_default() += times;
        }
        violations += verdicts.violations;
        for (index, kind, why) in verdicts.differences {
            let listed = |number: &u64| trials[index].name == format!("seed 4, number {number}");
            if kind == Difference::OnlyGatekeeperLoads && LISTED.iter().any(listed) {
                continue;
            }
            *kinds.entry(kind).or_default() += 1;
            let trial = &trials[index];
            writeln!(said, "\n{kind}: {}: {why}", trial.name)?;
            for module in std::iter::once(&trial.template.entry).chain(&trial.template.libs) {
                writeln!(said, "----\n{module}")?;
            }
        }
    }
    eprintln!("{count} templates: {loaded} loaded, refused {refused:?}, {violations} violations, {kinds:?}");
    // That kind is listed in docs/check.md.
    kinds.remove(&Difference::Number);
    ensure!(kinds.is_empty(), "{said}{kinds:?}");
    ensure!(
        loaded * 3 > count && refused.values().sum::<usize>() * 20 > count,
        "too many are refused, or too few"
    );
    Ok(())
}

fn trial(seed: u64, number: u64) -> Trial {
    Trial {
        name: format!("seed {seed}, number {number}"),
        template: template(seed, number),
        parameters: json!({"allowed": ["gold", "silver"], "prefix": "we", "max": 2}),
        objects: (0..4).map(object).collect(),
    }
}

/// Inputs from the field, by folder: what `gator test` says of the files together is what our engine says.
#[test]
fn inputs_from_the_field() -> Result<()> {
    let Some(folder) = paths::oracle().map(|oracle| oracle.join("field")).filter(|folder| folder.is_dir())
    else {
        eprintln!("SKIPPED: no inputs; GATEWRIGHT_ORACLE says where they are");
        return Ok(());
    };
    let mut compared = 0;
    for name in ["comprehension-shadow", "contains-as-name", "over-accepted", "v1beta1-no-schema"] {
        let mut files: Vec<_> =
            fs::read_dir(folder.join(name))?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        let (templates, others): (Vec<_>, Vec<_>) = files
            .into_iter()
            .filter(|file| !file.ends_with("suite.yaml"))
            .partition(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('t')));
        for template in templates {
            let name = template.file_name().unwrap_or_default().to_string_lossy().replacen('t', "c", 1);
            let name = name.replace("cemplate", "constraint");
            let constraint = others.iter().find(|file| file.ends_with(&name)).context("no constraint")?;
            let objects =
                others.iter().find(|file| file.to_string_lossy().contains("/pod")).context("no objects")?;
            same(&[&template, constraint, objects])?;
            compared += 1;
        }
    }
    ensure!(compared == 10, "{compared} templates");
    Ok(())
}

/// Compares the messages for the objects of the last file, or that both refuse the template.
fn same(files: &[&Path; 3]) -> Result<()> {
    let names = files.map(|file| file.display().to_string());
    let arguments = names.iter().flat_map(|file| ["-f", file.as_str()]);
    let output = Command::new(tools::path("gator")).args(["test", "-o", "json"]).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let documents: Vec<Vec<Value>> = files
        .iter()
        .map(|file| Ok(serde_saphyr::from_multiple(&fs::read_to_string(file)?)?))
        .collect::<Result<_>>()?;
    let mut engine = Engine::new(Options { point: EnforcementPoint::Gator, ..Options::default() });
    if let Err(errors) = engine.add_template(&documents[0][0]) {
        ensure!(said.contains("rego_"), "only we refuse {}: {errors:?}", names[0]);
        return Ok(());
    }
    engine.add_constraint(&documents[1][0])?;
    let mut ours = vec![];
    for object in &documents[2] {
        let found = engine.review(&Request::audit(object.clone()))?;
        ours.extend(found.into_iter().map(|violation| violation.message));
    }
    let theirs: Option<Vec<Value>> = serde_json::from_slice(&output.stdout).with_context(|| said)?;
    let message = |result: &Value| result["msg"].as_str().unwrap_or_default().to_owned();
    let mut theirs: Vec<_> = theirs.iter().flatten().map(message).collect();
    theirs.sort();
    ours.sort();
    ensure!(ours == theirs, "{}: we say {ours:?}, gator {theirs:?}", names[0]);
    Ok(())
}
