//! Evaluates templates from outside in processes that can be ended.
//!
//! A template of the input may recurse without end, or ask for all memory: no look at its text finds each of them. So
//! `check` and `test` hand such templates to processes of this same program that run under limits of the operating
//! system. If one exceeds a limit its process ends, and everything else is judged all the same.

mod limits;
mod message;
mod process;
mod worker;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatewright_engine::TemplateError;
use gatewright_engine::sandbox::{
    Answer, CompileFailure, Compiled, Evaluated, Evaluation, Exceeded, Job, Sandbox,
};
use serde_json::{Value, json};

pub use limits::Limits;
use process::Process;
pub use worker::{NAME, WorkerArgs, run};

/// Processes that evaluate templates, as many as threads ask for at the same time.
#[derive(Debug)]
pub struct Pool {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Process>,
    /// By the kind of their constraints.
    templates: BTreeMap<String, Template>,
    compilations: u64,
}

/// A template that some process has compiled.
#[derive(Clone, Debug)]
struct Template {
    /// Tells it from an earlier template of the same kind.
    number: u64,
    target: Arc<Value>,
    /// The limit that it exceeded. It is not evaluated again.
    exceeded: Option<Exceeded>,
}

impl Pool {
    /// A pool without processes: each starts when it is needed.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, state: Mutex::default() })
    }

    /// The kinds of the templates that exceeded a limit, and the limit.
    pub fn exceeded(&self) -> Vec<(String, Exceeded)> {
        let state = self.state();
        let found = |(kind, template): (&String, &Template)| Some((kind.clone(), template.exceeded.clone()?));
        state.templates.iter().filter_map(found).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done where the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle process, one that knows the review if there is one; else a new process.
    fn process(&self, review: Option<u64>) -> Result<Process, Exceeded> {
        let idle = {
            let idle = &mut self.state().idle;
            let knows = idle.iter().position(|process| review.is_some() && process.review == review);
            knows.map(|index| idle.swap_remove(index)).or_else(|| idle.pop())
        };
        idle.map_or_else(|| Process::start(self.limits), Ok)
    }

    fn give_back(&self, process: Process) {
        self.state().idle.push(process);
    }

    fn template(&self, kind: &str) -> Result<Template, Exceeded> {
        let missing = || Exceeded(format!("the template of {kind} is not compiled"));
        let template = self.state().templates.get(kind).cloned().ok_or_else(missing)?;
        template.exceeded.clone().map_or(Ok(template), Err)
    }

    fn remember(&self, kind: &str, exceeded: &Exceeded) {
        if let Some(template) = self.state().templates.get_mut(kind) {
            template.exceeded = Some(exceeded.clone());
        }
    }

    fn try_evaluate(&self, kind: &str, evaluation: &Evaluation<'_>) -> Result<Evaluated, Exceeded> {
        let template = self.template(kind)?;
        let mut process = self.process(Some(evaluation.review.number))?;
        if process.compiled.get(kind) != Some(&template.number) {
            // Another process has compiled it, so this one can.
            process.ask(&Job::Compile { kind: kind.into(), target: Cow::Borrowed(&template.target) })?;
            process.compiled.insert(kind.to_owned(), template.number);
        }
        if let Some(inventory) = evaluation.inventory.filter(|it| process.inventory != Some(it.number)) {
            process.tell(&Job::Inventory(Cow::Owned(json!(inventory.value))))?;
            process.inventory = Some(inventory.number);
        }
        if process.review != Some(evaluation.review.number) {
            process.tell(&Job::Review(evaluation.review.value.clone()))?;
            process.review = Some(evaluation.review.number);
        }
        let job = Job::Evaluate { kind: kind.into(), constraints: evaluation.constraints.clone() };
        match process.ask(&job)? {
            Answer::Evaluated(evaluated) => {
                self.give_back(process);
                Ok(evaluated)
            }
            Answer::Compiled(_) => Err(process::out_of_step()),
        }
    }

    fn try_compile(
        &self,
        kind: &str,
        target: &Value,
    ) -> Result<Result<Compiled, Vec<TemplateError>>, Exceeded> {
        let number = self.add(kind, target);
        let mut process = self.process(None)?;
        let job = Job::Compile { kind: kind.into(), target: Cow::Borrowed(target) };
        match process.ask(&job)? {
            Answer::Compiled(compiled) => {
                if compiled.is_ok() {
                    process.compiled.insert(kind.to_owned(), number);
                }
                self.give_back(process);
                Ok(compiled)
            }
            Answer::Evaluated(_) => Err(process::out_of_step()),
        }
    }

    fn add(&self, kind: &str, target: &Value) -> u64 {
        let mut state = self.state();
        state.compilations += 1;
        let number = state.compilations;
        let template = Template { number, target: Arc::new(target.clone()), exceeded: None };
        state.templates.insert(kind.to_owned(), template);
        number
    }
}

impl Sandbox for Pool {
    fn compile(&self, kind: &str, target: &Value) -> Result<Compiled, CompileFailure> {
        match self.try_compile(kind, target) {
            Ok(compiled) => compiled.map_err(CompileFailure::Refused),
            Err(exceeded) => {
                self.remember(kind, &exceeded);
                Err(CompileFailure::Exceeded(exceeded))
            }
        }
    }

    fn evaluate(&self, kind: &str, evaluation: &Evaluation<'_>) -> Result<Evaluated, Exceeded> {
        self.try_evaluate(kind, evaluation).inspect_err(|exceeded| self.remember(kind, exceeded))
    }
}
