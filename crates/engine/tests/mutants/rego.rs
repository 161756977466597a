//! As much of Rego's syntax as it takes to change it: tokens, brackets, definitions, bodies, expressions.
//!
//! The sources are formatted, so an expression of a body ends with its line or a semicolon.

use std::collections::BTreeSet;
use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Name,
    Number,
    Text,
    Sign,
    Newline,
}

/// A token and where it stands.
#[derive(Clone, Debug)]
pub struct Token {
    pub kind: Kind,
    pub at: Range<usize>,
}

/// A module, taken apart.
pub struct Module<'a> {
    pub source: &'a str,
    pub tokens: Vec<Token>,
    /// For a bracket the index of its partner, for all else its own.
    partners: Vec<usize>,
}

/// A top-level definition: its name and its tokens.
pub struct Definition {
    pub name: String,
    pub tokens: Range<usize>,
}

impl<'a> Module<'a> {
    pub fn new(source: &'a str) -> Self {
        let tokens = tokens(source);
        let partners = partners(source, &tokens);
        Self { source, tokens, partners }
    }

    pub fn text(&self, i: usize) -> &'a str {
        self.tokens.get(i).map_or("", |token| &self.source[token.at.clone()])
    }

    /// The source of some tokens, from the first to the last.
    pub fn span(&self, tokens: Range<usize>) -> Range<usize> {
        self.tokens[tokens.start].at.start..self.tokens[tokens.end - 1].at.end
    }

    pub fn kind(&self, i: usize) -> Option<Kind> {
        self.tokens.get(i).map(|token| token.kind)
    }

    /// The index after the token, or after the bracket that it opens.
    pub fn after(&self, i: usize) -> usize {
        self.partners[i].max(i) + 1
    }

    /// The index of the token, or of the bracket that it closes.
    pub fn before(&self, i: usize) -> usize {
        self.partners[i].min(i)
    }

    /// The inside of the bracket that opens at `i`.
    pub fn inside(&self, i: usize) -> Range<usize> {
        i + 1..self.partners[i]
    }

    pub fn opens(&self, i: usize) -> bool {
        self.partners[i] > i
    }

    /// Pieces of a range between separators that stand in no bracket, without newlines at their ends.
    pub fn split(&self, range: Range<usize>, separates: impl Fn(&str) -> bool) -> Vec<Range<usize>> {
        let mut pieces = vec![];
        let (mut start, mut i) = (range.start, range.start);
        while i < range.end {
            if separates(self.text(i)) {
                pieces.push(start..i);
                start = i + 1;
            }
            i = self.after(i);
        }
        pieces.push(start..range.end);
        pieces.into_iter().filter_map(|piece| self.trimmed(piece)).collect()
    }

    fn trimmed(&self, range: Range<usize>) -> Option<Range<usize>> {
        let solid = |i: &usize| self.kind(*i) != Some(Kind::Newline);
        let start = range.clone().find(solid)?;
        let end = range.rev().find(solid)? + 1;
        Some(start..end)
    }

    /// Where a comprehension's head ends, if the bracket that opens at `i` is one.
    pub fn bar(&self, i: usize) -> Option<usize> {
        if !matches!(self.text(i), "[" | "{") {
            return None;
        }
        self.at_this_level(self.inside(i)).find(|inner| self.text(*inner) == "|")
    }

    /// The tokens of a range that stand in no bracket within it; of brackets the opening ones.
    pub fn at_this_level(&self, range: Range<usize>) -> impl Iterator<Item = usize> {
        let next = move |i: &usize| Some(self.after(*i)).filter(|next| *next < range.end);
        let first = Some(range.start).filter(|start| *start < range.end);
        std::iter::successors(first, next)
    }

    /// Those of our definitions that other modules name, and those that these need.
    pub fn used_by(&self, others: &[Module<'_>]) -> BTreeSet<String> {
        let package = self.source.lines().find_map(|line| line.strip_prefix("package ")).unwrap_or_default();
        let alias = package.rsplit('.').next().unwrap_or_default();
        let definitions = self.definitions();
        let named = |other: &Module<'_>, name: &str| {
            let mut tokens = 2..other.tokens.len();
            tokens.any(|i| other.text(i) == name && other.text(i - 1) == "." && other.text(i - 2) == alias)
        };
        let mut used: BTreeSet<_> = definitions.iter().map(|definition| definition.name.clone()).collect();
        used.retain(|name| others.iter().any(|other| named(other, name)));
        loop {
            let needed = definitions.iter().filter(|definition| used.contains(&definition.name));
            let texts = needed.flat_map(|definition| definition.tokens.clone()).map(|i| self.text(i));
            let needed: BTreeSet<_> = texts.filter(|text| !used.contains(*text)).collect();
            let new: Vec<_> = definitions.iter().filter(|it| needed.contains(it.name.as_str())).collect();
            if new.is_empty() {
                return used;
            }
            used.extend(new.into_iter().map(|definition| definition.name.clone()));
        }
    }

    /// The definitions, in order. Each begins a line that is not indented.
    pub fn definitions(&self) -> Vec<Definition> {
        let starts_line = |at: usize| at == 0 || self.source.as_bytes()[at - 1] == b'\n';
        let starts = |i: &usize| self.kind(*i) == Some(Kind::Name) && starts_line(self.tokens[*i].at.start);
        let mut starts: Vec<_> = (0..self.tokens.len()).filter(starts).collect();
        starts.push(self.tokens.len());
        let pairs = starts.windows(2).filter(|pair| !matches!(self.text(pair[0]), "package" | "import"));
        pairs
            .filter_map(|pair| self.trimmed(pair[0]..pair[1]))
            .map(|tokens| Definition { name: self.text(tokens.start).to_owned(), tokens })
            .collect()
    }

    /// The bodies within a range: of rules, of `else`, of `every` and of comprehensions, nested ones too.
    pub fn bodies(&self, range: Range<usize>) -> Vec<Range<usize>> {
        range.clone().filter_map(|i| self.body_at(i, range.end)).collect()
    }

    fn body_at(&self, i: usize, end: usize) -> Option<Range<usize>> {
        match self.text(i) {
            "if" if self.text(i + 1) == "{" => Some(self.inside(i + 1)),
            "if" => {
                let ends = |i: &usize| self.kind(*i) == Some(Kind::Newline);
                Some(i + 1..self.at_this_level(i + 1..end).find(ends).unwrap_or(end))
            }
            "every" => {
                let block = self.at_this_level(i..end).find(|i| self.text(*i) == "{")?;
                Some(self.inside(block))
            }
            _ => self.bar(i).map(|bar| bar + 1..self.partners[i]),
        }
    }
}

fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = vec![];
    let mut at = 0;
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        let (kind, length) = match first {
            '\n' => (Some(Kind::Newline), 1),
            '#' => (None, rest.find('\n').unwrap_or(rest.len())),
            '"' => (Some(Kind::Text), quoted(rest)),
            '`' => (Some(Kind::Text), rest[1..].find('`').map_or(rest.len(), |end| end + 2)),
            c if c.is_ascii_digit() => (Some(Kind::Number), while_in(rest, |c| c.is_ascii_digit())),
            c if c == '_' || c.is_ascii_alphabetic() => {
                (Some(Kind::Name), while_in(rest, |c| c == '_' || c.is_ascii_alphanumeric()))
            }
            c if c.is_whitespace() => (None, c.len_utf8()),
            _ if [":=", "==", "!=", "<=", ">="].iter().any(|sign| rest.starts_with(sign)) => {
                (Some(Kind::Sign), 2)
            }
            c => (Some(Kind::Sign), c.len_utf8()),
        };
        tokens.extend(kind.map(|kind| Token { kind, at: at..at + length }));
        at += length;
    }
    tokens
}

fn while_in(text: &str, is_in: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_in(c)).unwrap_or(text.len())
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return i + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

fn partners(source: &str, tokens: &[Token]) -> Vec<usize> {
    let mut partners: Vec<_> = (0..tokens.len()).collect();
    let mut open = vec![];
    for (i, token) in tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Sign) {
        match &source[token.at.clone()] {
            "(" | "[" | "{" => open.push(i),
            ")" | "]" | "}" => {
                // What Gatekeeper compiles has pairs only.
                let start = open.pop().unwrap_or(i);
                partners[start] = i;
                partners[i] = start;
            }
            _ => {}
        }
    }
    partners
}
