//! From RE2's syntax to that of Rust's `regex`.

use std::fmt::Write;
use std::ops::Range;
use std::str::Chars;

use super::property;

/// Why RE2 refuses a pattern, in Go's words.
type Reason = &'static str;

/// What is wrong, and which bytes of the pattern Go names.
pub type Fault = (Reason, Range<usize>);

const PERL: Reason = "invalid or unsupported Perl syntax";
const ESCAPE: Reason = "invalid escape sequence";
const CLASS: Reason = "missing closing ]";
const RANGE: Reason = "invalid character class range";
const COUNT: Reason = "invalid repeat count";
const OPEN: Reason = "missing closing )";

/// How often something may be repeated, by all `{n}` around it together.
const MOST: usize = 1000;

/// The same pattern in the syntax of Rust's `regex`.
///
/// # Errors
/// Why RE2 refuses it.
pub fn translate(pattern: &str) -> Result<String, Fault> {
    let mut translator = Translator {
        whole: pattern.len(),
        rest: Rest(pattern.chars()),
        out: String::new(),
        before: Before::Nothing,
        repeats: 1,
        open: vec![],
        begin: 0,
    };
    while let Some(c) = translator.rest.peek() {
        translator.begin = translator.at();
        translator.rest.next();
        translator.item(c)?;
    }
    if translator.open.is_empty() { Ok(translator.out) } else { Err((OPEN, 0..pattern.len())) }
}

/// What is left of a pattern.
#[derive(Clone)]
struct Rest<'a>(Chars<'a>);

impl Rest<'_> {
    fn peek(&self) -> Option<char> {
        self.0.clone().next()
    }

    fn next(&mut self) -> Option<char> {
        self.0.next()
    }

    fn next_if(&mut self, fits: impl FnOnce(char) -> bool) -> Option<char> {
        let c = self.peek().filter(|c| fits(*c))?;
        self.0.next();
        Some(c)
    }

    fn skip(&mut self, count: usize) {
        self.0.by_ref().take(count).for_each(drop);
    }

    /// The characters up to the first that ends them, or up to the end.
    fn until(&self, ends: impl Fn(char) -> bool) -> String {
        self.0.clone().take_while(|c| !ends(*c)).collect()
    }
}

/// What stands before a place in a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing that could be repeated.
    Nothing,
    /// What may be repeated.
    Item,
    /// What is repeated already, since this byte.
    Repeated(usize),
}

struct Translator<'a> {
    /// How many bytes the pattern has.
    whole: usize,
    rest: Rest<'a>,
    out: String,
    before: Before,
    /// How often the item before is repeated at most, by the `{n}` in it.
    repeats: usize,
    /// Of each open group, how often an item in it is repeated at most.
    open: Vec<usize>,
    /// Where the item begins that is read.
    begin: usize,
}

