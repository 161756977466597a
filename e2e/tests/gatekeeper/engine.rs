//! The offline engine against Gatekeeper's own: every table of `engine/` runs through `gator verify`, which must
//! find exactly what the engine found, and must refuse exactly what it refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use gatewright_e2e::tools;
use gatewright_engine::{EnforcementPoint, Engine, Options, Request, Violation};
use serde::Deserialize;
use serde_json::{Value, json};

/// Every constraint judges every case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    templates: Vec<Value>,
    constraints: Vec<Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    object: Value,
    #[serde(default)]
    inventory: Vec<Value>,
}

/// What may be refused, by name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Documents {
    template: Value,
    constraint: Value,
    #[serde(default)]
    templates: BTreeMap<String, Value>,
    #[serde(default)]
    constraints: BTreeMap<String, Value>,
}

#[test]
fn matching() -> Result<()> {
    verdicts("matching")
}

#[test]
fn requests() -> Result<()> {
    verdicts("requests")
}

#[test]
fn rego() -> Result<()> {
    verdicts("rego")
}

#[test]
fn cel() -> Result<()> {
    verdicts("cel")
}

#[test]
fn templates_and_constraints_that_gatekeeper_refuses() -> Result<()> {
    let documents: Documents = read("refused")?;
    let directory = Directory::new("refused")?;
    let (mut tests, mut refused) = (vec![], BTreeSet::new());
    let templates =
        documents.templates.iter().map(|(name, template)| (name, template, &documents.constraint));
    let constraints =
        documents.constraints.iter().map(|(name, constraint)| (name, &documents.template, constraint));
    for (name, template, constraint) in templates.chain(constraints) {
        let (template_file, constraint_file) =
            (format!("{name}-template.json"), format!("{name}-constraint.json"));
        directory.write(&template_file, template)?;
        directory.write(&constraint_file, constraint)?;
        tests.push(
            json!({"name": name, "template": template_file, "constraint": constraint_file, "cases": []}),
        );
        let mut engine = gator();
        if engine.add_template(template).is_err() || engine.add_constraint(constraint).is_err() {
            refused.insert(name.clone());
        }
    }
    let said = directory.verify(&tests)?;
    let failed: BTreeSet<String> = said.lines().filter_map(failed_test).collect();
    ensure!(
        failed == refused,
        "only gator refuses {:?}, only the engine {:?}\n{said}",
        diff(&failed, &refused),
        diff(&refused, &failed)
    );
    ensure!(!refused.is_empty() && refused.len() < tests.len(), "some must be refused and some not");
    directory.remove()
}

/// Texts by their format, as the engine's own test has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    has: Vec<Value>,
    lacks: Vec<Value>,
}

/// Gatekeeper refuses a constraint whose parameter lacks its format: one test for each text.
#[test]
fn formats_of_parameters() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/engine/src/cel/formats/values.yaml");
    let formats: BTreeMap<String, Texts> = serde_saphyr::from_str(&fs::read_to_string(path)?)?;
    let directory = Directory::new("formats")?;
    let (mut tests, mut expected) = (vec![], BTreeSet::new());
    for (format, Texts { has, lacks }) in &formats {
        directory.write(&format!("{format}.json"), &of_format(format))?;
        for (text, fits) in has.iter().map(|text| (text, true)).chain(lacks.iter().map(|text| (text, false)))
        {
            let name = format!("{format}-{}", tests.len());
            let constraint = json!({
                "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "Typed", "metadata": {"name": "typed"},
                "spec": {"parameters": {"texts": [text]}},
            });
            let file = format!("{name}-constraint.json");
            directory.write(&file, &constraint)?;
            tests.push(
                json!({"name": name, "template": format!("{format}.json"), "constraint": file, "cases": []}),
            );
            expected.extend((!fits).then_some(name));
        }
    }
    let said = directory.verify(&tests)?;
    let failed: BTreeSet<String> = said.lines().filter_map(failed_test).collect();
    ensure!(
        failed == expected && expected.len() > 100,
        "only gator refuses {:?}, only the engine {:?}\n{said}",
        diff(&failed, &expected),
        diff(&expected, &failed)
    );
    directory.remove()
}

