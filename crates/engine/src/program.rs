//! Rego programs, evaluated as OPA evaluates them.

use std::time::Duration;

use serde_json::Value;

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
#[derive(Debug)]
pub struct Program;

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

impl Program {
    /// Compiles the modules of a template.
    ///
    /// # Errors
    /// Everything that OPA or Gatekeeper refuses, and everything that this engine would evaluate in another way.
    pub fn compile(_modules: &Modules<'_>, _limit: Duration) -> Result<Self, Vec<CompileError>> {
        Ok(Self)
    }

    /// Whether the program reads `data.inventory`.
    #[must_use]
    pub const fn reads_inventory(&self) -> bool {
        false
    }

    /// Evaluates `violation` for an input of `review` and `parameters`.
    ///
    /// # Errors
    /// A conflict of rules, the time limit, a message that is no string.
    pub fn evaluate(
        &self,
        _input: &regorus::Value,
        _inventory: &regorus::Value,
    ) -> Result<Vec<Finding>, EvaluationError> {
        Ok(vec![])
    }
}
