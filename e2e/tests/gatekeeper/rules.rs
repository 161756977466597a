//! Every case of every rule, in Gatekeeper's own engine: `gator` runs the generated templates and constraints.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use gatewright_api::{PolicyKind, with_policy_type};
use gatewright_compiler::{Compile, Preset, Settings, compile, exec_guard};
use gatewright_e2e::gator::{Folder, assertions};
use gatewright_e2e::paths;
use gatewright_e2e::trial::{Trial, difference, namespace, template};
use gatewright_rules::cases::connect::{ConnectCase, ConnectCases};
use gatewright_rules::cases::{Case, Cases};
use gatewright_rules::{Rule, Template};
use serde_json::{Value, json};

#[test]
fn cases_of_policies() -> Result<()> {
    for kind in PolicyKind::ALL {
        with_policy_type!(kind, P => verify::<P>())?;
    }
    Ok(())
}

#[test]
fn cases_of_deny_exec_heritage() -> Result<()> {
    let directory = Folder::new()?;
    directory.write("template.yaml", &template(Template::DenyExecHeritage))?;
    let path = paths::repository().join("templates/deny-exec-heritage/cases.yaml");
    let ConnectCases { inventory, cases } = serde_saphyr::from_str(&fs::read_to_string(path)?)?;
    let mut known = vec![];
    for (number, pod) in inventory.iter().enumerate() {
        known.push(format!("pod-{number}.yaml"));
        directory.write(&known[number], &pod.object())?;
    }
    let namespaces: BTreeSet<_> = cases.iter().filter_map(|case| case.pod.split('/').next()).collect();
    for name in namespaces {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        known.push(format!("namespace-{name}.yaml"));
        directory.write(&format!("namespace-{name}.yaml"), &namespace)?;
    }
    let test = |(number, case)| connect_test(&directory, &known, number, case);
    let tests = cases.iter().enumerate().map(test).collect::<Result<Vec<_>>>()?;
    let failed = directory.verify(&tests)?;
    ensure!(failed.is_none(), "{failed:?}");
    directory.remove()
}

fn connect_test(directory: &Folder, known: &[String], number: usize, case: &ConnectCase) -> Result<Value> {
    let preset = if case.deckhouse { Preset::Deckhouse } else { Preset::None };
    let mut settings = Settings::new(preset, "gatekeeper-system", "gatewright-system");
    settings.exec_guard.unknown_pods = case.unknown_pods.unwrap_or_default();
    let (constraint, object) = (format!("constraint-{number}.yaml"), format!("object-{number}.yaml"));
    directory.write(&constraint, &json!(exec_guard(&settings, &case.never_synced)))?;
    let input = case.input();
    directory.write(&object, &input.document)?;
    let parts = case.violations.iter().map(|part| json!({"violations": 1, "message": regex::escape(part)}));
    let total = json!({"violations": case.violations.len()});
    let assertions: Vec<_> = std::iter::once(total).chain(parts).collect();
    Ok(json!({
        "name": input.name, "template": "template.yaml", "constraint": constraint,
        "cases": [{"name": input.name, "object": object, "inventory": known, "assertions": assertions}],
    }))
}

/// Writes a Gatekeeper suite for all rules of a policy kind and lets `gator verify` run it.
fn verify<P: Compile>() -> Result<()> {
    let directory = Folder::new()?;
    directory.write("template.yaml", &template(P::TEMPLATE))?;
    directory.write("namespace.yaml", &namespace(&json!({})))?;
    let mut tests = vec![];
    for rule in P::TEMPLATE.rules() {
        let cases = cases(P::TEMPLATE, rule.name)?;
        every_check_refuses(rule, &cases)?;
        for (number, case) in cases.iter().enumerate() {
            let test = suite_test::<P>(&directory, rule, number, case);
            tests.extend(test.with_context(|| format!("{}: {}", rule.name, case.name))?);
        }
    }
    let failed = directory.verify(&tests)?;
    ensure!(failed.is_none(), "{failed:?}");
    directory.remove()
}

fn cases(template: Template, rule: &str) -> Result<Vec<Case>> {
    let path = paths::repository()
        .join("templates")
        .join(template.definition().folder)
        .join(rule)
        .join("cases.yaml");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let cases: Cases = serde_saphyr::from_str(&text).with_context(|| path.display().to_string())?;
    Ok(cases.cases)
}

