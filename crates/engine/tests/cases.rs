//! Every case of every rule, of the standards and of the exec guard, in the offline engine. `gator` runs the same cases
//! and must say the same (`e2e/tests`).

mod judge;

use anyhow::{Context, Result, ensure};
use gatewright_compiler::templates;
use gatewright_engine::Engine;
use gatewright_rules::{Template, catalogue};
use serde_json::json;

#[test]
fn cases_of_security_policy() -> Result<()> {
    cases_of("D8SecurityPolicy")
}

#[test]
fn cases_of_operation_policy() -> Result<()> {
    cases_of("D8OperationPolicy")
}

#[test]
fn cases_of_the_standards() -> Result<()> {
    cases_of("D8PodSecurityStandard")
}

#[test]
fn cases_of_the_exec_guard() -> Result<()> {
    cases_of("D8DenyExecHeritage")
}

fn cases_of(kind: &str) -> Result<()> {
    let is_it = |template: &&Template| template.kind == kind;
    let template = catalogue().iter().find(is_it).context("not in the catalogue")?;
    let object = templates().into_iter().find(|object| object.metadata.name == Some(template.name()));
    let mut checked = judge::engine(&json!(object), Engine::add_template)?;
    let mut proven = judge::engine(&json!(object), Engine::add_proven_template)?;
    let mut details = String::new();
    for (room, trials) in judge::trials(template)? {
        for trial in trials {
            let found = trial.judged(&mut proven, |_| true)?;
            trial.check(&found).map_err(|error| error.context(room))?;
            let alike = found == trial.judged(&mut checked, |_| true)?;
            ensure!(alike, "{room}: {}: trusted and checked differ", trial.name);
            let lines = found.details();
            let heading = (!lines.is_empty()).then(|| format!("\n{room}: {}", trial.name));
            heading.into_iter().chain(lines).for_each(|line| details.extend([line.as_str(), "\n"]));
        }
    }
    if kind != "D8DenyExecHeritage" {
        insta::assert_snapshot!(format!("details-{kind}"), details);
    }
    Ok(())
}
