//! Rego programs, evaluated as OPA evaluates them.

mod arithmetic;
mod builtins;
mod check;
mod extensions;
mod gofmt;
mod names;
mod networks;
mod pattern;
mod print;
mod safety;
mod source;
mod text;
mod visit;

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use regorus::unstable::Module;
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, PolicyLengthConfig};
use serde_json::Value;

use names::{Names, Rules};
use source::Fault;

/// The dialect of a template's Rego.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegoVersion {
    /// Rego as it was before OPA 1.0: what Gatekeeper assumes unless the template says `v1`.
    V0,
    /// Rego as of OPA 1.0.
    V1,
}

/// The modules of a template.
#[derive(Clone, Copy, Debug)]
pub struct Modules<'a> {
    /// The dialect of all modules.
    pub version: RegoVersion,
    /// The module that has the rule `violation`.
    pub entry: &'a str,
    /// The modules that it imports from `data.lib`.
    pub libs: &'a [String],
}

/// Something in a module that keeps the program from being evaluated as OPA would.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// The library's index; none for the entry module.
    pub lib: Option<usize>,
    /// The line in the module, from 1; 0 where there is none to name.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// A compiled program. It may be shared between threads.
pub struct Program {
    /// Ready to evaluate, without inventory. Every evaluation that runs at a time has a copy of its own.
    prepared: Engine,
    idle: Mutex<Vec<Evaluator>>,
    reads_inventory: bool,
}

impl fmt::Debug for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Program")
            .field("reads_inventory", &self.reads_inventory)
            .finish_non_exhaustive()
    }
}

/// What a program found: an element of `violation`.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// `msg`.
    pub message: String,
    /// `details`; an empty object if there are none.
    pub details: Value,
}

/// The evaluation failed. Gatekeeper makes of it a violation of every constraint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvaluationError(pub String);

/// An engine, and the inventory that is in it.
struct Evaluator {
    engine: Engine,
    inventory: regorus::Value,
}

/// The package in which Gatekeeper puts the entry module.
const ENTRY: &str = "template";

impl Program {
    /// Compiles the modules of a template.
    ///
    /// # Errors
    /// Everything that OPA or Gatekeeper refuses, and everything that this engine would evaluate in another way.
    pub fn compile(modules: &Modules<'_>, limit: Duration) -> Result<Self, Vec<CompileError>> {
        let parsed = parse(modules)?;
        check(&parsed)?;
        let rules = rules(&parsed).unwrap_or_default();
        let mut engine = Engine::new();
        engine.set_rego_v0(modules.version == RegoVersion::V0);
        engine.set_strict_builtin_errors(false);
        engine.set_policy_length_config(PolicyLengthConfig {
            max_col: source::MAX_COLUMN,
            max_file_bytes: NonZeroUsize::MAX,
            max_lines: NonZeroUsize::MAX,
        });
        engine.set_execution_timer_config(ExecutionTimerConfig { limit, check_interval: INTERVAL });
        extensions::register(&mut engine);
        for unit in &parsed {
            let text =
                print::print(&unit.module, &Names::new(&unit.module, &unit.package, &rules), &unit.package);
            let failed = |error: anyhow::Error| vec![unit.error(source::fault(error))];
            engine.add_policy(unit.file(), text).map_err(failed)?;
        }
        prepare(&mut engine).map_err(|error| vec![misplaced(&parsed, &error)])?;
        let reads_inventory = parsed.iter().any(|unit| check::reads_inventory(&unit.module));
        Ok(Self { prepared: engine, idle: Mutex::default(), reads_inventory })
    }

    /// Whether the program reads `data.inventory`.
    #[must_use]
    pub const fn reads_inventory(&self) -> bool {
        self.reads_inventory
    }

    /// Evaluates `violation` for an input of `review` and `parameters`.
    ///
    /// # Errors
    /// A conflict of rules, the time limit, a message that is no string.
    pub fn evaluate(
        &self,
        input: &regorus::Value,
        inventory: &regorus::Value,
    ) -> Result<Vec<Finding>, EvaluationError> {
        let mut evaluator = self.evaluator();
        if self.reads_inventory && !is_same(&evaluator.inventory, inventory) {
            evaluator.take(inventory).map_err(|error| EvaluationError(error.to_string()))?;
        }
        evaluator.engine.set_input(input.clone());
        let found = evaluator.engine.eval_rule(format!("data.{ENTRY}.violation"));
        let found = found.map_err(|error| failure(&error));
        if found.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(evaluator);
        }
        findings(&found?)
    }

    fn evaluator(&self) -> Evaluator {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Evaluator {
            engine: self.prepared.clone(),
            inventory: regorus::Value::Undefined,
        })
    }
}

/// Units of work between two looks at the clock.
const INTERVAL: NonZeroU32 = NonZeroU32::new(64).unwrap();

impl Evaluator {
    fn take(&mut self, inventory: &regorus::Value) -> anyhow::Result<()> {
        self.engine.clear_data();
        let data = [(regorus::Value::from("inventory"), inventory.clone())];
        if *inventory != regorus::Value::Undefined {
            self.engine.add_data(data.into_iter().collect::<std::collections::BTreeMap<_, _>>().into())?;
        }
        self.inventory = inventory.clone();
        Ok(())
    }
}

/// Whether both are the same document in memory. Nobody changes a document that others hold.
fn is_same(one: &regorus::Value, other: &regorus::Value) -> bool {
    match (one.as_object(), other.as_object()) {
        (Ok(one), Ok(other)) => std::ptr::eq(one, other),
        _ => *one == regorus::Value::Undefined && *other == regorus::Value::Undefined,
    }
}

