//! Addresses of mail, as Go's `net/mail` reads one: RFC 5322 with a name before it or in a comment behind it.

use std::net::IpAddr;

use super::has;

/// Whether a text is one address.
pub fn is_email(text: &str) -> bool {
    let mut reader = Reader { rest: text };
    reader.address(true) == Some(1) && reader.comments().is_some() && reader.rest.is_empty()
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// How many addresses are read: more than one, or none, where a group stands.
    fn address(&mut self, may_be_group: bool) -> Option<usize> {
        self.space();
        let before = self.rest;
        if self.plain().is_some() {
            self.space();
            if self.eat('(') {
                let comment = self.comment()?;
                let refused = comment.split([' ', '\t']).any(asks_unknown_charset);
                return (!refused).then_some(1);
            }
            return Some(1);
        }
        self.rest = before;
        if !self.rest.starts_with('<') {
            self.phrase()?;
        }
        self.space();
        if may_be_group && self.eat(':') {
            return self.group();
        }
        let read = self.eat('<') && self.plain().is_some() && self.eat('>');
        read.then_some(1)
    }

    fn group(&mut self) -> Option<usize> {
        self.space();
        if self.eat(';') {
            return self.comments().map(|()| 0);
        }
        let mut count = 0;
        loop {
            count += self.address(false)?;
            self.comments()?;
            if self.eat(';') {
                return self.comments().map(|()| count);
            }
            self.eat(',').then_some(())?;
        }
    }

    /// `local@domain`.
    fn plain(&mut self) -> Option<()> {
        self.space();
        if self.rest.starts_with('"') {
            self.quoted().filter(|local| !local.is_empty())?;
        } else {
            self.strict_atom()?;
        }
        self.eat('@').then_some(())?;
        self.space();
        if self.eat('[') { self.literal() } else { self.strict_atom() }
    }

    /// An address of the network in brackets.
    fn literal(&mut self) -> Option<()> {
        let (text, rest) = self.rest.split_once(']')?;
        self.rest = rest;
        text.parse::<IpAddr>().ok().map(drop)
    }

    /// Words before an address. What is wrong behind the first word is left to whoever reads on.
    fn phrase(&mut self) -> Option<()> {
        let mut words = 0;
        loop {
            if words > 0 {
                self.comments()?;
            }
            self.space();
            if self.rest.is_empty() {
                return Some(());
            }
            let word = if self.rest.starts_with('"') {
                self.quoted().is_some()
            } else {
                self.atom().is_some_and(|word| !asks_unknown_charset(word))
            };
            if !word {
                return (words > 0).then_some(());
            }
            words += 1;
        }
    }

    fn quoted(&mut self) -> Option<&'a str> {
        let text = self.rest.strip_prefix('"')?;
        let mut escaped = false;
        for (at, c) in text.char_indices() {
            match c {
                '"' if !escaped => {
                    self.rest = &text[at + 1..];
                    return Some(&text[..at]);
                }
                '\\' if !escaped => escaped = true,
                c if is_visible(c) || matches!(c, ' ' | '\t') => escaped = false,
                _ => return None,
            }
        }
        None
    }

    fn atom(&mut self) -> Option<&'a str> {
        let end =
            self.rest.find(|c| !is_visible(c) || "()<>[]:;@\\,\"".contains(c)).unwrap_or(self.rest.len());
        let (atom, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!atom.is_empty()).then_some(atom)
    }

    fn strict_atom(&mut self) -> Option<()> {
        let atom = self.atom()?;
        atom.split('.').all(|part| !part.is_empty()).then_some(())
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn eat(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Skips comments.
    fn comments(&mut self) -> Option<()> {
        self.space();
        while self.eat('(') {
            self.comment()?;
            self.space();
        }
        Some(())
    }

    /// The text of a comment whose first bracket is read.
    fn comment(&mut self) -> Option<String> {
        let mut depth = 1;
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            let c = match c {
                '\\' => chars.next().map_or(c, |(_, escaped)| escaped),
                '(' => {
                    depth += 1;
                    c
                }
                ')' if depth == 1 => {
                    self.rest = &self.rest[at + 1..];
                    return Some(text);
                }
                ')' => {
                    depth -= 1;
                    c
                }
                _ => c,
            };
            text.push(c);
        }
        None
    }
}

fn is_visible(c: char) -> bool {
    ('!'..='~').contains(&c) || !c.is_ascii()
}

/// Whether a word is encoded (RFC 2047) in a set of characters that Go does not know. Words that are encoded wrongly are
/// taken as they stand.
fn asks_unknown_charset(word: &str) -> bool {
    let Some(inner) = word.strip_prefix("=?").and_then(|word| word.strip_suffix("?=")) else { return false };
    let parts: Vec<_> = inner.split('?').collect();
    let [charset, encoding, text] = parts[..] else { return false };
    let decodes = match encoding {
        "b" | "B" => super::is_base64(text),
        "q" | "Q" => has(text, r"^(?:[ -<>-~\n\r\t]|=[0-9a-fA-F]{2})*$"),
        _ => false,
    };
    let known = ["utf-8", "iso-8859-1", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known));
    !charset.is_empty() && decodes && !known
}
