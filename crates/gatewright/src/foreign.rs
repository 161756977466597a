//! Text that somebody else wrote: in an object, in a file, or in an answer of the API server.
//!
//! A terminal obeys some characters: escape codes move the cursor, bidirectional marks turn a line round, zero-width ones
//! hide in a name. So such text has a type of its own, which prints these as `\u{..}`. A bare one cannot be printed.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// A string that somebody else wrote. It prints what a terminal would obey as `\u{..}`; in JSON it stands as it is, since
/// JSON has its own way to write such characters.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Foreign(String);

impl Foreign {
    /// The string as it is: for comparing and for formats that escape by themselves, never for a terminal.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Into<String>> From<T> for Foreign {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&shown(&self.0))
    }
}

/// A text of ours with foreign parts in it: its lines stay, and in each of them stands what a terminal may have.
pub fn lines(text: &str) -> String {
    text.split('\n').map(shown).collect::<Vec<_>>().join("\n")
}

/// Lines whose colours are ours, since their writer has written out all other escape codes: these and the ends of lines stay.
pub fn colored(text: &str) -> Cow<'_, str> {
    written_out(text, |c| is_obeyed(c) && !matches!(c, '\u{1b}' | '\n'))
}

/// The text as a terminal may have it, in one line.
fn shown(text: &str) -> Cow<'_, str> {
    written_out(text, is_obeyed)
}

fn written_out(text: &str, is_obeyed: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Whether a terminal, or a reader's eye, is led by the character: controls (C0, DEL, C1), bidirectional and zero-width
/// marks, separators of lines, and the tags and fillers that nobody sees.
pub fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::Foreign;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        for (text, expected) in [
            ("web-0", "web-0"),
            ("größe 日本 🚀", "größe 日本 🚀"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("a\nb\r\tc", "a\\u{a}b\\u{d}\\u{9}c"),
            ("\u{7f}\u{9b}31m", "\\u{7f}\\u{9b}31m"),
            ("evil\u{202e}gpj.exe", "evil\\u{202e}gpj.exe"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("line\u{2028}separator\u{2029}", "line\\u{2028}separator\\u{2029}"),
            ("\u{2066}isolated\u{2069}", "\\u{2066}isolated\\u{2069}"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
        ] {
            assert_eq!(Foreign::from(text).to_string(), expected);
        }
        assert_eq!(format!("{:6}|", Foreign::from("ab")), "ab    |");
    }

    #[test]
    fn json_has_it_as_it_is() {
        let text = "\u{1b}[2J\u{202e}";
        let json = serde_json::to_string(&Foreign::from(text)).unwrap();
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        assert!(!json.contains('\u{1b}'));
    }
}
