//! Small Rego modules, in Gatekeeper's own engine and in ours: the same violations with the same messages, and the
//! same modules refused when they are loaded.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use gatewright_e2e::tools;
use gatewright_rego::{Modules, Program, RegoVersion, Trust};
use serde::Deserialize;
use serde_json::{Value, json};

/// A file of probes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Corpus {
    probes: Vec<Probe>,
}

/// A template, and the objects on which it is tried.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Probe {
    name: String,
    /// `v1`; otherwise Rego as it was before.
    #[serde(default)]
    version: String,
    /// The entry module after its package line.
    #[serde(default)]
    rego: String,
    /// Instead of a module: each is evaluated, and its value is the message.
    #[serde(default)]
    expressions: Vec<String>,
    #[serde(default)]
    libs: Vec<String>,
    #[serde(default)]
    parameters: Value,
    /// `input.review.object.spec`.
    #[serde(default)]
    inputs: Vec<Value>,
    /// Gatekeeper loads it, and we do not: why, as a part of our error.
    #[serde(default)]
    refused: Option<String>,
}

#[test]
fn probes() -> Result<()> {
    let mut probes = vec![];
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gatekeeper/rego"))? {
        let path = file?.path();
        let corpus: Corpus = serde_saphyr::from_str(&fs::read_to_string(&path)?)
            .with_context(|| path.display().to_string())?;
        probes.extend(corpus.probes);
    }
    verify(&probes)
}

fn verify(probes: &[Probe]) -> Result<()> {
    let directory = Directory::new()?;
    let (mut accepted, mut refused) = (vec![], vec![]);
    for (number, probe) in probes.iter().enumerate() {
        match test(&directory, number, probe)? {
            Verdict::Accepted(test) => accepted.push(test),
            Verdict::Refused(test) => refused.push(test),
            Verdict::OnlyHere => {}
        }
    }
    ensure!(!accepted.is_empty() && !refused.is_empty(), "no probes");
    let (success, said) = gator(&directory, "accepted.yaml", &accepted)?;
    ensure!(success, "{said} in {}", directory.0.display());
    let (_, said) = gator(&directory, "refused.yaml", &refused)?;
    for test in &refused {
        let name = test["name"].as_str().unwrap_or_default();
        let mut lines = said.lines().skip_while(|line| !line.contains(&format!("--- FAIL: {name}\t")));
        let why = lines.nth(1).unwrap_or_default();
        ensure!(
            why.contains("adding template") || why.contains("reading"),
            "Gatekeeper loads it: {name}: {why}"
        );
    }
    Ok(fs::remove_dir_all(&directory.0)?)
}

fn gator(directory: &Directory, name: &str, tests: &[Value]) -> Result<(bool, String)> {
    let suite = json!({"apiVersion": "test.gatekeeper.sh/v1alpha1", "kind": "Suite", "tests": tests});
    directory.write(name, &suite)?;
    let output = Command::new(tools::path("gator"))
        .args(["verify", "--enable-k8s-native-validation=false"])
        .arg(directory.0.join(name))
        .output()
        .context("gator does not run; `make tools` builds it")?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Ok((output.status.success(), said.into_owned()))
}

/// What our engine makes of a template.
enum Verdict {
    Accepted(Value),
    Refused(Value),
    /// Refused by our engine alone, as the probe says.
    OnlyHere,
}

impl Probe {
    fn entry(&self) -> String {
        let head = if self.version == "v1" {
            "violation contains {\"msg\": msg} if"
        } else {
            "violation[{\"msg\": msg}]"
        };
        let rules = self.expressions.iter().enumerate().map(|(number, expression)| {
            format!(
                "{head} {{\n  x := input.review.object.spec\n  value := {expression}\n  \
                 msg := sprintf(\"{number}: %v\", [{{\"value\": value, \"of\": count(x)}}])\n}}\n"
            )
        });
        format!("package probe\n{}\n{}", self.rego, rules.collect::<String>())
    }

