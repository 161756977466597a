//! Every case of every rule, of the standards and of the exec guard, in the offline engine. `gator` runs the same cases
//! and must say the same (`e2e/tests`).

mod judge;

use anyhow::{Result, ensure};
use gatewright_compiler::template;
use gatewright_engine::{Engine, TemplateError, compile_proven};
use gatewright_rules::Template;
use serde_json::{Value, json};

#[test]
fn cases_of_every_template() -> Result<()> {
    judge::of_every_template(cases_of)
}

/// As the command line takes our templates.
fn add_compiled(engine: &mut Engine, template: &Value) -> Result<(), Vec<TemplateError>> {
    engine.add_compiled_template(template, compile_proven(template)?.leak())
}

fn cases_of(of: Template) -> Result<()> {
    let object = json!(template(of));
    let mut checked = judge::engine(&object, Engine::add_template)?;
    let mut proven = judge::engine(&object, Engine::add_proven_template)?;
    let mut compiled = judge::engine(&object, add_compiled)?;
    let mut details = String::new();
    for (room, trials) in judge::trials(of)? {
        for trial in trials {
            let found = trial.judged(&mut proven, |_| true)?;
            trial.check(&found).map_err(|error| error.context(room))?;
            let alike = found == trial.judged(&mut checked, |_| true)?;
            ensure!(alike, "{room}: {}: trusted and checked differ", trial.name);
            let alike = found == trial.judged(&mut compiled, |_| true)?;
            ensure!(alike, "{room}: {}: compiled now and before differ", trial.name);
            let lines = found.details();
            let heading = (!lines.is_empty()).then(|| format!("\n{room}: {}", trial.name));
            heading.into_iter().chain(lines).for_each(|line| details.extend([line.as_str(), "\n"]));
        }
    }
    if of != Template::DenyExecHeritage {
        insta::assert_snapshot!(format!("details-{}", of.kind()), details);
    }
    Ok(())
}
