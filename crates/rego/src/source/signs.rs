//! The sign of numbers and names.

use regorus::Source;
use regorus::unstable::TokenKind;

use super::{closing, insert};
use crate::token::{self, Fault, Token, tokens};

/// Before a term, `- 5` is the number -5, and `-x + 3` is `(0 - x) + 3`; regorus would take the sign of the sum.
pub fn bind(source: &Source) -> Result<Source, Fault> {
    let tokens = tokens(source)?;
    let (mut text, mut insertions) = (source.contents().clone(), vec![]);
    let starts_term = |i: usize| i.checked_sub(1).is_none_or(|before| !tokens[before].ends_term());
    for (i, minus) in tokens.iter().enumerate().filter(|(i, minus)| minus.text() == "-" && starts_term(*i)) {
        let line = minus.span.line as usize;
        match tokens.get(i + 1) {
            Some(number) if number.kind == TokenKind::Number && !number.text().starts_with('-') => {
                text.replace_range(minus.bytes.clone(), " ");
                insertions.push((number.bytes.start, "-".to_owned()));
            }
            Some(name)
                if name.kind == TokenKind::Ident && (name.ends_reference() || name.text() == "contains") =>
            {
                insertions.push((minus.bytes.start, "(0 ".to_owned()));
                insertions.push((tokens[reference_end(&tokens, i + 1)].bytes.end, ")".to_owned()));
            }
            Some(other) => {
                let said = format!("rego_parse_error: unexpected {} token: expected number", other.text());
                return Err(Fault::new(line, said));
            }
            None => return Err(Fault::new(line, "rego_parse_error: unexpected eof token: expected number")),
        }
    }
    insert(&token::source(&text)?, insertions)
}

/// The last token of the reference or call that starts here: `a.b[c](d)`.
fn reference_end(tokens: &[Token], start: usize) -> usize {
    let mut end = start;
    while let Some(next) = tokens.get(end + 1).filter(|next| next.bytes.start == tokens[end].bytes.end) {
        match next.text() {
            "." if end + 2 < tokens.len() => end += 2,
            "[" | "(" => match closing(tokens, end + 1) {
                Some(closing) => end = closing,
                None => break,
            },
            _ => break,
        }
    }
    end
}
