//! From RE2's syntax to that of Rust's `regex`.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

/// The same pattern in the syntax of Rust's `regex`; none if RE2 refuses it.
pub fn translate(pattern: &str) -> Option<String> {
    let mut translator = Translator { rest: pattern.chars().peekable(), out: String::new(), repeated: false };
    while let Some(c) = translator.rest.next() {
        translator.item(c)?;
    }
    Some(translator.out)
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    /// What stands before is repeated already.
    repeated: bool,
}

impl Translator<'_> {
    fn item(&mut self, c: char) -> Option<()> {
        match c {
            '*' | '+' | '?' => return self.repeat(&c.to_string()),
            '{' => match self.bounds()?.as_str() {
                "" => self.out.push_str("\\{"),
                bounds => return self.repeat(bounds),
            },
            '\\' => self.escape()?,
            '[' => self.class()?,
            '(' if self.rest.peek() == Some(&'?') => self.group()?,
            '.' | '^' | '$' | '(' | ')' | '|' => self.out.push(c),
            _ => literal(c, &mut self.out),
        }
        self.repeated = false;
        Some(())
    }

    fn repeat(&mut self, operator: &str) -> Option<()> {
        if std::mem::replace(&mut self.repeated, true) {
            return None;
        }
        self.out.push_str(operator);
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        Some(())
    }

    /// `{2}`, `{2,}`, `{2,3}` up to 1,000; an empty text if it is none of them.
    fn bounds(&mut self) -> Option<String> {
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
            return Some(String::new());
        }
        let bound = |text: &str| text.parse::<u32>().ok().filter(|bound| *bound <= 1000);
        let least = bound(least)?;
        if let Some(most) = most.filter(|most| !most.is_empty()) {
            bound(most).filter(|most| *most >= least)?;
        }
        self.rest.nth(ahead.chars().count());
        Some(format!("{{{ahead}}}"))
    }

    /// `(?i)`, `(?i:`, `(?:`, `(?P<name>`, `(?<name>`.
    fn group(&mut self) -> Option<()> {
        self.rest.next();
        let ahead: String = self.rest.clone().take_while(|c| !matches!(c, ')' | ':' | '>')).collect();
        let close = self.rest.clone().nth(ahead.chars().count())?;
        let named = ahead.strip_prefix("P<").or_else(|| ahead.strip_prefix('<'));
        let is_word =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let flags = ahead.strip_suffix('-').is_none() && ahead.chars().all(|c| "imsU-".contains(c));
        match (named, close) {
            (Some(name), '>') if is_word(name) => drop(write!(self.out, "(?P<{name}>")),
            (None, ')') if flags && ahead.is_empty() => self.out.push_str("(?:)"),
            (None, ')' | ':') if flags && ahead.matches('-').count() <= 1 => {
                let _ = write!(self.out, "(?{ahead}{close}");
            }
            _ => return None,
        }
        self.rest.nth(ahead.chars().count());
        Some(())
    }

    fn escape(&mut self) -> Option<()> {
        match self.rest.next()? {
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
        Some(())
    }

    fn quoted(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            literal(c, &mut self.out);
        }
    }

    fn property(&mut self, letter: char) -> Option<()> {
        let name: String = match self.rest.next()? {
            '{' => {
                let name = self.rest.by_ref().take_while(|c| *c != '}').collect();
                Some(name).filter(|name: &String| !name.contains(['=', ':', '!']))?
            }
            c => c.to_string(),
        };
        let (letter, name) = match (name.strip_prefix('^'), letter) {
            (Some(name), 'p') => ('P', name),
            (Some(name), _) => ('p', name),
            (None, letter) => (letter, name.as_str()),
        };
        let _ = write!(self.out, "\\{letter}{{{name}}}");
        Some(())
    }

    /// The character that an escape stands for.
    fn character(&mut self, c: char) -> Option<char> {
        Some(match c {
            'a' => '\u{7}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => return self.hexadecimal(),
            '0'..='7' => return self.octal(c),
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
            _ => return None,
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

    fn class(&mut self) -> Option<()> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let c = self.rest.next()?;
            match c {
                ']' if !first => break,
                '[' if self.rest.peek() == Some(&':') && self.named_class()? => {}
                '\\' if self.class_escape()? => {}
                _ => self.range(c)?,
            }
            first = false;
        }
        self.out.push(']');
        Some(())
    }

    /// `[:alpha:]`; without `:]` it is not meant so.
    fn named_class(&mut self) -> Option<bool> {
        let ahead: String = self.rest.clone().skip(1).take_while(|c| *c != ']').collect();
        let Some(name) = ahead.strip_suffix(':') else { return Some(false) };
        if !name.trim_start_matches('^').chars().all(|c| c.is_ascii_lowercase()) {
            return None;
        }
        let _ = write!(self.out, "[:{name}:]");
        self.rest.nth(ahead.chars().count() + 1);
        Some(true)
    }

    fn class_escape(&mut self) -> Option<bool> {
        let Some(class) = self.rest.next_if(|c| "dDsSwWpP".contains(*c)) else { return Some(false) };
        match class {
            'p' | 'P' => self.property(class)?,
            _ => drop(write!(self.out, "[{}]", ascii(class))),
        }
        Some(true)
    }

    fn range(&mut self, first: char) -> Option<()> {
        let low = self.class_character(first)?;
        literal(low, &mut self.out);
        let mut ahead = self.rest.clone();
        if ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']') {
            self.rest.next();
            let high = self.rest.next()?;
            let high = self.class_character(high).filter(|high| *high >= low)?;
            self.out.push('-');
            literal(high, &mut self.out);
        }
        Some(())
    }

    fn class_character(&mut self, c: char) -> Option<char> {
        if c != '\\' {
            return Some(c);
        }
        let c = self.rest.next()?;
        self.character(c)
    }
}

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
