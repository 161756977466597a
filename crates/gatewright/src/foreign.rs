//! Text that somebody else wrote: in an object, in a file, or in an answer of the API server.
//!
//! A terminal obeys some characters: escape codes move the cursor, bidirectional marks turn a line round, zero-width ones
//! hide in a name. The runner of a CI job obeys whole lines: `::error::…` at the start of one, `##[error]…` anywhere in it. So
//! such text has a type of its own, which prints what is obeyed as `\u{..}`. A bare one cannot be printed.

use std::borrow::Cow;
use std::fmt;

/// A string that somebody else wrote. It prints what a terminal or the runner of a CI job would obey as `\u{..}`, in one line;
/// in JSON it stands as it is, since JSON has its own way to write such characters.
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

/// A text of ours with foreign parts in it, whose line breaks are ours alone: its lines stay, and in each of them stands what
/// may be printed. For a text in which a foreign part may have a line break there is [`Foreign`].
pub fn lines(text: &str) -> String {
    text.split('\n').map(shown).collect::<Vec<_>>().join("\n")
}

/// One line whose colours are ours, since its writer has written out all other escape codes: these and the end of the line
/// stay.
pub fn colored(line: &str) -> String {
    let (text, end) = line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n"));
    without_commands(&written_out(text, |c| is_obeyed(c) && c != '\u{1b}')).into_owned() + end
}

/// The text as it may be printed, in one line.
fn shown(text: &str) -> Cow<'_, str> {
    match written_out(text, is_obeyed) {
        Cow::Borrowed(text) => without_commands(text),
        Cow::Owned(text) => Cow::Owned(without_commands(&text).into_owned()),
    }
}

/// One line without commands to the runner of a CI job. Runners skip spaces before `::`, so to indent a line is not enough.
fn without_commands(line: &str) -> Cow<'_, str> {
    let marked = without_marks(line);
    let begins = marked.len() - marked.trim_start().len();
    if !marked[begins..].strip_prefix("::").is_some_and(begins_with_command) {
        return marked;
    }
    Cow::Owned(format!("{}{}{}", &marked[..begins], escape(':'), &marked[begins + 1..]))
}

/// Whether a text begins with a word that an IPv6 address cannot have.
fn begins_with_command(text: &str) -> bool {
    let word = text.chars().take_while(|c| c.is_ascii_alphabetic() || *c == '-');
    word.into_iter().any(|c| !c.is_ascii_hexdigit())
}

/// The line without `##[`, and its likes with a word before the bracket (`##vso[`): they are obeyed anywhere in a line.
fn without_marks(line: &str) -> Cow<'_, str> {
    let mark = |(bracket, _)| {
        let before: &str = &line[..bracket];
        before.trim_end_matches(|c: char| c.is_ascii_alphabetic()).strip_suffix("##").map(str::len)
    };
    let mut marks = line.match_indices('[').filter_map(mark).peekable();
    if marks.peek().is_none() {
        return Cow::Borrowed(line);
    }
    let (mut shown, mut from) = (String::with_capacity(line.len()), 0);
    for at in marks {
        shown.extend([&line[from..at], &escape('#')]);
        from = at + 1;
    }
    Cow::Owned(shown + &line[from..])
}

fn escape(c: char) -> String {
    format!("\\u{{{:x}}}", u32::from(c))
}

fn written_out(text: &str, is_obeyed: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) {
            shown.push_str(&escape(c));
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
    use super::{Foreign, colored};

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

    /// <https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs>
    #[test]
    fn a_runner_obeys_nothing() {
        for (text, expected) in [
            ("::error file=a::b", "\\u{3a}:error file=a::b"),
            ("  ::add-mask::b", "  \\u{3a}:add-mask::b"),
            ("::echo::on", "\\u{3a}:echo::on"),
            ("a\n::error::b", "a\\u{a}::error::b"),
            ("a ##[error]b ##[x", "a \\u{23}#[error]b \\u{23}#[x"),
            ("###[error]##vso[task.x]", "#\\u{23}#[error]\\u{23}#vso[task.x]"),
            ("## a heading [x]", "## a heading [x]"),
            ("::1", "::1"),
            ("::/0", "::/0"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
            ("a::error::b", "a::error::b"),
        ] {
            assert_eq!(Foreign::from(text).to_string(), expected);
        }
    }

    #[test]
    fn a_line_of_the_log_is_one_line() {
        assert_eq!(
            colored("\u{1b}[32mINFO\u{1b}[0m a\r\n::error::b\n"),
            "\u{1b}[32mINFO\u{1b}[0m a\\u{d}\\u{a}::error::b\n"
        );
        assert_eq!(colored("a"), "a");
    }

    #[test]
    fn json_has_it_as_it_is() {
        let text = "\u{1b}[2J\u{202e}";
        let json = serde_json::to_string(&Foreign::from(text)).unwrap();
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        assert!(!json.contains('\u{1b}'));
    }
}
