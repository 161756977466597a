//! Templates in Gatekeeper's engine and in ours.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Result, ensure};
use gatewright_engine::{EnforcementPoint, Engine, Options, Request, ReviewError};
use serde_json::{Value, json};

use super::Template;
use crate::gator::Folder;

/// A template, and the objects on which it is tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What it is called in a report.
    pub name: String,
    /// Its modules.
    pub template: Template,
    /// The constraint's parameters.
    pub parameters: Value,
    /// The objects.
    pub objects: Vec<Value>,
}

/// How two engines differ about a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub enum Difference {
    /// Gatekeeper loads it and we do not.
    OnlyGatekeeperLoads,
    /// We load it and Gatekeeper does not.
    OnlyWeLoad,
    /// They find another number of violations.
    Verdict,
    /// They find as many, in other words.
    Text,
    /// The same, of a template that writes numbers in another way than the shortest: OPA keeps how a number was written.
    Number,
    /// We say that we cannot judge.
    Unjudged,
}

/// What a comparison came to.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// Templates that both load.
    pub loaded: usize,
    /// Templates that both refuse, by what OPA calls the first error.
    pub refused: BTreeMap<String, usize>,
    /// Violations that both find.
    pub violations: usize,
    /// Where they differ: the trial's index, and what both say.
    pub differences: Vec<(usize, Difference, String)>,
}

/// What we say of an object.
enum Ours {
    Messages(Vec<String>),
    /// The whole review fails.
    Fails,
    Unjudged(String),
}

impl Trial {
    fn template(&self, number: usize) -> Value {
        let Template { version, entry, libs } = &self.template;
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let code = json!({"engine": "Rego", "source": {"version": version, "rego": entry, "libs": libs}});
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

    fn constraint(&self, number: usize) -> Value {
        json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1",
            "kind": format!("Probe{number}"),
            "metadata": {"name": "probe"},
            "spec": {"parameters": self.parameters},
        })
    }

    /// What our engine says of each object, or why it refuses the template.
    fn ours(&self, number: usize) -> Result<Vec<Ours>, String> {
        let mut engine = Engine::new(Options { point: EnforcementPoint::Gator, ..Options::default() });
        engine.add_template(&self.template(number)).map_err(|errors| {
            let said: Vec<_> = errors.iter().map(|error| format!("{}: {error}", error.line)).collect();
            said.join("; ")
        })?;
        engine.add_constraint(&self.constraint(number)).map_err(|error| error.to_string())?;
        let judge = |object: &Value| match engine.review(&Request::audit(object.clone())) {
            Ok(found) => Ours::Messages(found.into_iter().map(|violation| violation.message).collect()),
            Err(error @ ReviewError::Engine { .. }) => Ours::Unjudged(error.to_string()),
            Err(_) => Ours::Fails,
        };
        Ok(self.objects.iter().map(judge).collect())
    }
}

/// Compares both engines; `gator` runs once.
///
/// # Errors
/// It does not run.
pub fn compare(trials: &[Trial]) -> Result<Verdicts> {
    let folder = Folder::new()?;
    let (mut tests, mut all) = (vec![], vec![]);
    for (number, trial) in trials.iter().enumerate() {
        let ours = trial.ours(number);
        tests.push(test(&folder, number, trial, &ours)?);
        all.push(ours);
    }
    let said = folder.verify_all(&tests)?;
    folder.remove()?;
    let gator = read(&said);
    ensure!(gator.len() == trials.len(), "gator ran {} of {} tests: {said}", gator.len(), trials.len());
    let mut verdicts = Verdicts::default();
    for (number, ours) in all.into_iter().enumerate() {
        let theirs = &gator[&number.to_string()];
        for (difference, said) in verdicts.count(ours, theirs, trials[number].template.spells_numbers()) {
            verdicts.differences.push((number, difference, said));
        }
    }
    Ok(verdicts)
}

impl Verdicts {
    fn count(
        &mut self,
        ours: Result<Vec<Ours>, String>,
        theirs: &Theirs,
        is_spelled: bool,
    ) -> Vec<(Difference, String)> {
        match (ours, &theirs.refused) {
            (Err(_), Some(said)) => {
                let code = said.split(": ").find(|part| part.starts_with("rego_"));
                let code = code.or_else(|| said.rsplit(": ").next()).unwrap_or_default();
                *self.refused.entry(code.to_owned()).or_default() += 1;
                vec![]
            }
            (Err(said), None) => vec![(Difference::OnlyGatekeeperLoads, said)],
            (Ok(_), Some(said)) => vec![(Difference::OnlyWeLoad, said.clone())],
            (Ok(objects), None) => {
                self.loaded += 1;
                let text = if is_spelled { Difference::Number } else { Difference::Text };
                let differences = objects.iter().enumerate().filter_map(|(i, ours)| {
                    self.violations += if let Ours::Messages(messages) = ours { messages.len() } else { 0 };
                    theirs.difference(i, ours, text)
                });
                differences.collect()
            }
        }
    }
}

