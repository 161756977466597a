//! Keywords that were names in Rego before 1.0, unless a module imports them. regorus takes some of them for keywords
//! all the same, warns on the standard error where it meets others, and calls its own function where a rule is named
//! `contains`. So they get names of their own here, in all modules alike; the keys of documents stay.

use std::collections::BTreeSet;

use super::token::{Fault, Token};

/// Those that came after Rego was in use.
pub const KEYWORDS: [&str; 4] = ["contains", "every", "if", "in"];

/// How a name begins that would be a keyword.
pub const PREFIX: &str = "__name_";

/// What to insert, and where.
pub fn rename(tokens: &[Token]) -> Result<Vec<(usize, String)>, Fault> {
    let imports = imports(tokens);
    let mut found = vec![];
    for keyword in KEYWORDS.into_iter().filter(|keyword| !is_imported(tokens, keyword)) {
        let builtin = keyword == "contains" && !is_defined(tokens, keyword) && !imports.contains(keyword);
        for (i, token) in tokens.iter().enumerate().filter(|(_, token)| token.text() == keyword) {
            let after = tokens.get(i + 1);
            if before(tokens, i).is_some_and(|before| before.text() == ".") {
                found.extend(is_rule(tokens, i, &imports).then(|| (token.bytes.start, PREFIX.to_owned())));
                continue;
            }
            if is_keyword(before(tokens, i), token, after) {
                let said = format!("rego_parse_error: `{keyword}` needs `import future.keywords.{keyword}`");
                return Err(Fault::new(token.span.line as usize, said));
            }
            if !(builtin && after.is_some_and(|after| after.text() == "(")) {
                found.push((token.bytes.start, PREFIX.to_owned()));
            }
        }
    }
    Ok(found)
}

fn before(tokens: &[Token], at: usize) -> Option<&Token> {
    tokens.get(at.checked_sub(1)?)
}

/// Whether a token is meant as a keyword: it stands where no name can.
fn is_keyword(before: Option<&Token>, token: &Token, after: Option<&Token>) -> bool {
    let joined = |other: &&Token| other.span.line == token.span.line;
    match token.text() {
        "every" => after
            .filter(joined)
            .is_some_and(|after| after.ends_term() && !matches!(after.text(), "]" | ")" | "}")),
        "contains" if after.is_some_and(|after| after.text() == "(") => false,
        _ => before.filter(joined).is_some_and(Token::ends_term),
    }
}

fn is_imported(tokens: &[Token], keyword: &str) -> bool {
    tokens.windows(4).enumerate().any(|(i, window)| {
        let path: Vec<_> = window.iter().map(Token::text).collect();
        let of = tokens.get(i + 4).filter(|dot| dot.text() == ".").and_then(|_| tokens.get(i + 5));
        // `every` brings the `in` that it needs.
        let brings = |of: &Token| of.text() == keyword || (of.text(), keyword) == ("every", "in");
        path == ["import", "future", ".", "keywords"] && of.is_none_or(brings)
    })
}

/// The names that imports give to what is below `data`.
fn imports(tokens: &[Token]) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for (i, _) in tokens.iter().enumerate().filter(|(_, token)| token.text() == "import") {
        let mut last = i + 1;
        while tokens.get(last + 1).is_some_and(|dot| dot.text() == ".") {
            last += 2;
        }
        if tokens.get(last + 1).is_some_and(|alias| alias.text() == "as") {
            last += 2;
        }
        let path = tokens.get(i + 1).filter(|root| root.text() == "data");
        found.extend(path.and_then(|_| tokens.get(last)).map(Token::text));
    }
    found
}

/// Whether a rule of the module has this name: it stands outside of all brackets, at the start of a line or behind a
/// body.
pub fn is_defined(tokens: &[Token], name: &str) -> bool {
    let mut depth = 0_usize;
    tokens.iter().enumerate().any(|(i, token)| {
        match token.text() {
            "(" | "[" | "{" | "set(" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let starts = before(tokens, i).is_none_or(|before| {
            before.span.line != token.span.line || matches!(before.text(), "}" | "default" | ";")
        });
        depth == 0 && starts && token.text() == name
    })
}

/// Whether a name behind a point is that of a rule or package: the reference begins with an import or with `data.lib`.
fn is_rule(tokens: &[Token], at: usize, imports: &BTreeSet<&str>) -> bool {
    let mut root = at;
    while before(tokens, root).is_some_and(|before| before.text() == ".") && root >= 2 {
        root -= 2;
    }
    match tokens[root].text() {
        "data" => tokens.get(root + 2).is_some_and(|lib| lib.text() == "lib"),
        "lib" => before(tokens, root).is_some_and(|before| before.text() == "package"),
        name => imports.contains(name),
    }
}
