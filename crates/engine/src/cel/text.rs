//! What is done to an expression before it is parsed.

/// How many brackets may be open at a time.
const DEEPEST: usize = 32;
/// How deep operators, fields and brackets together may nest.
const LONGEST: usize = 300;

/// What is added to the name of a macro that the parser would take in a form that Kubernetes does not have.
pub const UNEXPANDED: &str = "__";

/// The expression for the parser: without comments, and without the pairs of `!!` and `--`, which mean nothing in CEL
/// and of which the parser keeps only one.
///
/// # Errors
/// It is nested so deep that whoever walks its tree could run out of stack.
pub fn prepare(text: &str) -> Result<String, String> {
    let mut scanner =
        Scanner { rest: text, prepared: String::with_capacity(text.len()), after_operand: false };
    let mut depth = Depth::default();
    while let Some(token) = scanner.next() {
        depth.add(token);
        if depth.is_too_much() {
            return Err(format!(
                "is nested deeper than this engine goes: {DEEPEST} brackets, {LONGEST} operators and fields"
            ));
        }
    }
    Ok(scanner.prepared)
}

/// How deep the tree of what was read so far can be.
#[derive(Default)]
struct Depth {
    /// Of each bracket that is open: what was read of its outside.
    outer: Vec<Chain>,
    sum: usize,
    chain: Chain,
}

/// Operators that follow each other and nest.
#[derive(Clone, Copy, Default)]
struct Chain {
    operators: usize,
    /// What follows a `?` nests, whatever operators it has.
    choices: usize,
}

impl Chain {
    const fn len(self) -> usize {
        self.operators + self.choices
    }
}

impl Depth {
    fn add(&mut self, token: Token) {
        match token {
            Token::Open => {
                let chain = std::mem::take(&mut self.chain);
                self.sum += chain.len() + 1;
                self.outer.push(chain);
            }
            Token::Close => {
                self.chain = self.outer.pop().unwrap_or_default();
                self.sum = self.sum.saturating_sub(self.chain.len() + 1);
                self.chain.operators += 1;
            }
            Token::Comma => self.chain = Chain::default(),
            Token::Choice => self.chain = Chain { operators: 0, choices: self.chain.choices + 1 },
            Token::Logic => self.chain.operators = 0,
            Token::Operator => self.chain.operators += 1,
            Token::Other => {}
        }
    }

    fn is_too_much(&self) -> bool {
        self.outer.len() > DEEPEST || self.sum + self.chain.len() > LONGEST
    }
}

#[derive(Clone, Copy)]
enum Token {
    Open,
    Close,
    Comma,
    /// A part of `a ? b : c`.
    Choice,
    /// `&&` and `||`, whose operands stand beside each other in the tree.
    Logic,
    /// Any other operator.
    Operator,
    Other,
}

