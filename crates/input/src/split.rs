//! Files as texts, one for each document.

use std::io::BufRead;
use std::sync::Arc;

use super::InputError;
use super::limit::unreadable;
use super::open::utf8;

/// The text of one YAML document, or of a file of JSON documents.
#[derive(Debug)]
pub struct Chunk {
    /// The file's name.
    pub file: Arc<str>,
    /// The line of the file on which the text begins, from 1.
    pub line: usize,
    /// The text.
    pub text: String,
    /// Whether the file begins like JSON.
    pub json: bool,
}

/// The chunks of one file. YAML documents are separated by the lines between them, as `kubectl` does it, so that a
/// file of any size needs memory for one document.
pub struct Chunks {
    file: Arc<str>,
    reader: Box<dyn BufRead + Send>,
    line: usize,
    started: bool,
    ended: bool,
}

const BINARY: &str = "is a binary file, or UTF-16 without a byte order mark";

impl Chunks {
    /// The chunks of a file that is open.
    pub fn new(file: Arc<str>, reader: Box<dyn BufRead + Send>) -> Self {
        Self { file, reader, line: 1, started: false, ended: false }
    }

    /// The chunks of a file whose documents are YAML, whatever it begins with.
    pub fn yaml(file: Arc<str>, reader: Box<dyn BufRead + Send>) -> Self {
        Self { started: true, ..Self::new(file, reader) }
    }

    fn error(&mut self, line: usize, message: impl Into<String>) -> InputError {
        self.ended = true;
        InputError::new(&self.file, line, message)
    }

    /// Looks at what kind of file it is.
    fn start(&mut self) -> Result<bool, InputError> {
        self.started = true;
        let beginning = match self.reader.fill_buf() {
            Ok(beginning) => beginning,
            Err(error) => {
                let message = unreadable(&error);
                return Err(self.error(0, message));
            }
        };
        let json = beginning.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        let binary = beginning.contains(&0);
        if binary { Err(self.error(0, BINARY)) } else { Ok(json) }
    }

    /// A whole file of JSON.
    fn whole(&mut self) -> Result<Chunk, InputError> {
        self.ended = true;
        let mut bytes = vec![];
        if let Err(error) = self.reader.read_to_end(&mut bytes) {
            return Err(self.error(0, unreadable(&error)));
        }
        Ok(Chunk { json: true, ..self.chunk(1, bytes)? })
    }

    /// The lines up to the next `---`.
    fn document(&mut self) -> Result<Chunk, InputError> {
        let (first, mut bytes) = (self.line, vec![]);
        loop {
            let begin = bytes.len();
            match self.reader.read_until(b'\n', &mut bytes) {
                Ok(0) => {
                    self.ended = true;
                    return self.chunk(first, bytes);
                }
                Ok(_) => self.line += 1,
                Err(error) => return Err(self.error(self.line, unreadable(&error))),
            }
            if let Some(rest) = bytes[begin..].strip_prefix(b"---") {
                let rest = rest.trim_ascii();
                if !rest.is_empty() && rest[0] != b'#' {
                    let message = "--- must stand alone on its line, as kubectl demands";
                    return Err(self.error(self.line - 1, message));
                }
                bytes.truncate(begin);
                return self.chunk(first, bytes);
            }
        }
    }

    fn chunk(&mut self, line: usize, bytes: Vec<u8>) -> Result<Chunk, InputError> {
        let text = utf8(bytes);
        match text.find('\0') {
            Some(at) => {
                let line = line + newlines(&text.as_bytes()[..at]);
                Err(self.error(line, BINARY))
            }
            None => Ok(Chunk { file: Arc::clone(&self.file), line, text, json: false }),
        }
    }
}

/// How many lines end in a text.
pub fn newlines(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').count() - 1
}

impl Chunk {
    /// Whether the text says nothing: nothing but comments and white space.
    pub fn is_blank(&self) -> bool {
        self.text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#'))
    }
}

impl Iterator for Chunks {
    type Item = Result<Chunk, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.started {
            match self.start() {
                Ok(false) => {}
                Ok(true) => return Some(self.whole()),
                Err(error) => return Some(Err(error)),
            }
        }
        while !self.ended {
            match self.document() {
                Ok(chunk) if chunk.is_blank() => {}
                other => return Some(other),
            }
        }
        None
    }
}