/// An error that regorus places in one of the modules.
fn misplaced(units: &[Unit], error: &anyhow::Error) -> CompileError {
    let text = error.to_string();
    let unit = units.iter().find(|unit| text.contains(&format!("--> {}:", unit.file())));
    unit.unwrap_or(&units[0]).error(source::fault(text))
}

/// Schedules the statements, which an evaluation without input does.
fn prepare(engine: &mut Engine) -> anyhow::Result<()> {
    engine.set_input(regorus::Value::new_object());
    engine.eval_rule(format!("data.{ENTRY}.violation")).map(drop)
}

/// A module with its place among the others.
struct Unit {
    lib: Option<usize>,
    package: String,
    module: Module,
}

impl Unit {
    fn error(&self, (line, message): Fault) -> CompileError {
        CompileError { lib: self.lib, line, message }
    }

    fn errors(&self, faults: Vec<Fault>) -> Vec<CompileError> {
        faults.into_iter().map(|fault| self.error(fault)).collect()
    }

    /// As Gatekeeper names it in errors.
    fn file(&self) -> String {
        self.lib.map_or_else(|| ENTRY.to_owned(), |lib| format!("libs[\"lib_{lib}\"]"))
    }
}

fn parse(modules: &Modules<'_>) -> Result<Vec<Unit>, Vec<CompileError>> {
    let texts = std::iter::once((None, modules.entry));
    let texts = texts.chain(modules.libs.iter().enumerate().map(|(lib, text)| (Some(lib), text.as_str())));
    let (mut units, mut errors) = (vec![], vec![]);
    for (lib, text) in texts {
        match source::parse(text, modules.version) {
            Ok(module) => {
                let package = builtins::path(&module.package.refr).filter(|_| lib.is_some());
                units.push(Unit { lib, package: package.unwrap_or_else(|| ENTRY.into()), module });
            }
            Err((line, message)) => errors.push(CompileError { lib, line, message }),
        }
    }
    if errors.is_empty() { Ok(units) } else { Err(errors) }
}

fn rules(units: &[Unit]) -> Result<Rules, Vec<CompileError>> {
    let mut rules = Rules::new();
    let mut errors = vec![];
    for unit in units {
        errors.extend(unit.errors(check::declare(&unit.module, &unit.package, &mut rules)));
    }
    if errors.is_empty() { Ok(rules) } else { Err(errors) }
}

fn check(units: &[Unit]) -> Result<(), Vec<CompileError>> {
    let mut errors: Vec<_> = units
        .iter()
        .flat_map(|unit| unit.errors(check::gatekeeper(&unit.module, unit.lib.is_some())))
        .collect();
    errors.extend(
        units
            .iter()
            .filter(|unit| unit.lib.is_none())
            .flat_map(|unit| unit.errors(check::messages(&unit.module))),
    );
    if !errors.is_empty() {
        return Err(errors);
    }
    let rules = rules(units)?;
    let mut graph = check::Graph::new();
    for unit in units {
        let names = Names::new(&unit.module, &unit.package, &rules);
        errors.extend(unit.errors(check::reserved(&unit.module)));
        errors.extend(unit.errors(check::calls(&unit.module, &names)));
        errors.extend(unit.errors(safety::check(&unit.module, &names)));
        check::dependencies(&unit.module, &names, &unit.package, &mut graph);
    }
    if let Some((rule, line, said)) = check::recursion(&graph) {
        let unit =
            units.iter().find(|unit| rule.starts_with(&format!("{}.", unit.package))).unwrap_or(&units[0]);
        errors.push(unit.error((line, said)));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The error in one line, as OPA says it.
fn failure(error: &anyhow::Error) -> EvaluationError {
    let text = error.to_string();
    let place = text.lines().find_map(|line| line.strip_prefix("--> "));
    let place = place.and_then(|place| Some(place.rsplit_once(':')?.0)).unwrap_or(ENTRY);
    let said = text.lines().last().unwrap_or_default();
    let said = said.strip_prefix("error: ").unwrap_or(said).trim();
    let conflict = |place: &str, what: &str| EvaluationError(format!("{place}: eval_conflict_error: {what}"));
    if let Some((_, first)) = said.split_once("rule conflicts with rule at ") {
        let place = first.rsplit_once(':').map_or(first, |(place, _)| place);
        return conflict(place, "complete rules must not produce multiple outputs");
    }
    match said {
        _ if said.contains("functions must not produce")
            || said.contains("function produced multiple outputs") =>
        {
            conflict(place, "functions must not produce multiple outputs for same inputs")
        }
        _ if said.contains("rules should not produce") => {
            conflict(place, "complete rules must not produce multiple outputs")
        }
        _ if said.contains("rules must not produce") || said.contains("generated multiple times") => {
            conflict(place, "object keys must be unique")
        }
        _ => EvaluationError(format!("{place}: {said}")),
    }
}

/// The elements of `violation`, as Gatekeeper's hook takes them.
fn findings(found: &regorus::Value) -> Result<Vec<Finding>, EvaluationError> {
    let Ok(elements) = found.as_set() else { return Ok(vec![]) };
    elements.iter().filter_map(finding).collect()
}

/// An element without `msg` counts for nothing.
fn finding(element: &regorus::Value) -> Option<Result<Finding, EvaluationError>> {
    let element = element.as_object().ok()?;
    let message = match element.get(&"msg".into())? {
        regorus::Value::String(message) => message.to_string(),
        other => {
            let said = format!("msg is not a string but {other}: Gatekeeper fails the whole review");
            return Some(Err(EvaluationError(said)));
        }
    };
    let details = element.get(&"details".into()).cloned().unwrap_or_else(regorus::Value::new_object);
    let details = serde_json::to_value(details).map_err(|error| EvaluationError(error.to_string()));
    Some(details.map(|details| Finding { message, details }))
}

#[cfg(test)]
mod tests;
