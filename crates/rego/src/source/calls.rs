//! Calls that stand for operators: `eq(x, y)` is `x = y`, and `assign(x, y)` is `x := y`.

use regorus::Source;

use super::{closing, insert};
use crate::keywords::is_defined;
use crate::token::{self, Fault, Token, tokens};

/// Writes the calls that are statements as operators.
pub fn infix(source: &Source) -> Result<Source, Fault> {
    let tokens = tokens(source)?;
    let (mut text, mut insertions) = (source.contents().clone(), vec![]);
    for (name, operator) in [("eq", " = "), ("assign", " := ")] {
        if is_defined(&tokens, name) {
            continue;
        }
        for (i, call) in
            tokens.iter().enumerate().filter(|(i, call)| call.text() == name && is_statement(&tokens, *i))
        {
            let Some((comma, end)) = arguments(&tokens, i + 1) else { continue };
            for token in [call, &tokens[i + 1], &tokens[comma], &tokens[end]] {
                text.replace_range(token.bytes.clone(), &" ".repeat(token.bytes.len()));
            }
            insertions.push((tokens[comma].bytes.start, operator.to_owned()));
        }
    }
    insert(&token::source(&text)?, insertions)
}

fn is_statement(tokens: &[Token], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).and_then(|before| tokens.get(before)) else { return false };
    matches!(before.text(), "{" | ";" | "not" | "if" | "|")
        || before.ends_term() && before.span.line != tokens[at].span.line
}

/// The comma between the two arguments of a call that ends a statement, and its end.
fn arguments(tokens: &[Token], open: usize) -> Option<(usize, usize)> {
    let adjacent = |token: &Token| token.text() == "(" && token.bytes.start == tokens[open - 1].bytes.end;
    tokens.get(open).filter(|token| adjacent(token))?;
    let end = closing(tokens, open)?;
    let (mut depth, mut commas) = (0_usize, vec![]);
    for (i, token) in tokens.iter().enumerate().take(end).skip(open + 1) {
        match token.text() {
            "(" | "[" | "{" | "set(" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "," if depth == 0 => commas.push(i),
            _ => {}
        }
    }
    let next = tokens.get(end + 1);
    let ends = next.is_none_or(|next| {
        matches!(next.text(), "}" | ";" | "]" | "with") || next.span.line != tokens[end].span.line
    });
    match commas.as_slice() {
        [comma] if ends => Some((*comma, end)),
        _ => None,
    }
}
