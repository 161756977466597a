//! Heads of rules in Rego before 1.0.

use regorus::Source;
use regorus::unstable::TokenKind;

use super::{closing, insert};
use crate::token::{self, Fault, Token, tokens};

/// `head {…} {…}` means `head {…} head {…}`.
pub fn repeated(text: &str, tokens: &[Token]) -> Vec<(usize, String)> {
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

/// Without a value `p.q {…}` means `p["q"] {…}`, and `p.q[x] {…}` means `p.q[x] = true {…}`.
pub fn dotted(source: &Source) -> Result<Source, Fault> {
    let tokens = tokens(source)?;
    let (mut text, mut insertions) = (source.contents().clone(), vec![]);
    for start in starts(&tokens) {
        let (parts, end) = parts(&tokens, start);
        if tokens.get(end + 1).is_none_or(|next| next.text() != "{") {
            continue;
        }
        match (parts, &tokens[start + 1]) {
            (2, dot) if dot.text() == "." => {
                text.replace_range(dot.bytes.clone(), "[");
                insertions.push((tokens[end].bytes.start, "\"".to_owned()));
                insertions.push((tokens[end].bytes.end, "\"]".to_owned()));
            }
            (3.., _) => insertions.push((tokens[end].bytes.end, " = true".to_owned())),
            _ => {}
        }
    }
    insert(&token::source(&text)?, insertions)
}

/// Where rules begin that are no defaults.
fn starts(tokens: &[Token]) -> Vec<usize> {
    let (mut found, mut depth, mut rule) = (vec![], 0_usize, Rule::default());
    for (i, token) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|before| tokens.get(before));
        if depth == 0 {
            if starts_rule(before, token, &rule) {
                rule = Rule { start: i, ..Rule::default() };
                found.push(i);
            }
            if token.text() == "{" && before.is_some_and(Token::ends_term) {
                rule.body = rule.body.or(Some(i));
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

/// How many parts the name of a rule has, and its last token.
fn parts(tokens: &[Token], start: usize) -> (usize, usize) {
    let (mut parts, mut end) = (1, start);
    while let Some(next) = tokens.get(end + 1).filter(|next| next.bytes.start == tokens[end].bytes.end) {
        match (next.text(), closing(tokens, end + 1)) {
            (".", _) if end + 2 < tokens.len() => end += 2,
            ("[", Some(closing)) => end = closing,
            _ => break,
        }
        parts += 1;
    }
    (parts, end)
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