/// A rule that never fires is the worst bug there is: every check has a case that it refuses, on CREATE and UPDATE,
/// and one that it passes.
fn every_check_refuses(rule: &Rule, cases: &[Case]) -> Result<()> {
    let refusing = |update: bool| -> BTreeSet<_> {
        let cases = cases.iter().filter(|case| case.is_update() == update);
        cases.flat_map(|case| &case.violations).filter_map(|message| message.split(':').next()).collect()
    };
    for check in rule.checks {
        ensure!(
            refusing(false).contains(check.field),
            "{}: no CREATE is refused by {}",
            rule.name,
            check.field
        );
        ensure!(
            refusing(true).contains(check.field),
            "{}: no UPDATE is refused by {}",
            rule.name,
            check.field
        );
    }
    ensure!(cases.iter().any(|case| case.violations.is_empty()), "{}: nothing passes", rule.name);
    Ok(())
}

#[test]
fn details_of_policies() -> Result<()> {
    for kind in PolicyKind::ALL {
        with_policy_type!(kind, P => details::<P>())?;
    }
    Ok(())
}

/// Suites assert messages alone. What audit sees of the cases of a rule is judged by all policies of these cases, by
/// both engines, and must be equal with its details.
fn details<P: Compile>() -> Result<()> {
    for rule in P::TEMPLATE.rules() {
        let mut trial = Trial {
            templates: vec![template(P::TEMPLATE)],
            namespaces: vec![namespace(&json!({}))],
            ..Trial::default()
        };
        for (number, case) in cases(P::TEMPLATE, rule.name)?.iter().enumerate() {
            let constraint = compile(&policy::<P>(case)?, &settings(case))?.constraint;
            trial.constraints.extend(constraint.map(|found| named(json!(found), &format!("c{number}"))));
            let audited =
                case.inputs().into_iter().filter(|input| input.document["kind"] != "AdmissionReview");
            // A Pod and a controller.
            for input in audited.take(2) {
                let name = format!("o{}", trial.objects.len());
                trial.objects.push(named(input.document, &name));
            }
        }
        let (gator, engine) = (trial.by_gator()?, trial.by_engine()?);
        ensure!(gator.iter().any(|found| found.details.is_object()), "{}: no details", rule.name);
        let differences = difference(&gator, &engine);
        ensure!(differences.is_empty(), "{}: {:#?}", rule.name, &differences[..differences.len().min(10)]);
    }
    Ok(())
}

fn named(mut object: Value, name: &str) -> Value {
    object["metadata"]["name"] = json!(name);
    object
}

fn policy<P: Compile>(case: &Case) -> Result<P> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": P::KIND.as_ref(),
        "metadata": {"name": "case"},
        "spec": case.policy_spec(&case.policies),
    }))?)
}

/// The settings under which a case is judged.
fn settings(case: &Case) -> Settings {
    Settings { pod_templates: case.pod_templates, ..Settings::default() }
}

/// One test of the suite: the case's policy, compiled, and all inputs of the case. None if nothing is enforced.
fn suite_test<P: Compile>(
    directory: &Folder,
    rule: &Rule,
    number: usize,
    case: &Case,
) -> Result<Option<Value>> {
    let Some(constraint) = compile(&policy::<P>(case)?, &settings(case))?.constraint else {
        ensure!(case.violations.is_empty(), "nothing is enforced");
        return Ok(None);
    };
    let file = |what: &str| format!("{}-{number}-{what}.yaml", rule.name);
    directory.write(&file("constraint"), &json!(constraint))?;
    let mut inputs = vec![];
    for (i, input) in case.inputs().iter().enumerate() {
        let object = file(&format!("object-{i}"));
        directory.write(&object, &input.document)?;
        inputs.push(json!({
            "name": input.name, "object": object, "inventory": ["namespace.yaml"],
            "assertions": assertions(&case.violations),
        }));
    }
    Ok(Some(json!({
        "name": format!("{}: {}", rule.name, case.name),
        "template": "template.yaml",
        "constraint": file("constraint"),
        "cases": inputs,
    })))
}
