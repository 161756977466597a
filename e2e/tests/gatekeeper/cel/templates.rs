//! What Gatekeeper says of expressions in templates, with a constraint for each template that judges all Things.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use gatewright_e2e::gator::Folder;
use gatewright_engine::{EnforcementPoint, Engine, Options, Request};
use serde_json::Value;

use super::cases::{Answer, Case, Cases};
use super::ours::{constraint, template};

/// Expressions in one template: `gator` takes much longer for many templates than for large ones.
const IN_ONE: usize = 50;

/// What Gatekeeper says. Expressions that do not compile spoil their template, so those that we refuse are alone.
///
/// # Errors
/// `gator` does not run.
pub fn gatekeepers(cases: &Cases, ours: &[Answer]) -> Result<Vec<Answer>> {
    let refused = |case: &usize| matches!(ours[*case], Answer::Refused(_));
    let (alone, others): (Vec<_>, Vec<_>) = (0..cases.cases.len()).partition(refused);
    let alone = alone.into_iter().map(|case| vec![case]);
    let groups: Vec<_> = others.chunks(IN_ONE).map(<[usize]>::to_vec).chain(alone).collect();
    let mut answers = vec![Answer::Messages(BTreeMap::new()); cases.cases.len()];
    let spoiled = ask(cases, &groups, &mut answers)?;
    let single: Vec<_> =
        spoiled.into_iter().filter(|group| group.len() > 1).flatten().map(|case| vec![case]).collect();
    for cases_of_one in single.chunks(2 * IN_ONE) {
        ask(cases, cases_of_one, &mut answers)?;
    }
    Ok(answers)
}

/// Asks for groups of expressions, and returns those that do not compile.
fn ask(cases: &Cases, groups: &[Vec<usize>], answers: &mut [Answer]) -> Result<Vec<Vec<usize>>> {
    let folder = Folder::new()?;
    let templates: Vec<_> =
        groups.iter().enumerate().map(|(number, group)| template(number, cases, group)).collect();
    folder.write_all("templates.yaml", &templates)?;
    folder.write_all("constraints.yaml", &(0..groups.len()).map(constraint).collect::<Vec<_>>())?;
    folder.write_all("objects.yaml", &cases.objects)?;
    let by_text: HashMap<_, _> = cases
        .cases
        .iter()
        .enumerate()
        .flat_map(|(number, case)| keys(case).map(|key| (key, number)))
        .collect();
    let mut spoiled = BTreeMap::new();
    for violation in folder.test_cel()? {
        let number: usize = violation.constraint.trim_start_matches("group").parse()?;
        let group = &groups[number];
        if violation.message.starts_with("compilation error") {
            for case in group {
                answers[*case] = Answer::Refused(violation.message.clone());
            }
            spoiled.insert(number, group.clone());
            continue;
        }
        let key = key_of(&violation.message);
        let case = *by_text.get(&key).with_context(|| format!("of no expression: {}", violation.message))?;
        match &mut answers[case] {
            Answer::Messages(messages) => drop(messages.insert(violation.object, violation.message)),
            answer @ Answer::Refused(_) => {
                *answer = Answer::Messages(BTreeMap::from([(violation.object, violation.message)]));
            }
        }
    }
    for case in groups.iter().filter(|group| group.len() == 1).map(|group| group[0]) {
        if let (Answer::Refused(_), false) =
            (&answers[case], spoiled.values().any(|group| group.as_slice() == [case]))
        {
            answers[case] = Answer::Messages(BTreeMap::new());
        }
    }
    folder.remove()?;
    Ok(spoiled.into_values().collect())
}

/// What our engine finds in files with templates, constraints and objects, each with the name of the object, in order;
/// or why it refuses a template.
///
/// # Errors
/// A file cannot be read, or an object not be judged.
pub fn judge_files(files: &[PathBuf]) -> Result<Result<Vec<String>, String>> {
    let mut engine = Engine::new(Options { point: EnforcementPoint::Gator, ..Options::default() });
    let mut documents: Vec<Value> = vec![];
    for file in files {
        documents.extend(serde_saphyr::from_multiple::<Value>(&fs::read_to_string(file)?)?);
    }
    let of_group = |document: &Value, group: &str| {
        document["apiVersion"].as_str().is_some_and(|version| version.starts_with(group))
    };
    let (templates, others): (Vec<_>, Vec<_>) =
        documents.into_iter().partition(|document| of_group(document, "templates.gatekeeper.sh/"));
    for template in &templates {
        if let Err(errors) = engine.add_template(template) {
            return Ok(Err(errors.iter().map(ToString::to_string).collect()));
        }
    }
    let (constraints, objects): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|document| of_group(document, "constraints.gatekeeper.sh/"));
    for constraint in &constraints {
        engine.add_constraint(constraint)?;
    }
    let mut found = vec![];
    for object in objects.into_iter().filter(Value::is_object) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let violations = engine.review(&Request::audit(object))?;
        found.extend(violations.into_iter().map(|violation| format!("{name}: {}", violation.message)));
    }
    found.sort();
    Ok(Ok(found))
}

/// What a message about an expression has in common with no other.
fn keys(case: &Case) -> [String; 2] {
    [format!("#{}", case.number), case.condition().trim().to_owned()]
}

/// The key of a message.
fn key_of(message: &str) -> String {
    if let Some((number, _)) = message.split_once(" is ").filter(|(number, _)| number.starts_with('#')) {
        return number.to_owned();
    }
    let failed = message.strip_prefix("failed expression: ");
    let wrong =
        || message.strip_prefix("expression '")?.split_once("' resulted in error: ").map(|(text, _)| text);
    failed.or_else(wrong).unwrap_or(message).trim().to_owned()
}
