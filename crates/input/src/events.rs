//! What a YAML document consists of, by the grammar of libyaml. kubectl reads with a translation of that library, which
//! takes what YAML 1.2 forbids: lines of quoted text at the depth of their key, tabs before them, for example.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};
use std::ops::Range;

use libyaml_safer::{Encoding, Error, EventData, MappingStyle, Mark, Parser, ScalarStyle, SequenceStyle};

use super::guard::Guarded;
use super::split::newlines;
use super::yaml::YamlError;

/// A part of a document, and where it begins.
pub struct Event {
    /// What it is.
    pub part: Part,
    /// Whether it is a collection in brackets or braces.
    pub flow: bool,
    mark: Mark,
    end: Mark,
}

impl Event {
    /// Where it is written, in bytes. Of a collection it is the beginning; it ends with its [`Part::End`].
    pub fn span(&self) -> Range<usize> {
        place(self.mark)..place(self.end)
    }
}

/// A part of a document. Collections are followed by what is in them, and by [`Part::End`].
#[derive(Debug)]
pub enum Part {
    /// A value that stands elsewhere, by its anchor.
    Alias(String),
    /// A text, number or the like.
    Scalar(Scalar),
    /// The beginning of a sequence, with its anchor.
    Sequence(Option<String>),
    /// The beginning of a mapping, with its anchor.
    Mapping(Option<String>),
    /// The end of a collection.
    End,
}

/// A value that is no collection, as it is written.
#[derive(Debug)]
pub struct Scalar {
    /// The text, without quotes.
    pub text: String,
    /// Whether it stands without quotes, and is no block.
    pub plain: bool,
    /// Whether it is a block: it begins on the line below its header.
    pub block: bool,
    /// The name by which aliases refer to it.
    pub anchor: Option<String>,
    /// Its tag, written out.
    pub tag: Option<String>,
}

/// Reads a document part by part.
pub struct Events<'t> {
    parser: Parser<Pieces<'t>>,
    guarded: Guarded<'t>,
    at: usize,
    line: usize,
}

impl<'t> Events<'t> {
    /// The parts of a text.
    pub fn new(text: &'t str) -> Self {
        let guarded = Guarded::new(text);
        let mut parser = Parser::new();
        parser.set_encoding(Encoding::Utf8);
        parser.set_input(Pieces { text: guarded.text.clone(), read: 0 });
        Self { parser, guarded, at: 0, line: 1 }
    }

    /// Whether places in the text are places in what was given: not where the text had to be changed to be read.
    pub const fn is_exact(&self) -> bool {
        self.guarded.is_exact()
    }

    /// The next part; none at the end.
    ///
    /// # Errors
    /// The text is no YAML.
    pub fn next(&mut self) -> Result<Option<Event>, YamlError> {
        loop {
            let event = self.parser.parse().map_err(|error| self.error(&error))?;
            let flow = matches!(
                event.data,
                EventData::SequenceStart { style: SequenceStyle::Flow, .. }
                    | EventData::MappingStart { style: MappingStyle::Flow, .. }
            );
            let part = match event.data {
                EventData::StreamEnd => return Ok(None),
                EventData::Alias { anchor } => Part::Alias(anchor),
                EventData::Scalar { anchor, tag, value, style, .. } => {
                    let text = self.guarded.unmarked(value);
                    let plain = matches!(style, ScalarStyle::Plain);
                    let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                    Part::Scalar(Scalar { text, plain, block, anchor, tag })
                }
                EventData::SequenceStart { anchor, .. } => Part::Sequence(anchor),
                EventData::MappingStart { anchor, .. } => Part::Mapping(anchor),
                EventData::SequenceEnd | EventData::MappingEnd => Part::End,
                _ => continue,
            };
            return Ok(Some(Event { part, flow, mark: event.start_mark, end: event.end_mark }));
        }
    }

    /// Reads to the end of a document of which the last part was read.
    ///
    /// # Errors
    /// What stands there is no YAML.
    pub fn end(&mut self) -> Result<(), YamlError> {
        self.parser.parse().map(drop).map_err(|error| self.error(&error))
    }

    /// The line on which a part begins, from 1.
    pub fn line(&mut self, event: &Event) -> usize {
        self.line_of(event.mark)
    }

    /// The line as editors count them; YAML ends lines at more characters. Marks mostly come in order, so the text is
    /// read once.
    fn line_of(&mut self, mark: Mark) -> usize {
        let text = &self.guarded.text.as_bytes()[..self.guarded.end];
        let end = usize::try_from(mark.index).map_or(text.len(), |index| index.min(text.len()));
        if end < self.at {
            (self.at, self.line) = (0, 1);
        }
        self.line += newlines(&text[self.at..end]);
        self.at = end;
        self.line
    }

    fn error(&mut self, error: &Error) -> YamlError {
        if let Some(mark) = error.problem_mark() {
            let message = problem(error, &self.guarded.text, place(mark));
            return YamlError::new(self.line_of(mark), message);
        }
        let text = &self.guarded.text;
        let before = text.find(is_control).unwrap_or_default();
        let line = newlines(&text.as_bytes()[..before]) + 1;
        YamlError::new(line, error.problem().to_owned())
    }
}

fn place(mark: Mark) -> usize {
    usize::try_from(mark.index).unwrap_or(usize::MAX)
}

/// What is wrong, in fixed words: nothing of the document is in them.
fn problem(error: &Error, text: &str, at: usize) -> String {
    match error.context() {
        None if error.problem() == "did not find expected <document start>" => {
            after_the_end(text, at).to_owned()
        }
        Some(context) => format!("{} {context}", error.problem()),
        None => error.problem().to_owned(),
    }
}

/// What is wrong where another document begins, as nobody separates them.
const SECOND: &str = "text after the end of the document: another document needs a line --- before it";

/// Why a document ended before what stands at a place of its text.
fn after_the_end(text: &str, at: usize) -> &'static str {
    let at = text.floor_char_boundary(at);
    let begin = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let line = text[begin..].lines().next().unwrap_or_default();
    let depth = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let says = |line: &&str| !matches!(line.trim_start().chars().next(), None | Some('#' | '%'));
    let mut before = text[..begin].lines();
    if line.trim_start().starts_with("---") {
        "text after the end of the document: a line --- must not be indented"
    } else if before.clone().any(|line| line.trim_end() == "...") {
        "text after the end of the document: a line ... ends it; another document needs a line --- before it"
    } else if text[at..].starts_with(['}', ']']) {
        "text after the end of the document: a closing bracket without an opening one"
    } else if !line[..at - begin].trim().is_empty() {
        "text after the end of the document: on the same line nothing may follow"
    } else if before.find(says).is_some_and(|first| depth(first) > depth(line)) {
        "text after the end of the document: the line is indented less than the first line of the document"
    } else {
        SECOND
    }
}

/// What YAML does not take, not even in quotes.
fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}') || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// A text, piece by piece: the parser keeps each as characters, which take four times the memory.
struct Pieces<'t> {
    text: Cow<'t, str>,
    read: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        const PIECE: usize = 4096;
        let end = self.text.floor_char_boundary(self.read.saturating_add(PIECE));
        Ok(&self.text.as_bytes()[self.read..end])
    }

    fn consume(&mut self, amount: usize) {
        self.read = self.text.len().min(self.read.saturating_add(amount));
    }
}
