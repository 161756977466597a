//! From a module's text to its syntax tree: what OPA's grammar allows and regorus's parser does not is rewritten before
//! it is parsed. No line moves.

use regorus::Source;
use regorus::unstable::{Module, Parser, TokenKind};

use super::RegoVersion;
use super::keywords;
use super::token::{self, Fault, MAX_COLUMN, Token, fault, tokens};

/// Parses a module.
pub fn parse(text: &str, version: RegoVersion) -> Result<Module, Fault> {
    if text.trim().is_empty() {
        return Err(Fault::new(0, "the module is empty"));
    }
    let mut source = token::source(text)?;
    let read = tokens(&source)?;
    check_depth(&read)?;
    if version == RegoVersion::V0 {
        source = insert(&source, keywords::rename(&read)?)?;
    }
    let source = rewrite(&source, version)?;
    let mut parser = Parser::new(&source).map_err(fault)?;
    parser.set_max_col(MAX_COLUMN);
    if version == RegoVersion::V1 {
        parser.enable_rego_v1().map_err(fault)?;
    }
    parser.parse().map_err(fault)
}

fn rewrite(source: &Source, version: RegoVersion) -> Result<Source, Fault> {
    let tokens = tokens(source)?;
    let mut insertions = separators(&tokens)?;
    insertions.extend(differences(&tokens));
    if version == RegoVersion::V0 {
        insertions.extend(heads(source.contents(), &tokens));
    }
    insert(source, insertions)
}

fn insert(source: &Source, mut insertions: Vec<(usize, String)>) -> Result<Source, Fault> {
    insertions.sort();
    let mut text = source.contents().clone();
    for (at, inserted) in insertions.into_iter().rev() {
        text.insert_str(at, &inserted);
    }
    token::source(&text)
}

/// How many operators and fields may follow each other: `a.b.c + d` has three. Each is a level of the syntax tree, and
/// whoever walks it needs stack for all of them.
const LONGEST_CHAIN: usize = 500;

/// How many brackets may be open. The parser needs much more stack for each than for a field, and of brackets that may
/// begin a comprehension twice the time.
const DEEPEST: usize = 16;

const LINKS: [&str; 17] =
    [".", "+", "-", "*", "/", "%", "|", "&", "==", "!=", "<", "<=", ">", ">=", "=", ":=", "in"];

fn check_depth(tokens: &[Token]) -> Result<(), Fault> {
    let mut outer = vec![];
    let mut length = 0_usize;
    for (i, token) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|before| tokens.get(before));
        let next_line =
            before.is_some_and(|before| before.ends_term() && before.span.line != token.span.line);
        match token.text() {
            "(" | "[" | "{" | "set(" => outer.push(std::mem::take(&mut length) + 1),
            ")" | "]" | "}" => length = outer.pop().unwrap_or(0),
            ";" | "," => length = 0,
            text if LINKS.contains(&text) => length += 1,
            _ if next_line => length = 0,
            _ => {}
        }
        if length > LONGEST_CHAIN || outer.len() > DEEPEST {
            let said = format!(
                "an expression is nested deeper than this engine goes: {LONGEST_CHAIN} operators and fields, or \
                 {DEEPEST} brackets"
            );
            return Err(Fault::limit(token.span.line as usize, said));
        }
    }
    Ok(())
}

/// In a body, a line that starts with `(` is a new expression; regorus would call the reference before it.
fn separators(tokens: &[Token]) -> Result<Vec<(usize, String)>, Fault> {
    let mut found = vec![];
    let mut open = vec![];
    for (i, token) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|before| tokens.get(before));
        match (token.text(), before) {
            ("(", Some(before)) if before.ends_reference() && before.bytes.end != token.bytes.start => {
                if before.span.line == token.span.line {
                    let fault = "rego_parse_error: unexpected ( token: no space may stand before it";
                    return Err(Fault::new(token.span.line as usize, fault));
                }
                if open.last() == Some(&"{") {
                    found.push((before.bytes.end, ";".into()));
                }
                open.push("(");
            }
            (bracket @ ("(" | "[" | "{" | "set("), _) => open.push(bracket),
            (")" | "]" | "}", _) => drop(open.pop()),
            _ => {}
        }
    }
    Ok(found)
}

/// After a term, on whatever line, `-3 * x` is subtracted; regorus would subtract the number alone.
fn differences(tokens: &[Token]) -> impl Iterator<Item = (usize, String)> {
    let is_number = |token: &Token| token.kind == TokenKind::Number && token.text().starts_with('-');
    let after_term = tokens.windows(2).filter(move |two| two[0].ends_term() && is_number(&two[1]));
    after_term.map(|two| (two[1].bytes.start + 1, " ".to_owned()))
}

/// `head {…} {…}` means `head {…} head {…}`.
fn heads(text: &str, tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = vec![];
    let mut depth = 0_usize;
    let mut rule = Rule::default();
    for (i, token) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|before| tokens.get(before));
        if depth == 0 {
            if starts_rule(before, token, &rule) {
                rule = Rule { start: i, ..Rule::default() };
            }
            match token.text() {
                "else" | "if" => rule.plain = false,
                "{" if before.is_some_and(Token::ends_term) => match rule.body {
                    Some(body) if rule.plain => {
                        found.push((token.bytes.start, head(text, &tokens[rule.start..body])));
                    }
                    Some(_) => {}
                    None => rule.body = Some(i),
                },
                _ => {}
            }
        }
        match token.text() {
            "(" | "[" | "{" | "set(" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    found
}

/// The rule that is read.
struct Rule {
    start: usize,
    /// Where its first body starts.
    body: Option<usize>,
    /// Neither `if` nor `else` was seen.
    plain: bool,
}

impl Default for Rule {
    fn default() -> Self {
        Self { start: 0, body: None, plain: true }
    }
}

fn starts_rule(before: Option<&Token>, token: &Token, rule: &Rule) -> bool {
    let starts =
        token.kind == TokenKind::Ident && !matches!(token.text(), "else" | "if" | "as" | "contains" | "in");
    let Some(before) = before else { return starts };
    let after_body = before.text() == "}" && rule.body.is_some();
    let default = token.text() != "default" && before.text() == "default";
    starts && !default && (after_body || before.span.line != token.span.line && before.ends_term())
}

/// The head on one line, without comments.
fn head(text: &str, tokens: &[Token]) -> String {
    let mut head = String::from(" ");
    let mut end = None;
    for token in tokens {
        if end.is_some_and(|end| end != token.bytes.start) {
            head.push(' ');
        }
        head.push_str(&text[token.bytes.clone()]);
        end = Some(token.bytes.end);
    }
    head + " "
}
