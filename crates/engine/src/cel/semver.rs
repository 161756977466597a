//! Semantic versions.

use std::cmp::Ordering;

use super::print::quote;
use super::value::{Failure, Outcome};

/// A semantic version. What it was built from (`+…`) does not count.
#[derive(Clone, Debug)]
pub struct Version {
    /// As it was written.
    pub text: String,
    /// Major, minor, patch.
    pub numbers: [u64; 3],
    before: Vec<Label>,
}

/// A part of what makes a version older than the one with its numbers: a number comes before a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Number(u64),
    Name(String),
}

impl Version {
    /// Reads a version; a `lenient` reader adds what is missing and takes away a `v` and zeros.
    ///
    /// # Errors
    /// What Kubernetes says of a text that is none.
    pub fn parse(text: &str, lenient: bool) -> Outcome<Self> {
        let complete = if lenient { complete(text)? } else { text.to_owned() };
        let fault = |message: &str| Failure::new(message);
        if complete.is_empty() {
            return Err(fault("Version string empty"));
        }
        let parts: Vec<_> = complete.splitn(3, '.').collect();
        let &[major, minor, rest] = parts.as_slice() else {
            return Err(fault("No Major.Minor.Patch elements found"));
        };
        let [major, minor] = [number(major, "major")?, number(minor, "minor")?];
        let (rest, build) = rest.split_once('+').map_or((rest, None), |(rest, build)| (rest, Some(build)));
        let (patch, before) =
            rest.split_once('-').map_or((rest, None), |(rest, before)| (rest, Some(before)));
        let patch = number(patch, "patch")?;
        let before = before.map(|before| before.split('.').map(label).collect()).transpose()?;
        for part in build.into_iter().flat_map(|build| build.split('.')) {
            if part.is_empty() {
                return Err(fault("Build meta data is empty"));
            }
            only(part, is_word, "build meta data")?;
        }
        Ok(Self {
            text: complete.clone(),
            numbers: [major, minor, patch],
            before: before.unwrap_or_default(),
        })
    }

    /// The order of two versions.
    pub fn compare(&self, other: &Self) -> Ordering {
        let order = self.numbers.cmp(&other.numbers);
        order.then_with(|| match (self.before.is_empty(), other.before.is_empty()) {
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ => self.before.cmp(&other.before),
        })
    }
}

fn complete(text: &str) -> Outcome<String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<_> = text.splitn(3, '.').map(without_zeros).collect();
    if parts.len() < 3 && parts.last().is_some_and(|last| last.contains(['+', '-'])) {
        return Err(Failure::new("short version cannot contain PreRelease/Build meta data"));
    }
    while parts.len() < 3 {
        parts.push("0".to_owned());
    }
    Ok(parts.join("."))
}

fn without_zeros(part: &str) -> String {
    if part.len() < 2 {
        return part.to_owned();
    }
    let rest = part.trim_start_matches('0');
    if rest.starts_with(|c: char| c.is_ascii_digit()) { rest.to_owned() } else { format!("0{rest}") }
}

fn number(text: &str, which: &str) -> Outcome<u64> {
    only(text, |c| c.is_ascii_digit(), &format!("{which} number"))?;
    if text.len() > 1 && text.starts_with('0') {
        let name = which[..1].to_uppercase() + &which[1..];
        return Err(Failure::new(format!("{name} number must not contain leading zeroes {}", quote(text))));
    }
    parsed(text)
}

fn parsed(text: &str) -> Outcome<u64> {
    let fault = if text.is_empty() { "invalid syntax" } else { "value out of range" };
    text.parse().map_err(|_| Failure::new(format!("strconv.ParseUint: parsing {}: {fault}", quote(text))))
}

fn label(text: &str) -> Outcome<Label> {
    if text.is_empty() {
        return Err(Failure::new("Prerelease is empty"));
    }
    if !text.chars().all(|c| c.is_ascii_digit()) {
        only(text, is_word, "prerelease")?;
        return Ok(Label::Name(text.to_owned()));
    }
    if text.len() > 1 && text.starts_with('0') {
        let message = format!("Numeric PreRelease version must not contain leading zeroes {}", quote(text));
        return Err(Failure::new(message));
    }
    parsed(text).map(Label::Number)
}

const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

fn only(text: &str, allowed: impl Fn(char) -> bool, place: &str) -> Outcome<()> {
    if text.chars().all(allowed) {
        return Ok(());
    }
    Err(Failure::new(format!("Invalid character(s) found in {place} {}", quote(text))))
}
