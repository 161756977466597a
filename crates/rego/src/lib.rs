//! Rego programs, compiled as Gatekeeper compiles them and evaluated as OPA evaluates them, on regorus.

mod arithmetic;
mod builtins;
mod bytecode;
mod check;
mod convert;
mod deep;
mod digests;
mod durations;
mod encodings;
mod extensions;
mod external;
mod float;
mod globs;
mod gofmt;
mod keywords;
mod layouts;
mod limits;
mod literals;
mod names;
mod networks;
mod numerals;
mod outcome;
mod parsing;
mod paths;
mod print;
mod regex;
mod safety;
mod scope;
mod source;
mod strings;
mod text;
mod times;
mod token;
mod tree;
mod types;
mod typing;
mod units;
mod versions;
mod visit;
mod yaml;

pub use convert::{Numbers, object, to_rego};
pub use external::{Answer, Providers};
pub use regorus::Value;
pub use text::quote;

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, PolicyLengthConfig};

use bytecode::Bytecode;
use names::Names;
use tree::Tree;
use units::Unit;

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
    /// Whether it is a limit of this engine: OPA and Gatekeeper may take the program.
    pub limit: bool,
}

/// Who says that a program is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nobody: it is checked, and evaluated in the way that is right for every program.
    Checked,
    /// Tests hold its verdicts against those of Gatekeeper's own engine: it is not checked once more, and evaluated in
    /// the fast way.
    Proven,
}

/// A compiled program. It may be shared between threads.
pub struct Program {
    machine: Machine,
    reads_inventory: bool,
}

enum Machine {
    Tree(Box<Tree>),
    Bytecode(Bytecode),
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
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// `msg`.
    pub message: String,
    /// `details`; an empty object if there are none.
    pub details: serde_json::Value,
}

/// There are no findings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum EvaluationError {
    /// The evaluation failed. Gatekeeper makes of it a violation of every constraint.
    #[error("{0}")]
    Failed(String),
    /// A message is no string. Gatekeeper fails the whole review.
    #[error("{0}")]
    Message(String),
    /// This engine cannot evaluate it, or not within its limits. Gatekeeper may.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What this engine alone cannot do. It holds nothing of the input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{message}")]
pub struct EngineError {
    /// The library's index; none for the entry module.
    pub lib: Option<usize>,
    /// The line in the module, from 1; 0 where there is none to name.
    pub line: usize,
    /// What cannot be done.
    pub message: String,
}

/// The package in which Gatekeeper puts the entry module.
const ENTRY: &str = "template";
/// What is asked of it.
const QUERY: &str = "data.template.violation";

impl Program {
    /// Compiles the modules of a template.
    ///
    /// # Errors
    /// Everything that OPA or Gatekeeper refuses, and everything that this engine would evaluate in another way.
    pub fn compile(modules: &Modules<'_>, trust: Trust, limit: Duration) -> Result<Self, Vec<CompileError>> {
        Self::compile_asking(modules, trust, limit, None)
    }

    /// The same for a program that may ask providers, which are those of its evaluations.
    ///
    /// # Errors
    /// The same. A provider that is not known is refused where the program names it.
    pub fn compile_asking(
        modules: &Modules<'_>,
        trust: Trust,
        limit: Duration,
        providers: Option<&dyn Providers>,
    ) -> Result<Self, Vec<CompileError>> {
        let units = units::parse(modules)?;
        if trust == Trust::Checked {
            units::check(&units, providers)?;
        }
        let timer = timer(limit);
        let mut engine = loaded(&units, modules.version, timer, trust)?;
        let machine = match trust {
            Trust::Checked => {
                Tree::new(engine, units::functions(&units)).map(|tree| Machine::Tree(Box::new(tree)))
            }
            Trust::Proven => Bytecode::new(&mut engine, timer).map(Machine::Bytecode),
        };
        Ok(Self {
            machine: machine.map_err(|error| vec![units::misplaced(&units, &error)])?,
            reads_inventory: units::reads_inventory(&units),
        })
    }

