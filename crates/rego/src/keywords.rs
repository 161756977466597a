//! Keywords that were names in Rego before 1.0, unless a module imports them. regorus warns on the standard error where
//! it meets such a name.

use super::token::{Fault, Token};

const KEYWORDS: [&str; 3] = ["every", "if", "in"];

/// How a name begins that would be a keyword.
const PREFIX: &str = "__name_";

/// What to insert, and where, so that such names are like all others. The keys of documents stay.
pub fn rename(tokens: &[Token]) -> Result<Vec<(usize, String)>, Fault> {
    let mut found = vec![];
    for keyword in KEYWORDS.into_iter().filter(|keyword| !is_imported(tokens, keyword)) {
        for (i, token) in tokens.iter().enumerate().filter(|(_, token)| token.text() == keyword) {
            let before = i.checked_sub(1).and_then(|before| tokens.get(before));
            if before.is_some_and(|before| before.text() == ".") {
                continue;
            }
            if is_keyword(before, token, tokens.get(i + 1)) {
                let said = format!("rego_parse_error: `{keyword}` needs `import future.keywords.{keyword}`");
                return Err((token.span.line as usize, said));
            }
            found.push((token.bytes.start, PREFIX.to_owned()));
        }
    }
    Ok(found)
}

/// Whether a token is meant as a keyword: it stands where no name can.
fn is_keyword(before: Option<&Token>, token: &Token, after: Option<&Token>) -> bool {
    let joined = |other: &&Token| other.span.line == token.span.line;
    match token.text() {
        "every" => after
            .filter(joined)
            .is_some_and(|after| after.ends_term() && !matches!(after.text(), "]" | ")" | "}")),
        _ => before.filter(joined).is_some_and(Token::ends_term),
    }
}

fn is_imported(tokens: &[Token], keyword: &str) -> bool {
    tokens.windows(4).enumerate().any(|(i, window)| {
        let path: Vec<_> = window.iter().map(Token::text).collect();
        let of = tokens.get(i + 4).filter(|dot| dot.text() == ".").and_then(|_| tokens.get(i + 5));
        path == ["import", "future", ".", "keywords"] && of.is_none_or(|of| of.text() == keyword)
    })
}
