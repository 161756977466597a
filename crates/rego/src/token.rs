//! The tokens of a module, and what is wrong with it.

use std::num::NonZeroU32;
use std::ops::Range;

use regorus::Source;
use regorus::unstable::{Lexer, Span, TokenKind};

/// Columns that a line may have. A rewritten rule stands on few lines.
pub const MAX_COLUMN: NonZeroU32 = NonZeroU32::MAX;

/// What is wrong with a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1; 0 where there is none to name.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// Whether it is a limit of this engine, and OPA may take the module.
    pub limit: bool,
}

impl Fault {
    /// What OPA or Gatekeeper refuses.
    pub fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into(), limit: false }
    }

    /// What this engine alone refuses.
    pub fn limit(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into(), limit: true }
    }
}

/// A module for regorus.
pub fn source(text: &str) -> Result<Source, Fault> {
    Source::from_contents("module".into(), text.to_owned()).map_err(fault)
}

/// How regorus says that something goes beyond one of its limits.
const LIMITS: [&str; 3] =
    ["exceeds maximum allowed", "line exceeds maximum column width", "nesting too deep"];

/// regorus says where in the second line, and what in the last.
pub fn fault(error: impl std::fmt::Display) -> Fault {
    let text = error.to_string();
    let line = text.lines().find_map(|line| line.strip_prefix("--> ")?.split(':').nth(1)?.parse().ok());
    let said = text.lines().last().unwrap_or_default();
    let said = said.strip_prefix("error: ").unwrap_or(said).trim();
    let line = line.unwrap_or(0);
    if LIMITS.iter().any(|limit| said.contains(limit)) {
        return Fault::limit(line, format!("this engine cannot read it: {said}"));
    }
    Fault::new(line, format!("rego_parse_error: {said}"))
}

/// A token as the rewriting sees it.
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its place; of a text, without quotes.
    pub span: Span,
    /// Its bytes with quotes.
    pub bytes: Range<usize>,
}

impl Token {
    /// What is written; nothing for a text.
    pub fn text(&self) -> &str {
        match self.kind {
            TokenKind::String | TokenKind::RawString => "",
            _ => self.span.text(),
        }
    }

    /// Whether a reference may end here.
    pub fn ends_reference(&self) -> bool {
        matches!(self.text(), "]" | ")") || self.kind == TokenKind::Ident && !KEYWORDS.contains(&self.text())
    }

    /// Whether a term may end here.
    pub fn ends_term(&self) -> bool {
        self.ends_reference()
            || self.text() == "}"
            || matches!(self.kind, TokenKind::String | TokenKind::RawString | TokenKind::Number)
            || matches!(self.text(), "true" | "false" | "null")
    }
}

const KEYWORDS: [&str; 13] = [
    "not", "in", "if", "else", "as", "with", "some", "every", "contains", "default", "true", "false", "null",
];

/// Reads all tokens.
pub fn tokens(source: &Source) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer::new(source);
    lexer.set_max_col(MAX_COLUMN);
    let mut tokens = vec![];
    loop {
        let token = lexer.next_token().map_err(fault)?;
        let quotes = usize::from(matches!(token.0, TokenKind::String | TokenKind::RawString));
        let bytes = token.1.start as usize - quotes..token.1.end as usize + quotes;
        match token.0 {
            TokenKind::Eof => return Ok(tokens),
            kind => tokens.push(Token { kind, span: token.1, bytes }),
        }
    }
}
