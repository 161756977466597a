//! Small Rego modules, in Gatekeeper's own engine and in ours: the same violations with the same messages, and the
//! same modules refused when they are loaded.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use gatewright_e2e::templates::{Difference, Template, Trial, compare};
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
    let trials: Vec<_> = probes.iter().map(Probe::trial).collect();
    let verdicts = compare(&trials)?;
    ensure!(verdicts.loaded > 0 && !verdicts.refused.is_empty(), "no probes");
    let mut alone: HashMap<usize, String> = HashMap::new();
    let mut wrong = vec![];
    for (number, difference, said) in verdicts.differences {
        let name = &probes[number].name;
        if difference == Difference::OnlyGatekeeperLoads && probes[number].refused.is_some() {
            alone.insert(number, said);
        } else {
            wrong.push(format!("{name}: {difference}: {said}"));
        }
    }
    for (number, Probe { name, refused, .. }) in probes.iter().enumerate() {
        let Some(why) = refused else { continue };
        match alone.get(&number) {
            None => wrong.push(format!("{name}: not refused by our engine alone")),
            Some(said) if !said.contains(why) => wrong.push(format!("{name}: {said}")),
            Some(_) => {}
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
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

    fn trial(&self) -> Trial {
        let nothing = [json!({})];
        let inputs = if self.inputs.is_empty() { &nothing[..] } else { &self.inputs };
        let version = if self.version == "v1" { "v1" } else { "" };
        Trial {
            name: self.name.clone(),
            template: Template { version, entry: self.entry(), libs: self.libs.clone() },
            parameters: if self.parameters.is_null() { json!({}) } else { self.parameters.clone() },
            objects: inputs.iter().enumerate().map(|(number, spec)| object(number, spec)).collect(),
        }
    }
}

fn object(number: usize, spec: &Value) -> Value {
    json!({
        "apiVersion": "example.com/v1",
        "kind": "Probe",
        "metadata": {"name": format!("object-{number}")},
        "spec": spec,
    })
}
