//! The Pod Security Standards in Gatekeeper's own engine and in ours: the fixtures by which Kubernetes tests its own,
//! and cases of what these leave out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use gatewright_compiler::{Settings, StandardVersion, Standards, standards};
use gatewright_e2e::fixtures::{self, Fixture, LEVELS, NEWEST_IN_MODULE};
use gatewright_e2e::gator::{Folder, assertions};
use gatewright_e2e::paths;
use gatewright_e2e::trial::{Judge, Trial, Violation, namespace, template};
use gatewright_rules::Template;
use gatewright_rules::cases::{Case, NAMESPACE, StandardCase, StandardCases};
use gatewright_rules::pod_security_standard::NEWEST_MINOR;
use serde_json::{Value, json};

/// The controls that refuse each object.
type Refused = BTreeMap<String, BTreeSet<String>>;

#[test]
fn newest_fixtures_in_every_kind_of_workload_by_gator() -> Result<()> {
    newest_fixtures_in_every_kind_of_workload(Judge::Gator)
}

#[test]
fn newest_fixtures_in_every_kind_of_workload_by_the_engine() -> Result<()> {
    newest_fixtures_in_every_kind_of_workload(Judge::Engine)
}

/// Which controls refuse, not only whether.
fn newest_fixtures_in_every_kind_of_workload(judge: Judge) -> Result<()> {
    let Some(fixtures) = fixtures::newest()? else { return Ok(()) };
    for level in LEVELS {
        let mut trial = trial(level, NEWEST_MINOR)?;
        let mut expected = Refused::new();
        for fixture in fixtures.iter().filter(|fixture| fixture.level == level) {
            for workload in workloads(&fixture.pod)? {
                let name = format!("{} {}", fixture.file, workload["kind"]);
                trial.objects.push(named(workload, &name));
                expected.insert(name, fixture.refused_by.clone());
            }
        }
        ensure!(expected.len().is_multiple_of(7) && expected.len() > 300, "{} objects", expected.len());
        let found = refused(&trial.by(judge)?);
        agree(&found, &expected, |found, expected| found == expected).context(level)?;
    }
    Ok(())
}

#[test]
fn fixtures_of_all_versions_by_gator() -> Result<()> {
    fixtures_of_all_versions(Judge::Gator)
}

#[test]
fn fixtures_of_all_versions_by_the_engine() -> Result<()> {
    fixtures_of_all_versions(Judge::Engine)
}

/// Every version has its own fixtures: about four thousand Pods.
fn fixtures_of_all_versions(judge: Judge) -> Result<()> {
    let mut judged = 0;
    for level in LEVELS {
        for minor in 0..=NEWEST_IN_MODULE + 1 {
            let fixtures = fixtures::of_version(level, minor.min(NEWEST_IN_MODULE))?;
            judged += fixtures.len();
            fixtures_of_a_version(&fixtures, level, minor, judge)
                .with_context(|| format!("{level} v1.{minor}"))?;
        }
    }
    ensure!(judged > 4241, "{judged} objects");
    Ok(())
}

fn fixtures_of_a_version(fixtures: &[Fixture], level: &str, minor: u32, judge: Judge) -> Result<()> {
    let mut trial = trial(level, minor)?;
    trial.objects = fixtures.iter().map(|fixture| named(fixture.pod.clone(), &fixture.file)).collect();
    let expected =
        fixtures.iter().map(|fixture| (fixture.file.clone(), fixture.refused_by.clone())).collect();
    agree(&refused(&trial.by(judge)?), &expected, |found, expected| found.is_empty() == expected.is_empty())
}

/// What no fixture shows, and what people read.
#[test]
fn own_cases() -> Result<()> {
    let folder = Folder::new()?;
    folder.write("template.yaml", &template(Template::PodSecurityStandard))?;
    let path = paths::repository().join("templates/pod-security-standard/cases.yaml");
    let cases: StandardCases = serde_saphyr::from_str(&fs::read_to_string(&path)?)?;
    every_control_refuses(&cases.cases)?;
    let tests: Result<Vec<_>> =
        cases.cases.iter().enumerate().map(|(number, case)| suite_test(&folder, number, case)).collect();
    let failed = folder.verify(&tests?)?;
    ensure!(failed.is_none(), "{failed:?}");
    folder.remove()
}

