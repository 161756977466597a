//! Kubernetes admission policy without Rego: the operator, and the tools around it.

mod check;
mod cluster;
mod columns;
mod compiled;
mod completions;
mod crds;
mod diagnostics;
mod docs;
mod explain;
mod fix;
mod foreign;
mod generate_docs;
mod log;
mod man;
mod migrate;
mod operator;
mod policies;
mod preview;
mod read;
mod render;
mod report;
mod sandbox;
mod schemas;
mod settings;
mod signatures;
mod status;
mod test;
mod uninstall;
mod verifier;
mod verify;
mod written;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use gatewright_input as input;
use gatewright_typed::{WITH_PASSWORD, may_have_password};

use crate::foreign::Foreign;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Typed policies and namespace labels, enforced by Gatekeeper.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Whether to use colors; auto means on a terminal, and not if NO_COLOR is set
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Global options"
    )]
    color: Color,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judges manifests by policies, without a cluster, as Gatekeeper would
    #[command(long_about = check::LONG_ABOUT)]
    Check(check::Args),
    /// Runs tests of policies, templates and constraints
    #[command(long_about = test::LONG_ABOUT)]
    Test(test::Args),
    /// Prints the Gatekeeper objects that policies become, for GitOps without the operator
    Render(render::Args),
    /// Verifies the signatures of an image, and shows why they do not count
    #[command(long_about = verify::LONG_ABOUT)]
    Verify(verify::Args),
    /// Keeps Gatekeeper's objects right for all policies, and reports on their status
    Operator(operator::Args),
    /// Answers Gatekeeper whether images are signed as policies want it
    #[command(long_about = verifier::LONG_ABOUT)]
    Verifier(verifier::Args),
    /// Shows whether policies and standards are enforced, and what violates them
    #[command(long_about = status::LONG_ABOUT)]
    Status(status::Args),
    /// Says which policies apply to an object, which do not, and why
    #[command(long_about = explain::LONG_ABOUT)]
    Explain(explain::Args),
    /// Shows which objects a change of policies, labels or settings would refuse
    #[command(long_about = preview::LONG_ABOUT)]
    Preview(preview::Args),
    /// Lists what violates policies, by owner, namespace or policy; as a table, CSV, JSON or a page
    #[command(long_about = report::LONG_ABOUT)]
    Report(report::Args),
    /// Shows how policies and labels from Deckhouse, Pod Security admission and gatekeeper-library translate
    #[command(long_about = migrate::LONG_ABOUT)]
    Migrate(migrate::Args),
    /// Lists what gatewright left in a cluster, and deletes it with --yes
    #[command(long_about = uninstall::LONG_ABOUT)]
    Uninstall(uninstall::Args),
    /// Prints a page of the documentation, or lists the pages
    #[command(long_about = docs::LONG_ABOUT)]
    Docs(docs::Args),
    /// Prints the CustomResourceDefinitions of the policy kinds
    Crds(crds::Args),
    /// Prints a script that completes this command in a shell
    Completions(completions::Args),
    /// Prints the manual's page, or writes those of all commands
    Man(man::Args),
    /// Evaluates templates for another process of this program, under limits
    #[command(name = sandbox::NAME, hide = true)]
    EvaluateTemplates(sandbox::WorkerArgs),
    /// Prints what manifests mean: each object as JSON, with its file and line
    #[command(hide = true)]
    Read(read::Args),
    /// Compiles our templates, for the next build of this program
    #[command(hide = true)]
    CompileTemplates(compiled::Args),
    /// Writes the pages about the rules, from the catalogue and the cases in the source tree
    #[command(hide = true)]
    GenerateDocs(generate_docs::Args),
}

/// Wrong usage or input.
const FAILED: u8 = 2;

