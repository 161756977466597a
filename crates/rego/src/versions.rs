//! `semver.*`, which OPA takes less strictly than the standard of semantic versions.

use std::cmp::Ordering;

use regorus::Value;

use super::limits::exceed;

/// A version; what stands behind `+` does not count.
struct Version<'a> {
    numbers: [i64; 3],
    before: &'a str,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, metadata) = text.split_once('+').unwrap_or((text, ""));
        let (text, before) = text.split_once('-').unwrap_or((text, ""));
        let numbers: Vec<i64> = text.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
        let version = Self { numbers: numbers.try_into().ok()?, before };
        (is_label(metadata) && is_label(before)).then_some(version)
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        match self.numbers.cmp(&other.numbers) {
            Ordering::Equal if self.before == other.before => Some(Ordering::Equal),
            // The version without a label is the later one.
            Ordering::Equal if self.before.is_empty() => Some(Ordering::Greater),
            Ordering::Equal if other.before.is_empty() => Some(Ordering::Less),
            Ordering::Equal => labels(self.before, other.before),
            order => Some(order),
        }
    }
}

/// Whether a label is well-formed; that there is none is fine, even behind `-` or `+`.
fn is_label(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.is_empty() || text.split('.').all(part)
}

fn labels(one: &str, other: &str) -> Option<Ordering> {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        let order = match (one.next(), other.next()) {
            (Some(one), Some(other)) => part(one, other),
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            // Labels as 1 and 01, which are not the same text.
            (None, None) => return exceed("semver.compare: OPA does not come to an end with these versions"),
        };
        if order != Ordering::Equal {
            return Some(order);
        }
    }
}

fn part(one: &str, other: &str) -> Ordering {
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => one.cmp(other),
    }
}

/// A number of more than 63 bits is the largest of them.
fn number(text: &str) -> Option<i64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(i64::MAX))
}

/// `semver.compare(one, other)`.
pub fn compare(v: &[Value]) -> Option<Value> {
    let one = Version::parse(v[0].as_string().ok()?)?;
    let other = Version::parse(v[1].as_string().ok()?)?;
    Some(i64::from(one.compare(&other)? as i8).into())
}

/// `semver.is_valid(value)`.
pub fn is_valid(value: &Value) -> bool {
    value.as_string().is_ok_and(|text| Version::parse(text).is_some())
}