    /// A program of which tests prove that its verdicts are right, as bytes for [`Self::from_bytes`].
    ///
    /// # Errors
    /// It does not compile.
    pub fn compile_to_bytes(modules: &Modules<'_>) -> Result<Vec<u8>, Vec<CompileError>> {
        let units = units::parse(modules)?;
        let mut engine = loaded(&units, modules.version, timer(Duration::MAX), Trust::Proven)?;
        let bytes = bytecode::to_bytes(&mut engine);
        let bytes = bytes.map_err(|error| vec![units::misplaced(&units, &error)])?;
        Ok([vec![u8::from(units::reads_inventory(&units))], bytes].concat())
    }

    /// A program that was compiled before, by the same version of this crate.
    ///
    /// # Errors
    /// The bytes are something else.
    pub fn from_bytes(bytes: &[u8], limit: Duration) -> Result<Self, String> {
        let (reads_inventory, bytes) = bytes.split_first().ok_or("there are no bytes")?;
        let machine = Bytecode::from_bytes(bytes, timer(limit)).map_err(|error| error.to_string())?;
        Ok(Self { machine: Machine::Bytecode(machine), reads_inventory: *reads_inventory == 1 })
    }

    /// Whether the program reads `data.inventory`.
    #[must_use]
    pub const fn reads_inventory(&self) -> bool {
        self.reads_inventory
    }

    /// Evaluates `violation` for an input of `review` and `parameters`.
    ///
    /// # Errors
    /// A conflict of rules, a message that is no string, a limit of this engine.
    pub fn evaluate(&self, input: &Value, inventory: &Value) -> Result<Vec<Finding>, EvaluationError> {
        self.evaluate_asking(input, inventory, None)
    }

    /// The same of a program that may ask these providers.
    ///
    /// # Errors
    /// The same, and where it asks a provider that is not known.
    pub fn evaluate_asking(
        &self,
        input: &Value,
        inventory: &Value,
        providers: Option<&Arc<dyn Providers>>,
    ) -> Result<Vec<Finding>, EvaluationError> {
        let inventory = if self.reads_inventory { inventory } else { &Value::Undefined };
        let found = external::evaluating(providers, || match &self.machine {
            Machine::Tree(tree) => tree.evaluate(input.clone(), inventory),
            Machine::Bytecode(bytecode) => bytecode.evaluate(input.clone(), inventory),
        });
        limits::within()?;
        outcome::findings(&found??)
    }
}

/// Units of work between two looks at the clock.
const INTERVAL: NonZeroU32 = NonZeroU32::new(64).unwrap();

fn timer(limit: Duration) -> ExecutionTimerConfig {
    ExecutionTimerConfig { limit, check_interval: INTERVAL }
}

/// An engine with all modules, as this crate prints them.
fn loaded(
    units: &[Unit],
    version: RegoVersion,
    timer: ExecutionTimerConfig,
    trust: Trust,
) -> Result<Engine, Vec<CompileError>> {
    let mut engine = engine(version, timer);
    let rules = units::rules(units)?;
    let may_conflict = units::may_conflict(units);
    for unit in units {
        let names = Names::new(&unit.module, &unit.package, &rules);
        let text = print::print(&unit.module, &names, &unit.scope, &unit.package, (trust, may_conflict));
        let failed = |error: anyhow::Error| vec![unit.error(token::fault(error))];
        engine.add_policy(unit.file(), text).map_err(failed)?;
    }
    Ok(engine)
}

fn engine(version: RegoVersion, timer: ExecutionTimerConfig) -> Engine {
    let mut engine = Engine::new();
    engine.set_rego_v0(version == RegoVersion::V0);
    engine.set_strict_builtin_errors(false);
    engine.set_policy_length_config(PolicyLengthConfig {
        max_col: token::MAX_COLUMN,
        max_file_bytes: NonZeroUsize::MAX,
        max_lines: NonZeroUsize::MAX,
    });
    engine.set_execution_timer_config(timer);
    extensions::register(&mut engine);
    engine
}

/// The document `data`.
fn data(inventory: &Value) -> Value {
    let inventory = Some(inventory).filter(|inventory| **inventory != Value::Undefined);
    object(inventory.map(|inventory| ("inventory", inventory.clone())))
}

#[cfg(test)]
mod tests;
