//! From a module's text to its syntax tree: what OPA's grammar allows and regorus's parser does not is rewritten before
//! it is parsed. No line moves.

mod calls;
mod heads;
mod signs;

use regorus::Source;
use regorus::unstable::{Module, Parser, TokenKind};

use super::RegoVersion;
use super::keywords;
use super::literals;
use super::token::{self, Fault, MAX_COLUMN, Token, fault, tokens};

/// Parses a module.
pub fn parse(text: &str, version: RegoVersion) -> Result<Module, Fault> {
    if text.trim().is_empty() {
        return Err(Fault::new(0, "the module is empty"));
    }
    let mut source = token::source(&literals::rewrite(text, version)?)?;
    let read = tokens(&source)?;
    check_depth(&read)?;
    negated_bodies(&read)?;
    if version == RegoVersion::V0 {
        source = insert(&source, keywords::rename(&read)?)?;
    }
    source = signs::bind(&source)?;
    source = calls::infix(&source)?;
    if version == RegoVersion::V0 {
        source = heads::dotted(&source)?;
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
        insertions.extend(heads::repeated(source.contents(), &tokens));
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

/// `import future.keywords.not` gives `not {…}` a body.
fn negated_bodies(tokens: &[Token]) -> Result<(), Fault> {
    let path = ["import", "future", ".", "keywords", ".", "not"];
    if !tokens.windows(path.len()).any(|window| window.iter().map(Token::text).eq(path)) {
        return Ok(());
    }
    match tokens.windows(2).find(|two| two[0].text() == "not" && two[1].text() == "{") {
        Some(two) => {
            let said = "this engine does not know bodies behind `not`, which `future.keywords.not` brings";
            Err(Fault::limit(two[0].span.line as usize, said))
        }
        None => Ok(()),
    }
}

/// After a term, on whatever line, `-3 * x` is subtracted; regorus would subtract the number alone.
fn differences(tokens: &[Token]) -> impl Iterator<Item = (usize, String)> {
    let is_number = |token: &Token| token.kind == TokenKind::Number && token.text().starts_with('-');
    let after_term = tokens.windows(2).filter(move |two| two[0].ends_term() && is_number(&two[1]));
    after_term.map(|two| (two[1].bytes.start + 1, " ".to_owned()))
}

/// The bracket that closes this one.
fn closing(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    tokens.iter().enumerate().skip(open).find_map(|(i, token)| {
        match token.text() {
            "(" | "[" | "{" | "set(" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0).then_some(i)
    })
}
