//! What Go says of a regular expression that it refuses.

/// What is wrong with a regular expression that RE2 refuses, and the part of it that is named.
pub fn fault(pattern: &str) -> (&'static str, &str) {
    Reader { pattern, at: 0, open: 0, repeated: Repeat::Nothing }.fault()
}

struct Reader<'a> {
    pattern: &'a str,
    at: usize,
    /// Groups that are open.
    open: usize,
    repeated: Repeat,
}

/// What a repetition would repeat.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Nothing,
    Something,
    /// A repetition, which began at this place.
    Repetition(usize),
}

type Fault<'a> = (&'static str, &'a str);

impl<'a> Reader<'a> {
    fn fault(mut self) -> Fault<'a> {
        while let Some(c) = self.rest().chars().next() {
            if let Some(fault) = self.item(c) {
                return fault;
            }
        }
        // What is left: groups, or what only a compiler sees.
        if self.open > 0 {
            return ("missing closing )", self.pattern);
        }
        ("expression nests too deeply", self.pattern)
    }

    fn rest(&self) -> &'a str {
        &self.pattern[self.at..]
    }

    fn item(&mut self, c: char) -> Option<Fault<'a>> {
        match c {
            '\\' => return self.escape(),
            '[' => return self.class(),
            '(' => return self.group(),
            ')' if self.open == 0 => return Some(("unexpected )", self.pattern)),
            ')' => {
                self.open -= 1;
                self.repeated = Repeat::Something;
            }
            '|' => self.repeated = Repeat::Nothing,
            '*' | '+' | '?' => return self.repeat(1),
            '{' => {
                if let Some((length, too_large)) = bounds(self.rest()) {
                    if too_large {
                        return Some(("invalid repeat count", &self.rest()[..length]));
                    }
                    return self.repeat(length);
                }
                self.repeated = Repeat::Something;
            }
            _ => self.repeated = Repeat::Something,
        }
        self.at += c.len_utf8();
        None
    }

    fn repeat(&mut self, length: usize) -> Option<Fault<'a>> {
        let start = self.at;
        self.at += length;
        if self.rest().starts_with('?') {
            self.at += 1;
        }
        match self.repeated {
            Repeat::Nothing => {
                Some(("missing argument to repetition operator", &self.pattern[start..start + length]))
            }
            Repeat::Repetition(first) => {
                Some(("invalid nested repetition operator", &self.pattern[first..self.at]))
            }
            Repeat::Something => {
                self.repeated = Repeat::Repetition(start);
                None
            }
        }
    }

    fn group(&mut self) -> Option<Fault<'a>> {
        self.open += 1;
        self.repeated = Repeat::Nothing;
        let Some(inside) = self.rest().strip_prefix("(?") else {
            self.at += 1;
            return None;
        };
        let named = inside
            .strip_prefix("P<")
            .or_else(|| inside.strip_prefix('<').filter(|rest| !rest.starts_with(['=', '!'])));
        if let Some(name) = named {
            let Some(end) = name.find('>') else { return Some(("invalid named capture", self.rest())) };
            let begin = self.rest().len() - name.len();
            let whole = &self.rest()[..=begin + end];
            let name = &name[..end];
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Some(("invalid named capture", whole));
            }
            self.at += whole.len();
            return None;
        }
        let end = inside.find(|c| !"imsU-".contains(c)).unwrap_or(inside.len());
        let length = 2 + end + inside[end..].chars().next().map_or(0, char::len_utf8);
        let whole = &self.rest()[..length];
        match inside[end..].chars().next() {
            Some(':') => {}
            Some(')') => self.open -= 1,
            None => return Some(("missing closing )", self.pattern)),
            Some(_) => return Some(("invalid or unsupported Perl syntax", whole)),
        }
        self.at += length;
        None
    }

    fn escape(&mut self) -> Option<Fault<'a>> {
        let mut chars = self.rest().chars().skip(1);
        let Some(c) = chars.next() else { return Some(("trailing backslash at end of expression", "")) };
        let length = 1 + c.len_utf8();
        let known = c.is_ascii_punctuation() || "dDsSwWbBAzaftnrvpPxQECG01234567".contains(c) && c != 'G';
        if !known {
            return Some(("invalid escape sequence", &self.rest()[..length]));
        }
        if let Some(digits) = self.rest().strip_prefix("\\x") {
            let is_hex = digits.len() >= 2 && digits.chars().take(2).all(|c| c.is_ascii_hexdigit());
            if !is_hex && !digits.starts_with('{') {
                let end = 2 + digits.chars().take(2).map(char::len_utf8).sum::<usize>();
                return Some(("invalid escape sequence", &self.rest()[..end]));
            }
        }
        if ('1'..='9').contains(&c) {
            return Some(("invalid escape sequence", &self.rest()[..length]));
        }
        if c == 'p' || c == 'P' {
            let end = self.rest().find('}').map_or(length + 1, |end| end + 1);
            let whole = self.rest().get(..end).unwrap_or(self.rest());
            if regex::Regex::new(whole).is_err() {
                return Some(("invalid character class range", whole));
            }
            self.at += end - length;
        }
        self.at += length;
        self.repeated = Repeat::Something;
        None
    }

    fn class(&mut self) -> Option<Fault<'a>> {
        let start = self.at;
        let whole = self.rest();
        self.at += if whole.starts_with("[^") { 2 } else { 1 };
        let mut first = true;
        loop {
            let rest = self.rest();
            let Some(c) = rest.chars().next() else {
                return Some(("missing closing ]", &self.pattern[start..]));
            };
            if c == ']' && !first {
                self.at += 1;
                self.repeated = Repeat::Something;
                return None;
            }
            first = false;
            let (low, length) = one_of_class(rest);
            let after = &rest[length..];
            if after.starts_with('-') && !after.starts_with("-]") && after.len() > 1 {
                let (high, more) = one_of_class(&after[1..]);
                if high < low {
                    return Some(("invalid character class range", &rest[..length + 1 + more]));
                }
                self.at += 1 + more;
            }
            self.at += length;
        }
    }
}

/// The character at the start of the inside of a class, and how many bytes it has.
fn one_of_class(text: &str) -> (char, usize) {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), Some(escaped)) => (escaped, 1 + escaped.len_utf8()),
        (Some(c), _) => (c, c.len_utf8()),
        (None, _) => ('\0', 0),
    }
}

/// How long `{2,3}` at the start of a text is, and whether it is too large or in the wrong order.
fn bounds(text: &str) -> Option<(usize, bool)> {
    let end = text.find('}')?;
    let (least, most) =
        text[1..end].split_once(',').map_or((&text[1..end], None), |(least, most)| (least, Some(most)));
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if !is_number(least) || !most.is_none_or(|most| most.is_empty() || is_number(most)) {
        return None;
    }
    let value = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
    let most = most.filter(|most| !most.is_empty()).map(value);
    Some((end + 1, value(least) > 1000 || most.is_some_and(|most| most > 1000 || most < value(least))))
}