/// A template whose parameter `texts` are of a format.
fn of_format(format: &str) -> Value {
    let texts = json!({"type": "array", "items": {"type": "string", "format": format}});
    let mut template = typed("true");
    template["spec"]["crd"]["spec"]["validation"] =
        json!({"openAPIV3Schema": {"type": "object", "properties": {"texts": texts}}});
    template
}

/// Expressions by whether this engine knows what Kubernetes' compiler makes of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expressions {
    agreed: Vec<String>,
    missed: Vec<String>,
}

/// Gatekeeper loads a template that does not compile, and refuses everything that it judges.
#[test]
fn types_of_cel() -> Result<()> {
    let Expressions { agreed, missed } = read("types")?;
    let directory = Directory::new("types")?;
    let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"x": 1}});
    directory.write("object.json", &object)?;
    let constraint = json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "Typed", "metadata": {"name": "typed"},
    });
    directory.write("constraint.json", &constraint)?;
    let (mut tests, mut refused) = (vec![], 0);
    for (number, expression) in agreed.iter().chain(&missed).enumerate() {
        let template = typed(expression);
        let file = format!("template-{number}.json");
        directory.write(&file, &template)?;
        let compiles = gator().add_template(&template).is_ok();
        let known = number < agreed.len();
        ensure!(known || compiles, "known by now: {expression}");
        refused += usize::from(!compiles);
        let expected =
            json!([{"violations": usize::from(!(known && compiles)), "message": "^compilation error"}]);
        let case = json!({"name": "compiles", "object": "object.json", "assertions": expected});
        tests.push(json!({
            "name": expression, "template": file, "constraint": "constraint.json", "cases": [case],
        }));
    }
    ensure!(refused > 30 && refused + 30 < agreed.len(), "{refused} of {} are refused", agreed.len());
    let said = directory.verify(&tests)?;
    ensure!(!said.contains("FAIL") && said.contains("PASS"), "{said}");
    directory.remove()
}

fn typed(expression: &str) -> Value {
    let variables = json!([
        {"name": "text", "expression": "'te' + 'xt'"},
        {"name": "list", "expression": "object.spec.?list.orValue([])"},
        {"name": "anything", "expression": "object.spec.x"},
        {"name": "map", "expression": "{'key': 'value'}"},
    ]);
    let source = json!({"variables": variables, "validations": [{"expression": expression}]});
    let code = json!([{"engine": "K8sNativeValidation", "source": source}]);
    json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "typed"},
        "spec": {
            "crd": {"spec": {"names": {"kind": "Typed"}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "code": code}],
        },
    })
}

fn diff<'a>(a: &'a BTreeSet<String>, b: &'a BTreeSet<String>) -> Vec<&'a String> {
    a.difference(b).collect()
}

fn failed_test(line: &str) -> Option<String> {
    let name = line.trim_start().strip_prefix("--- FAIL: ")?;
    Some(
        name.rsplit_once('\t')
            .or_else(|| name.rsplit_once(' '))
            .map_or(name, |(name, _)| name)
            .trim()
            .to_owned(),
    )
}