/// The command line. As a plugin of kubectl, which finds programs named `kubectl-NAME`, it is named as people call it.
fn command(program: Option<&OsStr>) -> clap::Command {
    let is_plugin =
        program.map(Path::new).and_then(Path::file_stem).is_some_and(|stem| stem == "kubectl-gatewright");
    let command = complete();
    if is_plugin { command.bin_name("kubectl gatewright") } else { command }
}

/// The command line, with what `-n` means to each command.
fn complete() -> clap::Command {
    const OPERATOR: &str = "The operator's namespace [default: gatewright-system]";
    const MEANINGS: [(&str, &str); 3] = [
        ("status", OPERATOR),
        ("uninstall", OPERATOR),
        ("explain", "The namespace of the object [default: that of the context]"),
    ];
    MEANINGS.iter().fold(Cli::command(), |all, (name, help)| {
        all.mut_subcommand(name, |command| command.mut_arg("namespace", |argument| argument.help(*help)))
    })
}

fn main() -> ExitCode {
    let parsed = command(std::env::args_os().next().as_deref()).try_get_matches();
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return wrong_usage(&error),
        Err(help) => help.exit(),
    };
    match cli.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    run(&cli.command).unwrap_or_else(|error| {
        if is_closed(&error) {
            return ExitCode::SUCCESS;
        }
        diagnostics::error(diagnostics::with_causes(&error));
        ExitCode::from(FAILED)
    })
}

/// Whether the reader of a pipe had enough.
fn is_closed(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Arguments of a script may be what others wrote, and an address in them may have a password. So the error is that of the
/// arguments as they may be printed; where these would be taken, only the kind of the error is said.
fn wrong_usage(error: &clap::Error) -> ExitCode {
    let printable = std::env::args_os().map(|argument| printable(&argument.to_string_lossy()));
    let parsed = command(std::env::args_os().next().as_deref()).try_get_matches_from(printable);
    let again = parsed.and_then(|matches| Cli::from_arg_matches(&matches));
    match again {
        Err(error) => anstream::eprint!("{}", foreign::lines(&error.render().to_string())),
        Ok(_) => diagnostics::error(format!("{}; for more information, try '--help'", error.kind())),
    }
    ExitCode::from(FAILED)
}

/// An argument without what may be a password, in one line.
fn printable(argument: &str) -> String {
    let (name, value) = match argument.split_once('=') {
        Some((name, value)) if name.starts_with("--") => (format!("{name}="), value),
        _ => (String::new(), argument),
    };
    let value = if may_have_password(value) { WITH_PASSWORD } else { value };
    Foreign::from(name + value).to_string()
}

fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(args) => check::run(args),
        Command::Test(args) => test::run(args),
        Command::Render(args) => render::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Operator(args) => operator::run(args),
        Command::Verifier(args) => verifier::run(args),
        Command::Status(args) => status::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Preview(args) => preview::run(args),
        Command::Report(args) => report::run(args),
        Command::Migrate(args) => migrate::run(args),
        Command::Uninstall(args) => uninstall::run(args),
        Command::Docs(args) => docs::run(args),
        Command::Crds(args) => crds::run(args),
        Command::Completions(args) => completions::run(args, complete()),
        Command::Man(args) => man::run(args, complete()),
        Command::EvaluateTemplates(args) => sandbox::run(*args),
        Command::Read(args) => read::run(args),
        Command::CompileTemplates(args) => compiled::run(args),
        Command::GenerateDocs(args) => generate_docs::run(args),
    }
}

#[cfg(test)]
mod tests {
    use super::{command, complete};
    use std::ffi::OsStr;

    #[test]
    fn the_command_line_is_consistent() {
        complete().debug_assert();
    }

    #[test]
    fn as_a_plugin_of_kubectl_it_is_named_so() {
        for (program, expected) in [
            ("gatewright", "Usage: gatewright "),
            ("/usr/local/bin/kubectl-gatewright", "Usage: kubectl gatewright "),
        ] {
            let usage = command(Some(OsStr::new(program))).render_usage().to_string();
            assert!(usage.starts_with(expected), "{usage}");
        }
    }
}
