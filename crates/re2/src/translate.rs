//! From RE2's syntax to that of Rust's `regex`.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

use super::property;

/// Why RE2 refuses a pattern, in Go's words.
type Reason = &'static str;

const PERL: Reason = "invalid or unsupported Perl syntax";
const ESCAPE: Reason = "invalid escape sequence";
const CLASS: Reason = "missing closing ]";
const RANGE: Reason = "invalid character class range";
const COUNT: Reason = "invalid repeat count";

/// How often something may be repeated, by all `{n}` around it together.
const MOST: usize = 1000;

/// The same pattern in the syntax of Rust's `regex`.
///
/// # Errors
/// Why RE2 refuses it.
pub fn translate(pattern: &str) -> Result<String, Reason> {
    let mut translator = Translator {
        rest: pattern.chars().peekable(),
        out: String::new(),
        before: Before::Nothing,
        repeats: 1,
        open: vec![],
    };
    while let Some(c) = translator.rest.next() {
        translator.item(c)?;
    }
    if translator.open.is_empty() { Ok(translator.out) } else { Err("missing closing )") }
}

/// What stands before a place in a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing that could be repeated.
    Nothing,
    /// What may be repeated.
    Item,
    /// What is repeated already.
    Repeated,
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    before: Before,
    /// How often the item before is repeated at most, by the `{n}` in it.
    repeats: usize,
    /// Of each open group, how often an item in it is repeated at most.
    open: Vec<usize>,
}

