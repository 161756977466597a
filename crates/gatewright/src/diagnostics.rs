//! What goes to stderr: errors and notes.

use anstyle::{AnsiColor, Style};

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
    anstream::eprintln!("{RED}error{RED:#}: {message}");
}

/// Says what people should know.
pub fn note(message: impl std::fmt::Display) {
    anstream::eprintln!("{CYAN}note{CYAN:#}: {message}");
}

/// Says which files of folders are left out, and by what.
pub fn left_out(files: &[(std::sync::Arc<str>, String)]) {
    for (file, by) in files {
        note(format!("{file}: left out by {by}"));
    }
}