/// A control that never fires is the worst bug there is.
fn every_control_refuses(cases: &[StandardCase]) -> Result<()> {
    let entry = Template::PodSecurityStandard.definition().entry();
    let controls = entry.split("control.violation(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let refused = cases.iter().flat_map(|standard| &standard.case.violations);
    let names: BTreeSet<_> = refused.filter_map(|message| message.split(':').next()).collect();
    let missing: Vec<_> = controls.filter(|control| !names.contains(control)).collect();
    ensure!(missing.is_empty(), "no case is refused by {missing:?}");
    Ok(())
}

fn suite_test(folder: &Folder, number: usize, standard: &StandardCase) -> Result<Value> {
    let StandardCase { level, case, .. } = standard;
    let file = |what: &str| format!("{number}-{what}.yaml");
    let mut constraint = denying(&Settings::default(), level.as_ref())?;
    constraint["spec"]["parameters"] = json!(standard.parameters());
    folder.write(&file("constraint"), &constraint)?;
    folder.write(&file("namespace"), &labelled(level.as_ref()))?;
    let mut inputs = vec![];
    for (i, input) in case.inputs().iter().enumerate() {
        let object = file(&format!("object-{i}"));
        folder.write(&object, &input.document)?;
        inputs.push(json!({
            "name": input.name, "object": object, "inventory": [file("namespace")],
            "assertions": assertions(&case.violations),
        }));
    }
    Ok(json!({
        "name": case.name, "template": "template.yaml", "constraint": file("constraint"), "cases": inputs,
    }))
}

/// The namespace of the objects, under a standard.
fn labelled(level: &str) -> Value {
    namespace(&json!({gatewright_compiler::POLICY_LABEL: level}))
}

/// The constraint of a level that refuses.
fn denying(settings: &Settings, level: &str) -> Result<Value> {
    let name = format!("d8-pod-security-{level}-deny");
    let found = standards(settings).into_iter().find(|found| found.metadata.name.as_ref() == Some(&name));
    Ok(json!(found.context(name)?))
}

/// A standard without objects to judge.
fn trial(level: &str, minor: u32) -> Result<Trial> {
    let standards = Standards { version: StandardVersion::V1(minor), ..Standards::default() };
    let settings = Settings { standards, ..Settings::default() };
    Ok(Trial {
        templates: vec![template(Template::PodSecurityStandard)],
        constraints: vec![denying(&settings, level)?],
        namespaces: vec![labelled(level)],
        objects: vec![],
    })
}

/// The Pod itself, and every controller with it as its template.
fn workloads(pod: &Value) -> Result<Vec<Value>> {
    let case = json!({
        "name": "fixture", "policies": {}, "violations": [],
        "spec": pod["spec"], "annotations": pod["metadata"]["annotations"],
    });
    let case: Case = serde_json::from_value(case)?;
    let audited = case.inputs().into_iter().filter(|input| input.name.ends_with("audit)"));
    Ok(audited.map(|input| input.document).collect())
}

fn named(mut object: Value, name: &str) -> Value {
    object["metadata"]["name"] = json!(name);
    object["metadata"]["namespace"] = json!(NAMESPACE);
    object
}

fn refused(found: &[Violation]) -> Refused {
    let mut refused = Refused::new();
    for violation in found {
        let control = violation.message.split(':').next().unwrap_or_default().to_lowercase();
        refused.entry(violation.object.clone()).or_default().insert(control);
    }
    refused
}

fn agree(
    found: &Refused,
    expected: &Refused,
    same: impl Fn(&BTreeSet<String>, &BTreeSet<String>) -> bool,
) -> Result<()> {
    let nothing = BTreeSet::new();
    let differences: Vec<_> = expected
        .iter()
        .map(|(object, expected)| (object, found.get(object).unwrap_or(&nothing), expected))
        .filter(|(_, found, expected)| !same(found, expected))
        .map(|(object, found, expected)| format!("{object:?}: {found:?}, expected {expected:?}"))
        .collect();
    let unknown = found.keys().find(|object| !expected.contains_key(*object));
    ensure!(unknown.is_none(), "{unknown:?} was not asked about");
    ensure!(
        differences.is_empty(),
        "{} of {} differ:\n{}",
        differences.len(),
        expected.len(),
        differences.join("\n")
    );
    Ok(())
}