/// Judges every case of a table by every constraint, and lets `gator` look for the same violations.
fn verdicts(name: &str) -> Result<()> {
    let table: Table = read(name)?;
    let directory = Directory::new(name)?;
    let mut tests = vec![];
    let mut found = 0;
    for constraint in &table.constraints {
        let template = template_of(&table, constraint)?;
        let test_name = constraint["metadata"]["name"].as_str().context("a constraint without a name")?;
        directory.write(&format!("{test_name}-template.json"), template)?;
        directory.write(&format!("{test_name}-constraint.json"), constraint)?;
        let mut cases = vec![];
        for (number, case) in table.cases.iter().enumerate() {
            let violations =
                judge(template, constraint, case).with_context(|| format!("{test_name}: {}", case.name))?;
            found += violations.len();
            cases.push(suite_case(&directory, number, case, &violations)?);
        }
        let (template, constraint) =
            (format!("{test_name}-template.json"), format!("{test_name}-constraint.json"));
        tests
            .push(json!({"name": test_name, "template": template, "constraint": constraint, "cases": cases}));
    }
    ensure!(found > 0, "no violations at all");
    let said = directory.verify(&tests)?;
    ensure!(!said.contains("FAIL") && said.contains("PASS"), "{said}");
    directory.remove()
}

fn template_of<'a>(table: &'a Table, constraint: &Value) -> Result<&'a Value> {
    let of_kind = |template: &&Value| template["spec"]["crd"]["spec"]["names"]["kind"] == constraint["kind"];
    table.templates.iter().find(of_kind).with_context(|| format!("no template for {}", constraint["kind"]))
}

fn gator() -> Engine {
    Engine::new(Options { point: EnforcementPoint::Gator, ..Options::default() })
}

fn judge(template: &Value, constraint: &Value, case: &Case) -> Result<Vec<Violation>> {
    let mut engine = gator();
    engine.add_template(template).map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    engine.add_constraint(constraint)?;
    for object in &case.inventory {
        engine.add_object(object);
    }
    let request = if case.object["kind"] == "AdmissionReview" {
        Request::from_admission_review(case.object.clone())?
    } else {
        Request::audit(case.object.clone())
    };
    Ok(engine.review(&request)?)
}

/// A case that holds if `gator` finds the same messages, each as often.
fn suite_case(directory: &Directory, number: usize, case: &Case, violations: &[Violation]) -> Result<Value> {
    let object = format!("object-{number}.json");
    directory.write(&object, &case.object)?;
    let mut inventory = vec![];
    for (index, document) in case.inventory.iter().enumerate() {
        let file = format!("inventory-{number}-{index}.json");
        directory.write(&file, document)?;
        inventory.push(file);
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for violation in violations {
        *counts.entry(pattern(&violation.message)).or_default() += 1;
    }
    let messages = counts.iter().map(|(message, count)| json!({"violations": count, "message": message}));
    let assertions: Vec<_> = [json!({"violations": violations.len()})].into_iter().chain(messages).collect();
    Ok(json!({"name": case.name, "object": object, "inventory": inventory, "assertions": assertions}))
}

/// Of two clashing rules OPA names another one.
fn pattern(message: &str) -> String {
    match message.strip_prefix("template:").and_then(|rest| rest.split_once(':')) {
        Some((_, error)) => format!("^template:[0-9]+:{}$", regex::escape(error)),
        None => format!("^(?s:{})$", regex::escape(message)),
    }
}

fn read<T: serde::de::DeserializeOwned>(name: &str) -> Result<T> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gatekeeper/engine").join(format!("{name}.yaml"));
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_saphyr::from_str(&text).with_context(|| path.display().to_string())
}

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Result<Self> {
        let path = env::temp_dir().join(format!("gatewright-engine-{name}-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn write(&self, name: &str, document: &Value) -> Result<()> {
        Ok(fs::write(self.0.join(name), document.to_string())?)
    }

    /// What `gator verify -v` says about a suite.
    fn verify(&self, tests: &[Value]) -> Result<String> {
        let suite = json!({"apiVersion": "test.gatekeeper.sh/v1alpha1", "kind": "Suite", "tests": tests});
        self.write("suite.yaml", &suite)?;
        let output = Command::new(tools::path("gator"))
            .arg("verify")
            .arg("-v")
            .arg(self.0.join("suite.yaml"))
            .output()
            .context("gator does not run; `make tools` builds it")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    }

    fn remove(&self) -> Result<()> {
        Ok(fs::remove_dir_all(&self.0)?)
    }
}