    fn compile(&self) -> Result<Program, Vec<gatewright_rego::CompileError>> {
        let version = if self.version == "v1" { RegoVersion::V1 } else { RegoVersion::V0 };
        let entry = self.entry();
        let modules = Modules { version, entry: &entry, libs: &self.libs };
        Program::compile(&modules, Trust::Checked, Duration::from_secs(10))
    }

    fn template(&self, number: usize) -> Value {
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let code = json!({
            "engine": "Rego",
            "source": {"version": self.version, "rego": self.entry(), "libs": self.libs},
        });
        json!({
            "apiVersion": "templates.gatekeeper.sh/v1",
            "kind": "ConstraintTemplate",
            "metadata": {"name": format!("probe{number}")},
            "spec": {
                "crd": {"spec": {
                    "names": {"kind": format!("Probe{number}")},
                    "validation": {"openAPIV3Schema": schema},
                }},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "code": [code]}],
            },
        })
    }

    fn parameters(&self) -> Value {
        if self.parameters.is_null() { json!({}) } else { self.parameters.clone() }
    }
}

fn object(number: usize, input: &Value) -> Value {
    json!({
        "apiVersion": "example.com/v1",
        "kind": "Probe",
        "metadata": {"name": format!("object-{number}")},
        "spec": input,
    })
}

/// One test of a suite. What it asserts is what our engine finds.
fn test(directory: &Directory, number: usize, probe: &Probe) -> Result<Verdict> {
    let file = |what: &str| format!("{number}-{what}.yaml");
    directory.write(&file("template"), &probe.template(number))?;
    let constraint = json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": format!("Probe{number}"),
        "metadata": {"name": "probe"},
        "spec": {"parameters": probe.parameters()},
    });
    directory.write(&file("constraint"), &constraint)?;
    let name = format!("{number} {}", probe.name);
    let test = json!({"name": name, "template": file("template"), "constraint": file("constraint")});
    match (probe.compile(), &probe.refused) {
        (Err(errors), Some(why)) => {
            let said = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            ensure!(said.contains(why), "{name}: {said}");
            Ok(Verdict::OnlyHere)
        }
        (Err(errors), None) => {
            let said = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            let mut test = test;
            test["name"] = json!(format!("{name}: {said}").replace(char::is_whitespace, " "));
            Ok(Verdict::Refused(test))
        }
        (Ok(_), Some(_)) => bail!("{name}: it is accepted"),
        (Ok(program), None) => {
            let mut test = test;
            test["cases"] = json!(cases(directory, number, probe, &program)?);
            Ok(Verdict::Accepted(test))
        }
    }
}

fn cases(directory: &Directory, number: usize, probe: &Probe, program: &Program) -> Result<Vec<Value>> {
    let mut cases = vec![];
    let nothing = [json!({})];
    let inputs = if probe.inputs.is_empty() { &nothing[..] } else { &probe.inputs };
    for (i, input) in inputs.iter().enumerate() {
        let file = format!("{number}-object-{i}.yaml");
        let object = object(i, input);
        directory.write(&file, &object)?;
        let input = json!({"review": {"object": object}, "parameters": probe.parameters()});
        let found = program.evaluate(&serde_json::from_value(input)?, &gatewright_rego::Value::Undefined);
        let messages = match found {
            Ok(findings) => findings.into_iter().map(|finding| finding.message).collect(),
            Err(error) => vec![error.to_string()],
        };
        cases.push(json!({"name": format!("{i}"), "object": file, "assertions": assertions(&messages)}));
    }
    Ok(cases)
}

/// As many violations as messages, and each message as often as it is found.
fn assertions(messages: &[String]) -> Vec<Value> {
    let total = json!({"violations": messages.len()});
    let each = messages.iter().map(|message| {
        let times = messages.iter().filter(|other| other == &message).count();
        json!({"violations": times, "message": format!("^{}$", regex::escape(message))})
    });
    std::iter::once(total).chain(each).collect()
}

/// A folder for the suite.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self> {
        let path = env::temp_dir().join(format!("gatewright-rego-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn write(&self, name: &str, document: &Value) -> Result<()> {
        Ok(fs::write(self.0.join(name), document.to_string())?)
    }
}
