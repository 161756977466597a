//! Programs as syntax trees: regorus's interpreter, which is right for all programs.

use std::sync::{Mutex, PoisonError};

use regorus::Engine;
use regorus::Value;

use super::{EvaluationError, QUERY, outcome};

/// A program that is ready to be evaluated. Every evaluation that runs at a time has a copy of its own.
pub struct Tree {
    /// Without inventory.
    prepared: Engine,
    idle: Mutex<Vec<Evaluator>>,
    functions: outcome::Functions,
}

/// An engine, and the inventory that is in it.
struct Evaluator {
    engine: Engine,
    inventory: Value,
}

impl Tree {
    /// Schedules the statements of all rules, which regorus does before it evaluates any of them: here one that needs
    /// nothing.
    pub fn new(mut engine: Engine, functions: outcome::Functions) -> anyhow::Result<Self> {
        engine.add_policy("ready".into(), "package gatewright\nready := true".into())?;
        engine.eval_rule("data.gatewright.ready".into())?;
        Ok(Self { prepared: engine, idle: Mutex::default(), functions })
    }

    /// The value of `violation`.
    pub fn evaluate(&self, input: Value, inventory: &Value) -> Result<Value, EvaluationError> {
        let mut evaluator = self.evaluator();
        if !is_same(&evaluator.inventory, inventory) {
            evaluator.take(inventory).map_err(|error| outcome::failure(&error, &self.functions))?;
        }
        evaluator.engine.set_input(input);
        let found = evaluator.engine.eval_rule(QUERY.to_owned());
        let found = found.map_err(|error| outcome::failure(&error, &self.functions))?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(evaluator);
        Ok(found)
    }

    fn evaluator(&self) -> Evaluator {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Evaluator { engine: self.prepared.clone(), inventory: Value::Undefined })
    }
}

impl Evaluator {
    fn take(&mut self, inventory: &Value) -> anyhow::Result<()> {
        self.engine.clear_data();
        if *inventory != Value::Undefined {
            self.engine.add_data(super::data(inventory))?;
        }
        self.inventory = inventory.clone();
        Ok(())
    }
}

/// Whether both are the same document in memory. Nobody changes a document that others hold.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one.as_object(), other.as_object()) {
        (Ok(one), Ok(other)) => std::ptr::eq(one, other),
        _ => *one == Value::Undefined && *other == Value::Undefined,
    }
}
