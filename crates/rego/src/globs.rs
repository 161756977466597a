//! `glob.*` as the Go library `gobwas/glob` understands patterns.

use std::iter::Peekable;
use std::str::Chars;

use regorus::Value;

use super::limits::exceed;

/// A part of a pattern.
#[derive(Debug, PartialEq)]
enum Part {
    Char(char),
    /// `?`: one character that is no separator.
    One,
    /// `*`: characters that are no separators.
    Many,
    /// `**`: any characters.
    All,
    /// `[abc]` or `[!a-c]`: one of these characters, or none of them.
    Of {
        chars: Vec<char>,
        range: Option<(char, char)>,
        not: bool,
    },
    /// `{a,b}`.
    Any(Vec<Vec<Part>>),
}

/// `glob.match(pattern, separators, text)`.
pub fn is_match(v: &[Value]) -> Option<Value> {
    let (pattern, text): (&str, &str) = (v[0].as_string().ok()?, v[2].as_string().ok()?);
    let mut separators = match &v[1] {
        Value::Null => vec![],
        Value::Array(items) => items.iter().map(separator).collect::<Option<Vec<_>>>()?,
        _ => return None,
    };
    if separators.is_empty() && v[1] != Value::Null {
        separators.push('.');
    }
    // What stands behind the character zero does not count.
    let pattern =
        pattern.split('\0').next().filter(|pattern| !pattern.contains(char::REPLACEMENT_CHARACTER))?;
    let parts = Parser { rest: pattern.chars().peekable() }.parts(false)?;
    if is_peculiar(&parts, text, &separators) {
        return exceed(
            "glob.match: Gatekeeper's library takes this pattern in another way than it is written",
        );
    }
    let text: Vec<char> = text.chars().collect();
    Some(matches(&parts.iter().collect::<Vec<_>>(), &text, &separators).into())
}

fn separator(value: &Value) -> Option<char> {
    let mut chars = value.as_string().ok()?.chars();
    let first = chars.next()?;
    chars.next().is_none().then_some(first)
}

/// `glob.quote_meta(text)`.
pub fn quote_meta(v: &[Value]) -> Option<Value> {
    let mut quoted = String::new();
    for c in v[0].as_string().ok()?.chars() {
        if "*?\\[]{}".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    Some(quoted.into())
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Parser<'_> {
    /// The parts up to the end; of an alternative up to the comma or brace behind it, which stays.
    fn parts(&mut self, inside: bool) -> Option<Vec<Part>> {
        let mut parts = vec![];
        while let Some(c) = self.rest.peek().copied() {
            if inside && matches!(c, ',' | '}') {
                break;
            }
            self.rest.next();
            parts.push(match c {
                '?' => Part::One,
                '*' if self.rest.next_if_eq(&'*').is_some() => Part::All,
                '*' => Part::Many,
                '[' => self.range()?,
                '{' => Part::Any(self.alternatives()?),
                // A backslash at the end stands for nothing.
                '\\' => match self.rest.next() {
                    Some(escaped) => Part::Char(escaped),
                    None => break,
                },
                c => Part::Char(c),
            });
        }
        Some(parts)
    }

    /// What stands in braces. The last one may be missing.
    fn alternatives(&mut self) -> Option<Vec<Vec<Part>>> {
        let mut alternatives = vec![];
        loop {
            alternatives.push(self.parts(true)?);
            if self.rest.next() != Some(',') {
                return Some(alternatives);
            }
        }
    }

    fn range(&mut self) -> Option<Part> {
        let not = self.rest.next_if_eq(&'!').is_some();
        let first = self.rest.next()?;
        if self.rest.next_if_eq(&'-').is_some() {
            let last = self.rest.next()?;
            let closed = self.rest.next() == Some(']') && first <= last;
            return closed.then_some(Part::Of { chars: vec![], range: Some((first, last)), not });
        }
        let (mut chars, mut next) = (vec![], Some(first));
        loop {
            match next? {
                ']' => break,
                '\\' => chars.push(self.rest.next()?),
                c => chars.push(c),
            }
            next = self.rest.next();
        }
        (!chars.is_empty()).then_some(Part::Of { chars, range: None, not })
    }
}

/// Whether the library does not do what the pattern says: it counts wrongly where alternatives are no plain texts of
/// ASCII, where they can be empty beside what is no text, and where several separators count at once.
fn is_peculiar(parts: &[Part], text: &str, separators: &[char]) -> bool {
    let beside = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| parts.get(before));
        [before, parts.get(at + 1)].into_iter().flatten().all(|part| matches!(part, Part::Char(_)))
    };
    let alternatives = parts.iter().enumerate().any(|(at, part)| {
        let Part::Any(alternatives) = part else { return false };
        let plain = |part: &Part| matches!(part, Part::Char(c) if c.is_ascii());
        let empty = alternatives.iter().filter(|alternative| alternative.is_empty()).count();
        !text.is_ascii()
            || !alternatives.iter().flatten().all(plain)
            || empty == alternatives.len()
            || empty > 0 && !beside(at)
    });
    alternatives || parts.windows(2).any(|pair| are_glued(&pair[0], &pair[1], separators))
}

/// Whether the library makes one of two parts that it should not.
fn are_glued(one: &Part, other: &Part, separators: &[char]) -> bool {
    let forbidden = |part: &Part| match part {
        Part::One | Part::Many => Some(separators.to_vec()),
        Part::Of { chars, not: true, range: None } => Some(chars.clone()),
        Part::All => Some(vec![]),
        _ => None,
    };
    let (Some(first), Some(second)) = (forbidden(one), forbidden(other)) else { return false };
    let both_long = matches!((one, other), (Part::Many | Part::All, Part::Many | Part::All));
    if both_long { first != second } else { first == second && first.len() > 1 }
}

fn matches(parts: &[&Part], text: &[char], separators: &[char]) -> bool {
    let Some((part, rest)) = parts.split_first() else { return text.is_empty() };
    let one = |fits: &dyn Fn(char) -> bool| {
        text.split_first().is_some_and(|(c, behind)| fits(*c) && matches(rest, behind, separators))
    };
    match part {
        Part::Char(expected) => one(&|c| c == *expected),
        Part::One => one(&|c| !separators.contains(&c)),
        Part::Of { chars, range, not } => one(&|c| {
            let inside = range.is_some_and(|(low, high)| low <= c && c <= high) || chars.contains(&c);
            inside != *not
        }),
        Part::Many | Part::All => {
            let any = **part == Part::All;
            let end = text.iter().position(|c| !any && separators.contains(c)).unwrap_or(text.len());
            (0..=end).any(|at| matches(rest, &text[at..], separators))
        }
        Part::Any(alternatives) => alternatives.iter().any(|alternative| {
            let parts: Vec<_> = alternative.iter().chain(rest.iter().copied()).collect();
            matches(&parts, text, separators)
        }),
    }
}
