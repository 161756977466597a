//! Every case of every rule and of the standards, in the offline engine. `gator` runs the same cases and must say the
//! same (`e2e/tests`).

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use gatewright_api::{OperationPolicy, SecurityPolicy};
use gatewright_compiler::{Compile, POLICY_LABEL, Settings, compile, standards, templates};
use gatewright_engine::{EnforcementPoint, Engine, Options, Request};
use gatewright_rules::cases::{Case, Cases, NAMESPACE, StandardCase, StandardCases};
use gatewright_rules::{Template, pod_security_standard};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

#[test]
fn cases_of_security_policy() -> Result<()> {
    cases_of_a_policy_kind::<SecurityPolicy>("security-policy")
}

#[test]
fn cases_of_operation_policy() -> Result<()> {
    cases_of_a_policy_kind::<OperationPolicy>("operation-policy")
}

#[test]
fn cases_of_the_standards() -> Result<()> {
    let mut engine = engine(&pod_security_standard::TEMPLATE)?;
    let cases: StandardCases = read("pod-security-standard/cases.yaml")?;
    ensure!(cases.cases.len() >= 40, "{} cases", cases.cases.len());
    for standard in &cases.cases {
        let StandardCase { level, case, .. } = standard;
        engine.add_object(&namespace(&json!({POLICY_LABEL: level})));
        let name = format!("d8-pod-security-{}-deny", level.as_ref());
        let constraints = standards(&Settings::default());
        let constraint = constraints.into_iter().find(|found| found.metadata.name.as_ref() == Some(&name));
        let mut constraint = json!(constraint.context(name)?);
        constraint["metadata"]["name"] = json!("case");
        constraint["spec"]["parameters"] = json!(standard.parameters());
        judge(&mut engine, &constraint, case).with_context(|| case.name.clone())?;
    }
    Ok(())
}

fn cases_of_a_policy_kind<P: Compile>(folder: &str) -> Result<()> {
    let mut engine = engine(P::TEMPLATE)?;
    engine.add_object(&namespace(&json!({})));
    for rule in P::TEMPLATE.rules {
        let cases: Cases = read(&format!("{folder}/{}/cases.yaml", rule.name))?;
        ensure!(!cases.cases.is_empty(), "{}: no cases", rule.name);
        for case in &cases.cases {
            let context = || format!("{}: {}", rule.name, case.name);
            case_of_a_policy::<P>(&mut engine, case).with_context(context)?;
        }
    }
    Ok(())
}

fn case_of_a_policy<P: Compile>(engine: &mut Engine, case: &Case) -> Result<()> {
    let policy: P = serde_json::from_value(json!({
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": P::KIND.as_ref(),
        "metadata": {"name": "case"},
        "spec": {"match": case.r#match, "policies": case.policies},
    }))?;
    if let Some(constraint) = compile(&policy, &Settings::default())?.constraint {
        return judge(engine, &json!(constraint), case);
    }
    ensure!(case.violations.is_empty(), "nothing is enforced");
    Ok(())
}

/// Every input of the case has exactly its violations.
fn judge(engine: &mut Engine, constraint: &Value, case: &Case) -> Result<()> {
    // It replaces that of the case before.
    engine.add_constraint(constraint)?;
    let mut expected = case.violations.clone();
    expected.sort();
    for input in case.inputs() {
        let request = match input.document["kind"].as_str() {
            Some("AdmissionReview") => Request::from_admission_review(input.document)?,
            _ => Request::audit(input.document),
        };
        let mut found: Vec<_> = engine.review(&request)?.into_iter().map(|found| found.message).collect();
        found.sort();
        ensure!(found == expected, "{}: found {found:#?}, expected {expected:#?}", input.name);
    }
    Ok(())
}

/// An engine as tests use it, with one template.
fn engine(template: &Template) -> Result<Engine> {
    let mut engine = Engine::new(Options { point: EnforcementPoint::Gator, ..Options::default() });
    let name = template.name();
    let objects = templates();
    let object = objects.iter().find(|object| object.metadata.name.as_ref() == Some(&name));
    let added = engine.add_proven_template(&json!(object.context("not in the catalogue")?));
    added.map_err(|errors| anyhow::anyhow!("{name}: {errors:?}"))?;
    Ok(engine)
}

fn namespace(labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
}

fn read<T: DeserializeOwned>(path: &str) -> Result<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates").join(path);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_saphyr::from_str(&text).with_context(|| path.display().to_string())
}
