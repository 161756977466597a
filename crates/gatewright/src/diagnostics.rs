//! What goes to stderr: errors and notes, each in one line.
//!
//! A message of several lines would let a name with a line break in it pass for the next message, or for a command to the
//! runner of a CI job, which reads this, too. Whoever has several things to say says several messages.

use anstyle::{AnsiColor, Style};

use crate::foreign::Foreign;

/// How errors and refusals look on a terminal.
pub const RED: Style = AnsiColor::Red.on_default().bold();
/// How warnings look.
pub const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
/// How notes look.
pub const CYAN: Style = AnsiColor::Cyan.on_default().bold();
/// How what is fine looks.
pub const GREEN: Style = AnsiColor::Green.on_default().bold();

/// Says what went wrong.
pub fn error(message: impl std::fmt::Display) {
    anstream::eprintln!("{RED}error{RED:#}: {}", Foreign::from(message.to_string()));
}

/// An error with its causes, each once: some errors print their cause themselves, others do not.
pub fn with_causes(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        match said.as_str() {
            "" => cause,
            _ if said.contains(&cause) => said,
            _ => format!("{said}: {cause}"),
        }
    })
}

/// Says what people should know.
pub fn note(message: impl std::fmt::Display) {
    anstream::eprintln!("{CYAN}note{CYAN:#}: {}", Foreign::from(message.to_string()));
}

/// Says what is wrong with the input, if something is.
///
/// # Errors
/// Something is: the last of it.
pub fn stop_at<T: std::fmt::Display>(problems: &[T]) -> anyhow::Result<()> {
    let Some((last, others)) = problems.split_last() else { return Ok(()) };
    others.iter().for_each(error);
    anyhow::bail!("{last}")
}

/// Says which files of folders are left out, and by what.
pub fn left_out(files: &[(std::sync::Arc<str>, String)]) {
    for (file, by) in files {
        note(format!("{file}: left out by {by}"));
    }
}

#[cfg(test)]
mod tests {
    use super::with_causes;
    use anyhow::Context as _;

    #[test]
    fn each_cause_is_said_once() {
        let io = || std::io::Error::other("no such file");
        let printed = std::io::Error::other(format!("cannot read it: {}", io()));
        for (error, expected) in [
            (anyhow::Error::new(io()), "no such file"),
            (Err::<(), _>(io()).context("cannot open it").unwrap_err(), "cannot open it: no such file"),
            (
                Err::<(), _>(anyhow::Error::new(io()).context(printed)).context("cannot list").unwrap_err(),
                "cannot list: cannot read it: no such file",
            ),
        ] {
            assert_eq!(with_causes(&error), expected);
        }
    }
}