/// One test of a suite. Of each object two cases: how many violations there are, and what they say.
fn test(folder: &Folder, number: usize, trial: &Trial, ours: &Result<Vec<Ours>, String>) -> Result<Value> {
    let file = |what: &str| format!("{number}-{what}.json");
    folder.write(&file("template"), &trial.template(number))?;
    folder.write(&file("constraint"), &trial.constraint(number))?;
    let mut cases = vec![];
    for (i, object) in trial.objects.iter().enumerate() {
        folder.write(&file(&i.to_string()), object)?;
        let messages = match ours.as_ref().ok().and_then(|ours| ours.get(i)) {
            Some(Ours::Messages(messages)) => messages.as_slice(),
            _ => &[],
        };
        let count = vec![json!({"violations": messages.len()})];
        let texts: Vec<_> = messages
            .iter()
            .map(|message| {
                let times = messages.iter().filter(|other| pattern(other) == pattern(message)).count();
                json!({"violations": times, "message": pattern(message)})
            })
            .collect();
        let texts = Some(("texts", texts)).filter(|(_, texts)| !texts.is_empty());
        for (what, assertions) in std::iter::once(("count", count)).chain(texts) {
            cases.push(json!({
                "name": format!("{i} {what}"), "object": file(&i.to_string()), "assertions": assertions,
            }));
        }
    }
    Ok(json!({
        "name": number.to_string(), "template": file("template"), "constraint": file("constraint"), "cases": cases,
    }))
}

/// Of rules that clash OPA names another one.
fn pattern(message: &str) -> String {
    match message.strip_prefix("template:").and_then(|rest| rest.split_once(": eval_conflict_error: ")) {
        Some((_, error)) => format!("^template:[0-9]+: eval_conflict_error: {}$", regex::escape(error)),
        None => format!("^(?s:{})$", regex::escape(message)),
    }
}

/// What `gator` says of one template.
#[derive(Debug, Default)]
struct Theirs {
    refused: Option<String>,
    /// What fails, by case.
    failed: HashMap<String, String>,
}

impl Theirs {
    fn difference(&self, object: usize, ours: &Ours, text: Difference) -> Option<(Difference, String)> {
        let (count, texts) =
            (self.failed.get(&format!("{object} count")), self.failed.get(&format!("{object} texts")));
        let fails = count.is_some_and(|said| said.contains("reviewing "));
        match ours {
            Ours::Unjudged(said) => Some((Difference::Unjudged, format!("object {object}: {said}"))),
            Ours::Fails if fails => None,
            Ours::Fails => Some((Difference::Verdict, format!("object {object}: only our review fails"))),
            Ours::Messages(messages) => {
                let said = |said: &String| format!("object {object}: {said}, and ours are {messages:?}");
                let count = count.map(|found| (Difference::Verdict, said(found)));
                count.or_else(|| texts.map(|found| (text, said(found))))
            }
        }
    }
}

/// What `gator verify -v` says, by test.
fn read(said: &str) -> HashMap<String, Theirs> {
    let mut found: HashMap<String, Theirs> = HashMap::new();
    // What stands before a test's result is printed by its template.
    let (mut test, mut case, mut has_failed) = (String::new(), None, false);
    for line in said.lines() {
        let failed = |line: &str| Some(line.strip_prefix("--- FAIL: ")?.split('\t').next()?.to_owned());
        if let Some(name) = line.strip_prefix("=== RUN   ") {
            name.clone_into(&mut test);
            found.entry(test.clone()).or_default();
            (case, has_failed) = (None, false);
        } else if failed(line).is_some() {
            (case, has_failed) = (None, true);
        } else if line.starts_with("    === RUN") || line.starts_with("    --- ") {
            case = failed(line.trim_start());
        } else if let (Some(theirs), false) = (found.get_mut(&test), line.trim().is_empty()) {
            match &case {
                Some(case) => theirs.failed.entry(case.clone()).or_default().push_str(line.trim()),
                None if has_failed && line.starts_with("  ") => {
                    theirs.refused.get_or_insert_default().push_str(line.trim());
                }
                None => {}
            }
        }
    }
    found
}

/// Some objects for random templates: what is usual, what is missing, what has another type.
#[must_use]
pub fn object(number: usize) -> Value {
    let spec = match number {
        0 => json!({
            "tier": "gold", "replicas": 3, "ratio": 0.5, "big": 12_345_678, "names": ["web", "db", "gold"],
            "ports": [80, 443], "mixed": [1, "a", null, [2.5], {"a": "b"}],
            "containers": [
                {"name": "web", "image": "docker.io/web:1", "a": "x"},
                {"name": "side-car", "image": "é/b", "b": 1e21},
            ],
        }),
        1 => {
            json!({"tier": "", "names": [], "containers": [], "ports": [], "mixed": {}, "replicas": 0, "ratio": -1.25})
        }
        2 => {
            json!({"tier": 5, "names": "text", "containers": {"a": {"name": "in"}}, "replicas": "3", "big": null})
        }
        _ => json!({}),
    };
    let labels = if number == 3 { json!(null) } else { json!({"plan": "gold", "a": "1", "b/c": "<&>"}) };
    json!({
        "apiVersion": "example.com/v1", "kind": "Probe",
        "metadata": {"name": format!("object-{number}"), "labels": labels}, "spec": spec,
    })
}
