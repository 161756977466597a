//! Are the cases sharp? Every module is changed in one place, again and again, and some case must then fail. What no
//! case notices is either the same rule in other words, and stands in `templates/equivalent-mutants.yaml` with the
//! reason, or a hole.
//!
//! `make mutants`; with `ONLY=seccomp,lib/` it changes only modules with one of these in their name.

#[path = "../judge/mod.rs"]
mod judge;
mod mutations;
mod rego;

use std::collections::BTreeSet;
use std::env;

use anyhow::{Context, Result, ensure};
use gatewright_engine::Engine;
use gatewright_rules::{Definition, Lib, Rule, Subject, Template};
use judge::{Found, Trial};
use mutations::{Mutant, mutants};
use rego::Module;
use serde::Deserialize;
use serde_json::{Value, json};

#[test]
#[ignore = "takes minutes: make mutants"]
fn mutants_of_every_template() -> Result<()> {
    judge::of_every_template(mutants_of)
}

/// A change that makes no difference.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
struct Equivalent {
    /// The module: `security-policy/seccomp`.
    module: String,
    /// The rule or function.
    definition: String,
    /// The change, as a survivor is said.
    change: String,
    /// Why it makes no difference.
    why: String,
}

/// A module, the template that has it in it, and the trials that may notice a change.
struct Changed<'a> {
    name: String,
    module: String,
    template: Value,
    trials: Vec<&'a Trial>,
    /// Whether it is a rule's own, and sees of a workload the pod spec alone.
    of_a_rule: bool,
}

/// A module without a change, and what every trial finds with it.
struct Sound<'a> {
    subject: &'a Changed<'a>,
    found: Vec<Found>,
}

fn mutants_of(template: Template) -> Result<()> {
    let rooms = judge::trials(template)?;
    let template = template.definition();
    let equivalents: Vec<Equivalent> = judge::read("equivalent-mutants.yaml")?;
    let wanted = env::var("GATEWRIGHT_MUTANTS").unwrap_or_default();
    let (mut survivors, mut listed, mut count) = (vec![], BTreeSet::new(), 0);
    let is_wanted = |name: &str| wanted.split(',').any(|part| name.contains(part));
    for subject in subjects(template, &rooms).iter().filter(|subject| is_wanted(&subject.name)) {
        let sound = subject.sound()?;
        let used = subject.used(template);
        for mutant in mutants(&subject.module).iter().filter(|mutant| used.contains(&mutant.definition)) {
            count += 1;
            if !sound.survives(mutant)? {
                continue;
            }
            let is_it = |it: &&Equivalent| {
                (&it.module, &it.definition, &it.change)
                    == (&subject.name, &mutant.definition, &mutant.change)
            };
            if let Some(equivalent) = equivalents.iter().find(is_it) {
                listed.insert(equivalent);
            } else {
                survivors.push(said(&subject.name, mutant));
                println!("{}", survivors.last().context("it was pushed")?);
            }
        }
        println!("{}: {count} mutants so far, {} survivors", subject.name, survivors.len());
    }
    ensure!(count > 0, "nothing was changed");
    ensure!(survivors.is_empty(), "no case notices these of {count} changes:\n{}", survivors.join("\n"));
    let modules: BTreeSet<_> = subjects(template, &rooms).into_iter().map(|subject| subject.name).collect();
    let stale = equivalents.iter().filter(|it| modules.contains(&it.module) && is_wanted(&it.module));
    let stale: Vec<_> = stale.filter(|it| !listed.contains(it)).map(|it| &it.change).collect();
    ensure!(stale.is_empty(), "equivalent-mutants.yaml lists what is noticed, or not there: {stale:#?}");
    Ok(())
}

fn said(module: &str, mutant: &Mutant) -> String {
    let Mutant { definition, line, change, .. } = mutant;
    format!("- {{module: {module}, definition: {definition}, line: {line}}}\n  {change}")
}