impl Translator<'_> {
    fn item(&mut self, c: char) -> Result<(), Reason> {
        match c {
            '*' | '+' | '?' => return self.repeat(&c.to_string()),
            '{' => match self.bounds()?.as_str() {
                "" => self.out.push_str("\\{"),
                bounds => return self.repeat(bounds),
            },
            '(' => return self.open(),
            ')' => return self.close(),
            '|' => {
                self.out.push(c);
                self.before = Before::Nothing;
                return Ok(());
            }
            '\\' => self.escape()?,
            '[' => self.class()?,
            '.' | '^' | '$' => self.out.push(c),
            _ => literal(c, &mut self.out),
        }
        (self.before, self.repeats) = (Before::Item, 1);
        Ok(())
    }

    fn open(&mut self) -> Result<(), Reason> {
        self.before = Before::Nothing;
        if self.rest.peek() == Some(&'?') {
            if self.group()? {
                self.open.push(1);
            }
            return Ok(());
        }
        self.out.push('(');
        self.open.push(1);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Reason> {
        self.repeats = self.open.pop().ok_or("unexpected )")?;
        self.out.push(')');
        self.before = Before::Item;
        self.inside(self.repeats);
        Ok(())
    }

    /// Tells the group around an item how often that is repeated.
    fn inside(&mut self, repeats: usize) {
        if let Some(most) = self.open.last_mut() {
            *most = repeats.max(*most);
        }
    }

    fn repeat(&mut self, operator: &str) -> Result<(), Reason> {
        match std::mem::replace(&mut self.before, Before::Repeated) {
            Before::Nothing => return Err("missing argument to repetition operator"),
            Before::Repeated => return Err("invalid nested repetition operator"),
            Before::Item => {}
        }
        let bounds = operator.trim_matches(['{', '}']).split(',').filter_map(|bound| bound.parse().ok());
        self.repeats *= bounds.max().filter(|most| *most > 0).unwrap_or(1);
        if self.repeats > MOST {
            return Err(COUNT);
        }
        self.inside(self.repeats);
        self.out.push_str(operator);
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        Ok(())
    }

    /// `{2}`, `{2,}`, `{2,3}` up to 1,000; an empty text if it is none of them.
    fn bounds(&mut self) -> Result<String, Reason> {
        let ahead: String = self.rest.clone().take_while(|c| *c != '}').collect();
        let closed = self.rest.clone().nth(ahead.chars().count()) == Some('}');
        let (least, most) =
            ahead.split_once(',').map_or((ahead.as_str(), None), |(least, most)| (least, Some(most)));
        let is_number = |text: &str| {
            text.bytes().all(|c| c.is_ascii_digit())
                && !text.is_empty()
                && (text.len() == 1 || !text.starts_with('0'))
        };
        if !closed || !is_number(least) || !most.is_none_or(|most| most.is_empty() || is_number(most)) {
            return Ok(String::new());
        }
        let bound = |text: &str| text.parse::<usize>().ok().filter(|bound| *bound <= MOST).ok_or(COUNT);
        let least = bound(least)?;
        if let Some(most) = most.filter(|most| !most.is_empty())
            && bound(most)? < least
        {
            return Err(COUNT);
        }
        self.rest.nth(ahead.chars().count());
        Ok(format!("{{{ahead}}}"))
    }

    /// `(?i:`, `(?:`, `(?P<name>`, `(?<name>`; `(?i)` opens no group.
    fn group(&mut self) -> Result<bool, Reason> {
        self.rest.next();
        let ahead: String = self.rest.clone().take_while(|c| !matches!(c, ')' | ':' | '>')).collect();
        let close = self.rest.clone().nth(ahead.chars().count()).ok_or("missing closing )")?;
        let looks_behind = ahead.starts_with("<=") || ahead.starts_with("<!");
        let named = ahead.strip_prefix("P<").or_else(|| ahead.strip_prefix('<').filter(|_| !looks_behind));
        let is_word =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let flags = ahead.strip_suffix('-').is_none() && ahead.chars().all(|c| "imsU-".contains(c));
        match (named, close) {
            (Some(name), '>') if is_word(name) => drop(write!(self.out, "(?P<{name}>")),
            (Some(_), _) => return Err("invalid named capture"),
            (None, ')') if flags && ahead.is_empty() => self.out.push_str("(?:)"),
            (None, ')' | ':') if flags && ahead.matches('-').count() <= 1 => {
                let _ = write!(self.out, "(?{ahead}{close}");
            }
            _ => return Err(PERL),
        }
        self.rest.nth(ahead.chars().count());
        Ok(close != ')')
    }

    fn escape(&mut self) -> Result<(), Reason> {
        match self.rest.next().ok_or("trailing backslash at end of expression")? {
            'A' => self.out.push_str("\\A"),
            'z' => self.out.push_str("\\z"),
            'b' => self.out.push_str("(?-u:\\b)"),
            'B' => self.out.push_str("(?-u:\\B)"),
            'Q' => self.quoted(),
            'p' => return self.property('p'),
            'P' => return self.property('P'),
            class @ ('d' | 'D' | 's' | 'S' | 'w' | 'W') => drop(write!(self.out, "[{}]", ascii(class))),
            c => {
                let c = self.character(c)?;
                literal(c, &mut self.out);
            }
        }
        Ok(())
    }

    fn quoted(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            literal(c, &mut self.out);
        }
    }

    fn property(&mut self, letter: char) -> Result<(), Reason> {
        let name: String = match self.rest.next().ok_or(RANGE)? {
            '{' if !self.rest.clone().any(|c| c == '}') => return Err(RANGE),
            '{' => self.rest.by_ref().take_while(|c| *c != '}').collect(),
            c => c.to_string(),
        };
        let (letter, name) = match (name.strip_prefix('^'), letter) {
            (Some(name), 'p') => ('P', name),
            (Some(name), _) => ('p', name),
            (None, letter) => (letter, name.as_str()),
        };
        self.out.push_str(&property::class(letter, name).ok_or(RANGE)?);
        Ok(())
    }

    /// The character that an escape stands for.
    fn character(&mut self, c: char) -> Result<char, Reason> {
        Ok(match c {
            'a' => '\u{7}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => return self.hexadecimal().ok_or(ESCAPE),
            '0'..='7' => return self.octal(c).ok_or(ESCAPE),
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
            _ => return Err(ESCAPE),
        })
    }

    fn hexadecimal(&mut self) -> Option<char> {
        let digits: String = match self.rest.next()? {
            '{' => self.rest.by_ref().take_while(|c| *c != '}').collect(),
            first => [first, self.rest.next()?].into_iter().collect(),
        };
        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
    }

    /// One digit other than 0 alone would refer back, which RE2 cannot.
    fn octal(&mut self, first: char) -> Option<char> {
        let mut code = first.to_digit(8)?;
        if first != '0' && !self.rest.peek().is_some_and(|c| c.is_digit(8)) {
            return None;
        }
        for _ in 0..2 {
            match self.rest.next_if(|c| c.is_digit(8)) {
                Some(digit) => code = code * 8 + digit.to_digit(8)?,
                None => break,
            }
        }
        char::from_u32(code)
    }

    fn class(&mut self) -> Result<(), Reason> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let c = self.rest.next().ok_or(CLASS)?;
            match c {
                ']' if !first => break,
                '[' if self.rest.peek() == Some(&':') && self.named_class()? => {}
                '\\' if self.class_escape()? => {}
                _ => self.range(c)?,
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// `[:alpha:]`; without `:]` it is not meant so.
    fn named_class(&mut self) -> Result<bool, Reason> {
        let ahead: String = self.rest.clone().skip(1).take_while(|c| *c != ']').collect();
        let Some(name) = ahead.strip_suffix(':') else { return Ok(false) };
        if !NAMED.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(RANGE);
        }
        let _ = write!(self.out, "[:{name}:]");
        self.rest.nth(ahead.chars().count() + 1);
        Ok(true)
    }

    fn class_escape(&mut self) -> Result<bool, Reason> {
        let Some(class) = self.rest.next_if(|c| "dDsSwWpP".contains(*c)) else { return Ok(false) };
        match class {
            'p' | 'P' => self.property(class)?,
            _ => drop(write!(self.out, "[{}]", ascii(class))),
        }
        Ok(true)
    }

    fn range(&mut self, first: char) -> Result<(), Reason> {
        let low = self.class_character(first)?;
        literal(low, &mut self.out);
        let mut ahead = self.rest.clone();
        if ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']') {
            self.rest.next();
            let high = self.rest.next().ok_or(CLASS)?;
            let high = Some(self.class_character(high)?).filter(|high| *high >= low).ok_or(RANGE)?;
            self.out.push('-');
            literal(high, &mut self.out);
        }
        Ok(())
    }

    fn class_character(&mut self, c: char) -> Result<char, Reason> {
        if c != '\\' {
            return Ok(c);
        }
        let c = self.rest.next().ok_or(CLASS)?;
        self.character(c)
    }
}

/// The classes that are named by words.
const NAMED: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// The classes that are ASCII in RE2.
fn ascii(class: char) -> &'static str {
    match class {
        'd' => "0-9",
        'D' => "^0-9",
        's' => "\\t\\n\\f\\r ",
        'S' => "^\\t\\n\\f\\r ",
        'w' => "0-9A-Za-z_",
        _ => "^0-9A-Za-z_",
    }
}

fn literal(c: char, out: &mut String) {
    if c.is_ascii() && !c.is_ascii_alphanumeric() {
        let _ = write!(out, "\\x{:02x}", u32::from(c));
    } else {
        out.push(c);
    }
}
