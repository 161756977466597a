//! Numbers and texts that OPA's scanner reads and regorus's does not: `.5`, and template strings. No line moves.

use super::RegoVersion;
use super::token::Fault;

/// The variable that has the value of a part of a template string.
pub const TEMPLATE: &str = "__template__";

/// How many template strings may stand inside of each other.
const DEEPEST: usize = 8;

/// The text with `0.5` for `.5`, and calls of `sprintf` for template strings.
///
/// # Errors
/// Numbers that OPA or this engine does not take, and template strings where OPA has none.
pub fn rewrite(text: &str, version: RegoVersion) -> Result<String, Fault> {
    let mut reader =
        Reader { rest: text, line: 1, out: String::with_capacity(text.len()), depth: 0, version };
    reader.code(false)?;
    Ok(reader.out)
}

struct Reader<'t> {
    rest: &'t str,
    line: usize,
    out: String,
    depth: usize,
    version: RegoVersion,
}

impl Reader<'_> {
    fn fault(&self, said: &str) -> Fault {
        Fault::new(self.line, format!("rego_parse_error: {said}"))
    }

    /// The next character, which is read.
    fn next(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn keep(&mut self) {
        let next = self.next();
        self.out.extend(next);
    }

    fn keep_while(&mut self, is_part: impl Fn(char) -> bool) {
        while self.rest.starts_with(&is_part) {
            self.keep();
        }
    }

    /// Reads to the end or, inside of a template string, to the brace that ends the expression.
    fn code(&mut self, inside: bool) -> Result<(), Fault> {
        let mut open = 0_usize;
        while let Some(next) = self.rest.chars().next() {
            match next {
                '"' | '`' => self.quoted(next),
                '#' => self.keep_while(|c| c != '\n'),
                '$' if self.rest[1..].starts_with(['"', '`']) => self.template()?,
                '.' if self.starts_fraction() => {
                    self.out.push('0');
                    self.number()?;
                }
                '0'..='9' => self.number()?,
                '}' if inside && open == 0 => return Ok(()),
                _ if is_word(next) => self.keep_while(is_word),
                _ => {
                    open = if next == '{' { open + 1 } else { open.saturating_sub(usize::from(next == '}')) };
                    self.keep();
                }
            }
        }
        Ok(())
    }

    fn quoted(&mut self, quote: char) {
        self.keep();
        while let Some(next) = self.rest.chars().next() {
            self.keep();
            if next == quote {
                return;
            }
            if next == '\\' && quote == '"' {
                self.keep();
            }
        }
    }

    fn starts_fraction(&self) -> bool {
        let after_term = |c: char| is_word(c) || matches!(c, ']' | ')' | '}' | '"' | '`');
        self.rest[1..].starts_with(|c: char| c.is_ascii_digit()) && !self.out.ends_with(after_term)
    }

    fn number(&mut self) -> Result<(), Fault> {
        let start = self.out.len();
        let digits = |c: char| c.is_ascii_digit();
        self.keep_while(digits);
        let after = |rest: &str, at: usize| rest.get(at..).is_some_and(|rest| rest.starts_with(digits));
        if self.rest.starts_with('.') && after(self.rest, 1) {
            self.keep();
            self.keep_while(digits);
        }
        if self.rest.starts_with(['e', 'E']) {
            let sign = usize::from(self.rest[1..].starts_with(['+', '-']));
            if after(self.rest, 1 + sign) {
                (0..=sign).for_each(|_| self.keep());
                self.keep_while(digits);
            }
        }
        if self.out[start..].split(['e', 'E']).next().is_some_and(is_zero) {
            // Whatever its exponent is, which regorus would compute.
            self.out.truncate(start);
            self.out.push('0');
            return Ok(());
        }
        self.check_size(&self.out[start..])
    }

    /// OPA takes numbers of 100,000 binary digits, and this engine those that a double can be.
    fn check_size(&self, number: &str) -> Result<(), Fault> {
        let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        let exponent: f64 = exponent.parse().unwrap_or_default();
        let whole = digits.split('.').next().unwrap_or_default().trim_start_matches('0');
        let fraction = digits.split('.').nth(1).unwrap_or_default();
        let zeros = fraction.len() - fraction.trim_start_matches('0').len();
        // The power of ten of the first digit that is not zero.
        #[expect(
            clippy::cast_precision_loss,
            reason = "a module has fewer characters than a double is exact"
        )]
        let first = if whole.is_empty() { -1.0 - zeros as f64 } else { whole.len() as f64 - 1.0 };
        let power = first + exponent;
        if !(-30_103.0..=30_102.0).contains(&power) {
            return Err(self.fault("number too big"));
        }
        if number.parse::<f64>().is_ok_and(f64::is_infinite) {
            return Err(Fault::limit(self.line, "this engine does not know numbers beyond 1.7e308"));
        }
        Ok(())
    }

    /// `$"a {x}"` is `sprintf("a %v", …)` of the value of `x` or, where it is undefined, of `<undefined>`.
    fn template(&mut self) -> Result<(), Fault> {
        if self.version == RegoVersion::V0 {
            return Err(self.fault("template strings are not supported: they need Rego v1"));
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            let said = format!("template strings are nested deeper than this engine goes: {DEEPEST}");
            return Err(Fault::limit(self.line, said));
        }
        self.next();
        let quote = self.next().unwrap_or_default();
        let mut values = vec![];
        self.out.push_str("sprintf(");
        self.out.push(quote);
        loop {
            match self.next() {
                Some(end) if end == quote => break,
                Some('{') => values.push(self.part()?),
                Some('%') => self.out.push_str("%%"),
                Some('\\') => self.escape(quote),
                None | Some('\n') if quote == '"' || self.rest.is_empty() => {
                    return Err(self.fault("non-terminated string"));
                }
                other => self.out.extend(other),
            }
        }
        self.depth -= 1;
        self.out.push(quote);
        self.out.push_str(", [");
        self.out.push_str(&values.join(", "));
        self.out.push_str("])");
        Ok(())
    }

    /// `\{` is a brace.
    fn escape(&mut self, quote: char) {
        if self.rest.starts_with('{') {
            return self.keep();
        }
        self.out.push('\\');
        if quote == '"' {
            self.keep();
        }
    }

    /// The expression of a template string, with a comprehension that has it or nothing.
    fn part(&mut self) -> Result<String, Fault> {
        let before = std::mem::take(&mut self.out);
        let read = self.code(true);
        let expression = std::mem::replace(&mut self.out, before);
        read?;
        if self.next() != Some('}') || expression.trim().is_empty() {
            return Err(self.fault("invalid template-string expression"));
        }
        self.out.push_str("%v");
        Ok(format!("object.get({{0: {TEMPLATE} | {TEMPLATE} := {expression}}}, 0, \"<undefined>\")"))
    }
}

/// Whether digits are those of zero; `00` is no number.
fn is_zero(digits: &str) -> bool {
    digits.starts_with("0.") && digits.trim_start_matches(['0', '.']).is_empty() || digits == "0"
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