/// The rooms of a template, the modules that they share, and its entry.
fn subjects<'a>(template: &'static Definition, rooms: &'a [(&'static str, Vec<Trial>)]) -> Vec<Changed<'a>> {
    let folder = template.folder;
    let all: Vec<_> = rooms.iter().flat_map(|(_, trials)| trials).collect();
    let subject = |name: &str, module: &str, template: &Definition, trials: &[&'a Trial]| Changed {
        of_a_rule: template.rules.iter().any(|rule| rule.module == module),
        name: format!("{folder}/{name}"),
        module: module.to_owned(),
        template: json!(template.object()),
        trials: trials.to_vec(),
    };
    let of_rule = |rule: &'static Rule| match rooms.iter().find(|(room, _)| *room == rule.name) {
        Some((_, trials)) => {
            subject(rule.name, rule.module, &alone(template, rule), &trials.iter().collect::<Vec<_>>())
        }
        None => subject(rule.name, rule.module, template, &all),
    };
    let rules = template.rules.iter().map(of_rule);
    let libs = template.libs.iter().map(|lib| subject(&lib_name(*lib), lib.module(), template, &all));
    let entry = subject("entry", &template.entry(), template, &all);
    rules.chain(libs).chain(std::iter::once(entry)).collect()
}

fn lib_name(lib: Lib) -> String {
    format!("lib/{}", format!("{lib:?}").to_lowercase())
}

/// The template with one of its rules, which is quicker to compile. The entry needs a rule about Pods.
fn alone(template: &Definition, rule: &'static Rule) -> Definition {
    let about_pods =
        rule.checks.iter().any(|check| matches!(check.subject, Subject::Pod(_) | Subject::PodAlone(_)));
    let rules = if about_pods { std::slice::from_ref(rule) } else { template.rules };
    Definition { rules, ..*template }
}

impl Changed<'_> {
    /// Without a change every trial passes.
    fn sound(&self) -> Result<Sound<'_>> {
        let mut engine = judge::engine(&self.template, Engine::add_template)?;
        let judged = |trial: &&Trial| {
            let found = trial.judged(&mut engine, |input| self.reads(input))?;
            trial.check(&found).map(|()| found)
        };
        let found = self.trials.iter().map(judged).collect::<Result<_>>().context(self.name.clone())?;
        Ok(Sound { subject: self, found })
    }

    /// The definitions that the template uses: of a shared module perhaps not all.
    fn used(&self, template: &Definition) -> BTreeSet<String> {
        let module = Module::new(&self.module);
        if !template.libs.iter().any(|lib| lib.module() == self.module) {
            return module.definitions().into_iter().map(|definition| definition.name).collect();
        }
        let entry = template.entry();
        let libs = template.libs.iter().map(|lib| lib.module()).filter(|lib| *lib != self.module);
        let others = libs.chain(template.rules.iter().map(|rule| rule.module)).chain([entry.as_str()]);
        module.used_by(&others.map(Module::new).collect::<Vec<_>>())
    }

    /// Whether an input is judged: to most rules all kinds of workloads are one.
    fn reads(&self, input: &str) -> bool {
        let (kind, operation) = input.split_once(' ').unwrap_or_default();
        let alike = matches!(kind, "Job" | "ReplicationController" | "StatefulSet");
        !(self.of_a_rule && (alike || operation == "audit"))
    }

    fn changed(&self, mutant: &Mutant) -> Result<Value> {
        let mut template = self.template.clone();
        let source = &mut template["spec"]["targets"][0]["code"][0]["source"];
        let at = if source["rego"] == self.module.as_str() {
            &mut source["rego"]
        } else {
            let libs = source["libs"].as_array_mut().context("no libs")?;
            libs.iter_mut().find(|lib| **lib == self.module.as_str()).context("no such lib")?
        };
        *at = json!(mutant.source);
        Ok(template)
    }
}

impl Sound<'_> {
    /// Whether no trial notices the change. A module that does not compile is noticed.
    fn survives(&self, mutant: &Mutant) -> Result<bool> {
        let subject = self.subject;
        let Ok(mut engine) = judge::engine(&subject.changed(mutant)?, Engine::add_template) else {
            return Ok(false);
        };
        let same = |(trial, sound): (&&Trial, &Found)| {
            let found = trial.judged(&mut engine, |input| subject.reads(input));
            found.is_ok_and(|found| trial.check(&found).is_ok() && found.details() == sound.details())
        };
        Ok(subject.trials.iter().zip(&self.found).all(same))
    }
}