struct Scanner<'a> {
    rest: &'a str,
    prepared: String,
    /// Whether a `-` is a subtraction here.
    after_operand: bool,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<Token> {
        let first = self.rest.chars().next()?;
        if first == '/' && self.rest.starts_with("//") {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
            return Some(Token::Other);
        }
        if first.is_whitespace() {
            self.take(first.len_utf8());
            return Some(Token::Other);
        }
        let unary = first == '!' && !self.rest.starts_with("!=") || first == '-' && !self.after_operand;
        Some(if unary { self.signs(first) } else { self.token(first) })
    }

    fn token(&mut self, first: char) -> Token {
        let (token, operand) = match first {
            '"' | '\'' => return self.text(false),
            '`' => return self.quoted_name(),
            '(' | '[' | '{' => (Token::Open, false),
            ')' | ']' | '}' => (Token::Close, true),
            ',' => (Token::Comma, false),
            '?' | ':' => (Token::Choice, false),
            '&' | '|' => (Token::Logic, false),
            '.' | '+' | '-' | '*' | '/' | '%' | '<' | '>' | '=' | '!' => (Token::Operator, false),
            _ if first.is_alphanumeric() || first == '_' => return self.word(),
            _ => (Token::Other, false),
        };
        self.take(first.len_utf8());
        self.after_operand = operand;
        token
    }

    /// A run of one sign: an even number of them cancels out.
    fn signs(&mut self, sign: char) -> Token {
        let mut odd = false;
        while let Some(next) = self.rest.chars().next() {
            match next {
                _ if next == sign && !self.rest.starts_with("!=") => odd = !odd,
                _ if next.is_whitespace() => {}
                _ => break,
            }
            self.skip(next.len_utf8());
        }
        if odd {
            self.prepared.push(sign);
        }
        self.after_operand = false;
        Token::Operator
    }

    /// A name, a number, a keyword, or the prefix of a text.
    fn word(&mut self) -> Token {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, after) = self.rest.split_at(end);
        let prefix = word.to_lowercase();
        if after.starts_with(['"', '\'']) && ["r", "b", "br"].contains(&prefix.as_str()) {
            let raw = prefix.ends_with('r');
            // A raw text in three quotes is written without them, and then it is not raw.
            let kept = if raw && is_tripled(after) { end - 1 } else { end };
            self.prepared.push_str(&word[..kept]);
            self.skip(end);
            return self.text(raw);
        }
        let is_operator = word == "in";
        self.take(end);
        if word == "existsOne" && after.trim_start().starts_with('(') {
            self.prepared.push_str(UNEXPANDED);
        }
        self.after_operand = !is_operator;
        if is_operator { Token::Operator } else { Token::Other }
    }

    /// A text with its quotes. One that does not end goes to the end: the parser will say so.
    fn text(&mut self, raw: bool) -> Token {
        let tripled = is_tripled(self.rest);
        let quote = self.rest[..if tripled { 3 } else { 1 }].to_owned();
        let mut end = quote.len();
        let mut closed = false;
        while let Some(next) = self.rest[end..].chars().next() {
            if self.rest[end..].starts_with(&quote) {
                closed = true;
                break;
            }
            end += next.len_utf8();
            if next == '\\' && !raw {
                end += self.rest[end..].chars().next().map_or(0, char::len_utf8);
            }
        }
        if tripled && closed {
            let inside = untripled(&self.rest[3..end], &quote[..1], raw);
            self.prepared.push_str(&inside);
            self.skip(end + 3);
        } else {
            self.take(if closed { end + quote.len() } else { end });
        }
        self.after_operand = true;
        Token::Other
    }

    fn quoted_name(&mut self) -> Token {
        let end = self.rest[1..].find('`').map_or(self.rest.len(), |end| end + 2);
        self.take(end);
        self.after_operand = true;
        Token::Other
    }

    fn take(&mut self, length: usize) {
        self.prepared.push_str(&self.rest[..length]);
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        self.rest = &self.rest[length..];
    }
}

fn is_tripled(text: &str) -> bool {
    text.starts_with("\"\"\"") || text.starts_with("'''")
}

/// The text between three quotes, between one: the parser does not read three.
fn untripled(inside: &str, quote: &str, raw: bool) -> String {
    let mut text = quote.to_owned();
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if raw => text.push_str("\\\\"),
            '\\' => {
                text.push(c);
                text.extend(chars.next());
            }
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            _ if quote.starts_with(c) => text.extend(['\\', c]),
            _ => text.push(c),
        }
    }
    text + quote
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::prepare;

    #[rstest]
    #[case("!!x", "x")]
    #[case("! ! !x", "!x")]
    #[case("--x", "x")]
    #[case("---x", "-x")]
    #[case("a - -b", "a - -b")]
    #[case("a---b", "a-b")]
    #[case("a--b", "a--b")]
    #[case("(a)--b", "(a)--b")]
    #[case("a in --b", "a in b")]
    #[case("x != !!y", "x != y")]
    #[case("'!!' + \"--\" == r'\\'", "'!!' + \"--\" == r'\\'")]
    #[case("'''it's --''' == b'--'", "'it\\'s --' == b'--'")]
    #[case(
        "r'''a\\b
c'''",
        "'a\\\\b\\nc'"
    )]
    #[case("x.existsOne (i, v, true)", "x.existsOne__ (i, v, true)")]
    #[case("'\\'--' == a", "'\\'--' == a")]
    #[case("// it's\n!!a // --", "\na ")]
    #[case("`--`", "`--`")]
    fn pairs_of_signs_and_comments_are_left_out(#[case] text: &str, #[case] prepared: &str) {
        assert_eq!(prepare(text).as_deref(), Ok(prepared));
    }

    #[rstest]
    #[case("// it's\n[")]
    #[case("r'\\' == [")]
    #[case("'''it's''' == (")]
    #[case("!")]
    #[case("x.")]
    #[case("1 + ")]
    #[case("x in ")]
    #[case("x ? 1 : ")]
    fn what_nests_too_deep_is_refused(#[case] piece: &str) {
        assert!(prepare(&piece.repeat(30)).is_ok());
        let nested = if piece == "!" { "(!".repeat(1_000) } else { piece.repeat(1_000) };
        assert!(prepare(&nested).is_err());
    }

    #[test]
    fn long_conditions_are_taken() {
        assert!(prepare(&"object.spec.a.b == 1 && ".repeat(1_000)).is_ok());
        assert!(prepare(&format!("[{}]", "object.spec.a.b == 1, ".repeat(1_000))).is_ok());
    }
}
