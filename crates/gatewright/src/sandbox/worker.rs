//! The other side: a process that evaluates templates under limits of the operating system.

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, sync_channel};

use anyhow::Context as _;
use gatewright_engine::sandbox::Host;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::message;
use crate::{FAILED, diagnostics};

/// The name of the command, which nobody types.
pub const NAME: &str = "evaluate-templates";
/// How long the stack is, in bytes. Gatekeeper's grows to 1 GB; only what is touched counts as memory.
const STACK: usize = 256 << 20;
/// What the program itself takes of the address space, in bytes.
const OWN: u64 = 256 << 20;

/// What the process may take.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct WorkerArgs {
    /// Bytes of memory for its heap
    memory: u64,
}

/// Answers jobs from stdin until it is closed.
pub fn run(args: WorkerArgs) -> anyhow::Result<ExitCode> {
    limit(Resource::Core, 0)?;
    limit(Resource::As, args.memory + STACK as u64 + OWN)?;
    let (sender, jobs) = sync_channel(1);
    // Reading goes on during an evaluation, so that this process ends as soon as the one that started it does.
    std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || {
            if let Err(error) = answer(&jobs) {
                diagnostics::error(format!("{error:#}"));
                std::process::exit(i32::from(FAILED));
            }
        })
        .context("cannot start a thread")?;
    let mut stdin = std::io::stdin().lock();
    while let Some(job) = message::read(&mut stdin, u32::MAX)? {
        sender.send(job).context("the evaluation has ended")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn limit(resource: Resource, value: u64) -> anyhow::Result<()> {
    let limit = Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(resource, limit).with_context(|| format!("cannot limit {resource:?}"))
}

fn answer(jobs: &Receiver<Vec<u8>>) -> anyhow::Result<()> {
    let mut host = Host::default();
    let mut stdout = std::io::stdout().lock();
    for job in jobs {
        if let Some(answer) = host.answer(rmp_serde::from_slice(&job)?) {
            message::write(&mut stdout, &answer)?;
        }
    }
    Ok(())
}
