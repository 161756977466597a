//! `gatewright completions`: what shells look up.

use std::process::ExitCode;

use clap_complete::Shell;

/// The shell to complete for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints a completion script. It is made in memory, because its maker panics if a pipe closes.
pub fn run(args: &Args, mut command: clap::Command) -> anyhow::Result<ExitCode> {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut command, "gatewright", &mut script);
    std::io::Write::write_all(&mut std::io::stdout(), &script)?;
    Ok(ExitCode::SUCCESS)
}
