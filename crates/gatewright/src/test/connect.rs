//! Runs the cases of the exec guard: who asks for what of which Pod.

use anyhow::anyhow;
use gatewright_compiler::{Preset, Settings, exec_guard};
use gatewright_engine::Engine;
use gatewright_rules::cases::connect::{ConnectCase, ConnectCases};
use serde_json::json;

use super::cases::{Text, Wrong, engine, messages};
use super::filter::Filter;
use super::result::{Outcome, TestResult};

/// Runs all cases of a file.
pub fn run(text: &Text<'_>, filter: &Filter) -> Result<Vec<TestResult>, Wrong> {
    let ConnectCases { inventory, cases } = text.parse()?;
    if cases.is_empty() {
        return Err(anyhow!("cases: is empty").into());
    }
    let mut engine = engine("D8DenyExecHeritage");
    let namespaces = cases.iter().filter_map(|case| case.pod.split('/').next());
    for name in namespaces {
        engine.add_object(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    }
    for pod in &inventory {
        engine.add_object(&pod.object());
    }
    let name = text.test_name();
    let mut run = |(index, case): (usize, &ConnectCase)| {
        let result = TestResult::new(&text.location(index), &name, Some(&case.name), Outcome::Passed);
        if !filter.runs_case(&name, &case.name) {
            return TestResult { outcome: Outcome::Skipped, ..result };
        }
        match differences(&mut engine, case) {
            Ok(problems) if problems.is_empty() => result,
            Ok(problems) => TestResult { outcome: Outcome::Failed, problems, ..result },
            Err(problems) => TestResult { outcome: Outcome::Broken, problems, ..result },
        }
    };
    Ok(cases.iter().enumerate().map(&mut run).collect())
}

/// What should have been found and was not, and the other way round; or why nobody can say.
fn differences(engine: &mut Engine, case: &ConnectCase) -> Result<Vec<String>, Vec<String>> {
    let preset = if case.deckhouse { Preset::Deckhouse } else { Preset::None };
    let mut settings = Settings::new(preset, "gatekeeper-system", "gatewright-system");
    settings.exec_guard.unknown_pods = case.unknown_pods.unwrap_or_default();
    engine.forget_constraints();
    let constraint = json!(exec_guard(&settings, &case.never_synced));
    engine.add_constraint(&constraint).map_err(|error| vec![format!("{}: {error}", error.pointer)])?;
    let found = messages(engine, &case.input(), None)?;
    let missing = case.violations.iter().filter(|part| !found.iter().any(|message| fits(message, part)));
    let unexpected = found.iter().filter(|message| !case.violations.iter().any(|part| fits(message, part)));
    let missing = missing.map(|part| format!("- {part}"));
    Ok(missing.chain(unexpected.map(|message| format!("+ {message}"))).collect())
}

/// Cases name a part of the message; what begins like the message is all of it.
fn fits(message: &str, part: &str) -> bool {
    match message.find(part) {
        Some(0) => message == part,
        at => at.is_some(),
    }
}