impl Translator<'_> {
    /// The byte that is read next.
    fn at(&self) -> usize {
        self.whole - self.rest.0.as_str().len()
    }

    /// What is wrong with what was read of the item.
    fn fault(&self, reason: Reason) -> Fault {
        (reason, self.begin..self.at())
    }

    fn item(&mut self, c: char) -> Result<(), Fault> {
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

    fn open(&mut self) -> Result<(), Fault> {
        self.before = Before::Nothing;
        if self.rest.peek() == Some('?') {
            if self.group()? {
                self.open.push(1);
            }
            return Ok(());
        }
        self.out.push('(');
        self.open.push(1);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        self.repeats = self.open.pop().ok_or(("unexpected )", 0..self.whole))?;
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

    fn repeat(&mut self, operator: &str) -> Result<(), Fault> {
        let end = self.at();
        let lazy = self.rest.next_if(|c| c == '?').is_some();
        match std::mem::replace(&mut self.before, Before::Repeated(self.begin)) {
            Before::Nothing => return Err(("missing argument to repetition operator", self.begin..end)),
            Before::Repeated(first) => {
                return Err(("invalid nested repetition operator", first..self.at()));
            }
            Before::Item => {}
        }
        let bounds = operator.trim_matches(['{', '}']).split(',').filter_map(|bound| bound.parse().ok());
        self.repeats *= bounds.max().filter(|most| *most > 0).unwrap_or(1);
        if self.repeats > MOST {
            return Err(self.fault(COUNT));
        }
        self.inside(self.repeats);
        self.out.push_str(operator);
        if lazy {
            self.out.push('?');
        }
        Ok(())
    }

    /// `{2}`, `{2,}`, `{2,3}` up to 1,000; an empty text if it is none of them.
    fn bounds(&mut self) -> Result<String, Fault> {
        let ahead = self.rest.until(|c| c == '}');
        let closed = self.rest.0.as_str()[ahead.len()..].starts_with('}');
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
        self.rest.skip(ahead.chars().count() + 1);
        let bound = |text: &str| text.parse::<usize>().ok().filter(|bound| *bound <= MOST);
        let least = bound(least).ok_or_else(|| self.fault(COUNT))?;
        if let Some(most) = most.filter(|most| !most.is_empty())
            && bound(most).is_none_or(|most| most < least)
        {
            return Err(self.fault(COUNT));
        }
        Ok(format!("{{{ahead}}}"))
    }

    /// `(?i:`, `(?:`, `(?P<name>`, `(?<name>`; `(?i)` opens no group.
    fn group(&mut self) -> Result<bool, Fault> {
        self.rest.next();
        let ahead = self.rest.until(|c| matches!(c, ')' | ':' | '>'));
        let close = self.rest.0.as_str()[ahead.len()..].chars().next();
        let looks_behind = ahead.starts_with("<=") || ahead.starts_with("<!");
        let named = ahead.strip_prefix("P<").or_else(|| ahead.strip_prefix('<').filter(|_| !looks_behind));
        let is_word =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let flags = ahead.strip_suffix('-').is_none() && ahead.chars().all(|c| "imsU-".contains(c));
        match (named, close) {
            // Go takes a name twice, and means the first group of it.
            (Some(name), Some('>')) if is_word(name) => {
                let group = format!("(?P<{name}>");
                self.out.push_str(if self.out.contains(&group) { "(" } else { &group });
            }
            (Some(_), _) => return Err(self.unnamed()),
            (None, Some(')')) if flags && ahead.is_empty() => self.out.push_str("(?:)"),
            (None, Some(close @ (')' | ':'))) if flags && ahead.matches('-').count() <= 1 => {
                let _ = write!(self.out, "(?{ahead}{close}");
            }
            _ => return Err(self.no_group(&ahead, close)),
        }
        self.rest.skip(ahead.chars().count() + 1);
        Ok(close != Some(')'))
    }

    /// A group whose name is none: Go names it up to the end of the name, or the rest of the pattern.
    fn unnamed(&self) -> Fault {
        let end = self.rest.0.as_str().find('>').map_or(self.whole, |end| self.at() + end + 1);
        ("invalid named capture", self.begin..end)
    }

    /// A group with flags that there are not: Go names it up to the first of them.
    fn no_group(&self, ahead: &str, close: Option<char>) -> Fault {
        let flags = ahead.find(|c| !"imsU-".contains(c)).unwrap_or(ahead.len());
        match ahead[flags..].chars().next().or(close) {
            None => (OPEN, 0..self.whole),
            Some(wrong) => (PERL, self.begin..self.at() + flags + wrong.len_utf8()),
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let begin = self.at() - 1;
        match self.rest.next().ok_or(("trailing backslash at end of expression", self.whole..self.whole))? {
            'A' => self.out.push_str("\\A"),
            'z' => self.out.push_str("\\z"),
            'b' => self.out.push_str("(?-u:\\b)"),
            'B' => self.out.push_str("(?-u:\\B)"),
            'Q' => self.quoted(),
            'p' => return self.property('p', begin),
            'P' => return self.property('P', begin),
            class @ ('d' | 'D' | 's' | 'S' | 'w' | 'W') => drop(write!(self.out, "[{}]", ascii(class))),
            c => {
                let c = self.character(c, begin)?;
                literal(c, &mut self.out);
            }
        }
        Ok(())
    }

    fn quoted(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if(|c| c == 'E').is_some() {
                return;
            }
            literal(c, &mut self.out);
        }
    }

    fn property(&mut self, letter: char, begin: usize) -> Result<(), Fault> {
        let name = match self.rest.next() {
            Some('{') => {
                let name = self.rest.until(|c| c == '}');
                self.rest.skip(name.chars().count());
                self.rest.next().map(|_| name)
            }
            c => c.map(String::from),
        };
        let refused = (RANGE, begin..self.at());
        let name = name.ok_or_else(|| refused.clone())?;
        let (letter, name) = match (name.strip_prefix('^'), letter) {
            (Some(name), 'p') => ('P', name),
            (Some(name), _) => ('p', name),
            (None, letter) => (letter, name.as_str()),
        };
        self.out.push_str(&property::class(letter, name).ok_or(refused)?);
        Ok(())
    }

    /// The character that an escape stands for, which begins at a byte.
    fn character(&mut self, c: char, begin: usize) -> Result<char, Fault> {
        let found = match c {
            'a' => Some('\u{7}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            'x' => self.hexadecimal(),
            '0'..='7' => self.octal(c),
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(c),
            _ => None,
        };
        found.ok_or((ESCAPE, begin..self.at()))
    }

    fn hexadecimal(&mut self) -> Option<char> {
        let digits = match self.rest.next()? {
            '{' => {
                let digits = self.rest.until(|c| c == '}');
                self.rest.skip(digits.chars().count() + 1);
                digits
            }
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

    fn class(&mut self) -> Result<(), Fault> {
        self.out.push('[');
        if self.rest.next_if(|c| c == '^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let c = self.rest.next().ok_or((CLASS, self.begin..self.whole))?;
            match c {
                ']' if !first => break,
                '[' if self.rest.peek() == Some(':') && self.named_class()? => {}
                '\\' if self.class_escape()? => {}
                _ => self.range(c)?,
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// `[:alpha:]`; without `:]` it is not meant so.
    fn named_class(&mut self) -> Result<bool, Fault> {
        let begin = self.at() - 1;
        let ahead: String = self.rest.0.clone().skip(1).take_while(|c| *c != ']').collect();
        let Some(name) = ahead.strip_suffix(':') else { return Ok(false) };
        if !NAMED.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err((RANGE, begin..begin + ahead.len() + 3));
        }
        let _ = write!(self.out, "[:{name}:]");
        self.rest.skip(ahead.chars().count() + 2);
        Ok(true)
    }

    fn class_escape(&mut self) -> Result<bool, Fault> {
        let begin = self.at() - 1;
        let Some(class) = self.rest.next_if(|c| "dDsSwWpP".contains(c)) else { return Ok(false) };
        match class {
            'p' | 'P' => self.property(class, begin)?,
            _ => drop(write!(self.out, "[{}]", ascii(class))),
        }
        Ok(true)
    }

    fn range(&mut self, first: char) -> Result<(), Fault> {
        let begin = self.at() - first.len_utf8();
        let low = self.class_character(first)?;
        literal(low, &mut self.out);
        let mut ahead = self.rest.clone();
        if ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']') {
            self.rest.next();
            let high = self.rest.next().ok_or((CLASS, self.begin..self.whole))?;
            let high = self.class_character(high)?;
            if high < low {
                return Err((RANGE, begin..self.at()));
            }
            self.out.push('-');
            literal(high, &mut self.out);
        }
        Ok(())
    }

    fn class_character(&mut self, c: char) -> Result<char, Fault> {
        if c != '\\' {
            return Ok(c);
        }
        let begin = self.at() - 1;
        let c = self.rest.next().ok_or((CLASS, self.begin..self.whole))?;
        self.character(c, begin)
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
