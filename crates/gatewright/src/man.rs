//! `gatewright man`: the manual's pages.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Arg, Command};
use clap_mangen::Man;

/// Where the manual goes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Writes one page for each command into this folder instead
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

/// Prints the manual's page, or writes all of its pages.
pub fn run(args: &Args, mut command: Command) -> anyhow::Result<ExitCode> {
    command = command.disable_help_subcommand(true);
    command.build();
    match &args.output_dir {
        None => page(&command, &mut std::io::stdout())?,
        Some(folder) => {
            write(&command, folder)
                .with_context(|| format!("cannot write the manual into {}", folder.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write(command: &Command, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let all = std::iter::once(command).chain(command.get_subcommands().filter(|one| !one.is_hide_set()));
    for one in all {
        let mut text = vec![];
        page(one, &mut text)?;
        std::fs::write(folder.join(format!("{}.1", name(one))), text)?;
    }
    Ok(())
}

/// The name of a page: `gatewright-check`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or(command.get_name())
}

/// A page. Its synopsis is ours: the library's leaves out the values of options.
fn page(command: &Command, to: &mut dyn Write) -> std::io::Result<()> {
    let man = Man::new(command.clone()).title(name(command));
    man.render_title(to)?;
    man.render_name_section(to)?;
    write!(to, "{}", synopsis(command))?;
    man.render_description_section(to)?;
    man.render_options_section(to)?;
    if command.has_subcommands() {
        man.render_subcommands_section(to)?;
    }
    if let Some(text) = command.get_after_help() {
        write!(to, "{}", sections(&text.to_string()))?;
    }
    // The library's own takes it for granted.
    if command.get_version().is_some() { man.render_version_section(to) } else { Ok(()) }
}

/// What stands below the options in the help: examples as they are typed, exit codes, and paragraphs.
fn sections(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        if let Some(examples) = paragraph.strip_prefix("Examples:\n") {
            let lines = examples.lines().map(|line| literal(line.trim_start()));
            format!(".SH EXAMPLES\n.nf\n{}\n.fi\n", lines.collect::<Vec<_>>().join("\n"))
        } else if let Some(codes) = paragraph.strip_prefix("Exit codes: ") {
            format!(".SH \"EXIT STATUS\"\n{}\n", literal(codes))
        } else {
            format!(".PP\n{}\n", literal(paragraph))
        }
    });
    paragraphs.collect()
}

/// A line of text: no request, though it begins as one.
fn literal(text: &str) -> String {
    let text = escaped(text);
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn synopsis(command: &Command) -> String {
    let called = command.get_bin_name().unwrap_or(command.get_name());
    let shown = |arg: &&Arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    let (required, optional): (Vec<_>, Vec<_>) =
        command.get_arguments().filter(shown).partition(|arg| arg.is_required_set());
    let (arguments, options): (Vec<_>, Vec<_>) = optional.into_iter().partition(|arg| arg.is_positional());
    let parts = options.into_iter().map(|arg| format!("[{}]", usage(arg)));
    let parts = parts.chain(required.into_iter().map(usage));
    let parts = parts.chain(arguments.into_iter().map(|arg| format!("[{}]", usage(arg))));
    let subcommand = command.has_subcommands().then(|| format!("{} ...", italic("COMMAND")));
    let parts: Vec<_> = parts.chain(subcommand).collect();
    format!(".SH SYNOPSIS\n{} {}\n", bold(called), parts.join(" "))
}

/// `-o FORMAT`, `--wait[=TIME]`, `PATH...`
fn usage(arg: &Arg) -> String {
    let flag = arg.get_short().map(|short| format!("-{short}"));
    let flag = flag.or_else(|| arg.get_long().map(|long| format!("--{long}")));
    let takes_values = arg.get_num_args().is_some_and(|count| count.takes_values());
    let names = arg.get_value_names().unwrap_or_default();
    let values: Vec<_> = names.iter().map(|name| italic(name)).collect();
    let values = values.join(" ");
    let is_optional = arg.get_num_args().is_some_and(|count| count.min_values() == 0);
    let text = match (flag, takes_values) {
        (None, _) => values.clone(),
        (Some(flag), false) => bold(&flag),
        (Some(flag), true) if is_optional => format!("{}[={values}]", bold(&flag)),
        (Some(flag), true) => format!("{} {values}", bold(&flag)),
    };
    let is_repeated = matches!(arg.get_action(), clap::ArgAction::Append);
    if is_repeated && !values.ends_with("...\\fR") { text + "..." } else { text }
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", escaped(text))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;

    use super::*;

    #[test]
    fn the_synopsis_has_the_values_of_options() {
        let command = Command::new("tool").args([
            Arg::new("file")
                .short('f')
                .long("filename")
                .value_name("PATH")
                .required(true)
                .action(ArgAction::Append),
            Arg::new("wait").long("wait").value_name("TIME").num_args(0..=1),
            Arg::new("all").short('A').long("all-names").action(ArgAction::SetTrue),
            Arg::new("hidden").long("hidden").hide(true),
            Arg::new("object").value_name("KIND/NAME"),
        ]);
        let mut command = command;
        command.build();
        let expected = ".SH SYNOPSIS\n\\fBtool\\fR [\\fB\\-\\-wait\\fR[=\\fITIME\\fR]] [\\fB\\-A\\fR] \
                        \\fB\\-f\\fR \\fIPATH\\fR... [\\fIKIND/NAME\\fR]\n";
        assert_eq!(synopsis(&command), expected);
    }

    #[test]
    fn examples_can_be_copied_and_exit_codes_have_a_section() {
        let text = "Examples:\n  # at home\n  tool a-b -f .x\n\nExit codes: 0 fine,\n1 not.\n\nMore.";
        let expected = ".SH EXAMPLES\n.nf\n# at home\ntool a\\-b \\-f .x\n.fi\n.SH \"EXIT STATUS\"\n0 fine,\n1 not.\n\
                        .PP\nMore.\n";
        assert_eq!(sections(text), expected);
    }

    #[test]
    fn pages_are_titled_by_the_command_that_they_are_about() {
        let mut command = Command::new("tool").version("1").subcommand(Command::new("check").about("Checks"));
        command.build();
        let mut text = vec![];
        page(command.find_subcommand("check").unwrap(), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(".TH tool-check 1") && text.contains("\\fBtool check\\fR"), "{text}");
    }
}
