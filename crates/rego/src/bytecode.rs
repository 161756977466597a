//! Programs as bytecode: regorus's machine, three times as fast as its interpreter. Of rules that contradict each other
//! it makes undefined where OPA fails, so it is for programs that are known not to.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::instructions::BuiltinCallParams;
use regorus::rvm::program::{BuiltinInfo, DeserializationResult};
use regorus::rvm::{Instruction, Program, RegoVM};
use regorus::unstable::{Expr, Ref, Span};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};

use super::{ENTRY, EvaluationError, QUERY, extensions, outcome};

/// A program, and the machines on which it ran.
pub struct Bytecode {
    program: Arc<Program>,
    timer: ExecutionTimerConfig,
    idle: Mutex<Vec<RegoVM>>,
}

/// A compiled program as bytes, for [`Bytecode::from_bytes`] of the same version of regorus.
pub fn to_bytes(engine: &mut Engine) -> anyhow::Result<Vec<u8>> {
    compiled(engine)?.serialize_binary().map_err(anyhow::Error::msg)
}

fn compiled(engine: &mut Engine) -> anyhow::Result<Program> {
    let policy = engine.compile_with_entrypoint(&QUERY.into())?;
    let functions: Vec<_> = extensions::signatures().collect();
    let program = Compiler::compile_from_policy_with_host_await(&policy, &[QUERY], &functions)?;
    let mut program = Arc::unwrap_or_clone(program);
    // They serve errors that nobody sees.
    program.sources.clear();
    program.instruction_spans.clear();
    Ok(program)
}

impl Bytecode {
    /// Compiles what an engine holds.
    pub fn new(engine: &mut Engine, timer: ExecutionTimerConfig) -> anyhow::Result<Self> {
        Self::of(compiled(engine)?, timer)
    }

    /// A program that was compiled before.
    pub fn from_bytes(bytes: &[u8], timer: ExecutionTimerConfig) -> anyhow::Result<Self> {
        match Program::deserialize_binary(bytes).map_err(anyhow::Error::msg)? {
            DeserializationResult::Complete(program) => Self::of(program, timer),
            DeserializationResult::Partial(_) => anyhow::bail!("a program of another version"),
        }
    }

    fn of(mut program: Program, timer: ExecutionTimerConfig) -> anyhow::Result<Self> {
        call_functions(&mut program)?;
        Ok(Self { program: Arc::new(program), timer, idle: Mutex::default() })
    }

    /// The value of `violation`.
    pub fn evaluate(&self, input: Value, inventory: &Value) -> Result<Value, EvaluationError> {
        let mut machine = self.machine();
        let run = || {
            machine.set_data(super::data(inventory))?;
            machine.set_input(input);
            machine.execute_entry_point_by_index(0)
        };
        let found = run().map_err(|error| outcome::internal(ENTRY, &error.to_string().to_lowercase()))?;
        machine.set_input(Value::Undefined);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(machine);
        Ok(found)
    }

    fn machine(&self) -> RegoVM {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| {
            let mut machine = RegoVM::new();
            machine.set_max_instructions(usize::MAX);
            machine.set_execution_timer_config(Some(self.timer));
            machine.load_program(Arc::clone(&self.program));
            machine
        })
    }
}

/// The compiler lets the machine stop for a function that it does not have, and wait for the host. Here it calls the
/// function: with its name, and its arguments as an array.
fn call_functions(program: &mut Program) -> anyhow::Result<()> {
    let function = program.add_builtin_info(BuiltinInfo { name: "gatewright".into(), num_args: 2 });
    program.resolved_builtins.push((call, 2));
    anyhow::ensure!(program.resolved_builtins.len() == usize::from(function) + 1, "functions without a name");
    for at in 0..program.instructions.len() {
        if let Instruction::HostAwait { dest, arg, id } = program.instructions[at] {
            let params = BuiltinCallParams {
                dest,
                builtin_index: function,
                num_args: 2,
                args: [id, arg, 0, 0, 0, 0, 0, 0],
            };
            let params_index = program.add_builtin_call_params(params);
            program.instructions[at] = Instruction::BuiltinCall { params_index };
        }
    }
    program.recompute_host_await_presence();
    Ok(())
}

fn call(_: &Span, _: &[Ref<Expr>], arguments: &[Value], _: bool) -> anyhow::Result<Value> {
    let [name, arguments] = arguments else { anyhow::bail!("a function has a name and arguments") };
    let function = extensions::find(name.as_string()?).context("there is no such function")?;
    let arguments: Vec<_> = arguments.as_array()?.iter().cloned().collect();
    Ok(function(&arguments).unwrap_or(Value::Undefined))
}
