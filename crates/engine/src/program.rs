//! Rego programs, evaluated as OPA evaluates them.

mod arithmetic;
mod builtins;
mod check;
mod extensions;
mod gofmt;
mod keywords;
mod names;
mod networks;
mod outcome;
mod pattern;
mod print;
mod safety;
mod scope;
mod source;
mod text;
mod units;
mod visit;

pub use pattern::Pattern;

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, PolicyLengthConfig};
use serde_json::Value;

use names::Names;

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
    functions: outcome::Functions,
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
        let units = units::parse(modules)?;
        units::check(&units)?;
        let rules = units::rules(&units)?;
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
        for unit in &units {
            let names = Names::new(&unit.module, &unit.package, &rules);
            let text = print::print(&unit.module, &names, &unit.scope, &unit.package);
            let failed = |error: anyhow::Error| vec![unit.error(source::fault(error))];
            engine.add_policy(unit.file(), text).map_err(failed)?;
        }
        prepare(&mut engine).map_err(|error| vec![units::misplaced(&units, &error)])?;
        let reads_inventory = units.iter().any(|unit| check::reads_inventory(&unit.module));
        let functions = units::functions(&units);
        Ok(Self { prepared: engine, idle: Mutex::default(), reads_inventory, functions })
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
        let found = found.map_err(|error| outcome::failure(&error, &self.functions));
        if found.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(evaluator);
        }
        outcome::findings(&found?)
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

/// Schedules the statements of all rules, which regorus does before it evaluates any of them: here one that needs
/// nothing.
fn prepare(engine: &mut Engine) -> anyhow::Result<()> {
    engine.add_policy("ready".into(), "package gatewright\nready := true".into())?;
    engine.eval_rule("data.gatewright.ready".into()).map(drop)
}

#[cfg(test)]
mod tests;
