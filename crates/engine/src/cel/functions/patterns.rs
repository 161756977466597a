//! Functions with regular expressions, which are RE2's.

use gatewright_re2::{Refused, cached};

use crate::cel::value::{Failure, Outcome, Value};

/// A function that is called on a text, or takes it first; none if there is none of that name here.
pub fn call(name: &str, text: &str, arguments: &[Value]) -> Option<Outcome> {
    let (Value::String(pattern), rest) = arguments.split_first()? else { return None };
    Some(match (name, rest) {
        ("matches", []) => {
            cached(pattern).map(|pattern| pattern.is_match(text).into()).map_err(|why| refused("", &why))
        }
        ("find", []) => find(text, pattern, Some(1)).map(|found| found.first().copied().unwrap_or("").into()),
        ("findAll", []) => find(text, pattern, None).map(|found| found.into_iter().collect()),
        ("findAll", [Value::Int(count)]) => {
            let count = usize::try_from(*count).ok();
            find(text, pattern, count).map(|found| found.into_iter().collect())
        }
        _ => return None,
    })
}

/// What is wrong with a pattern that is written in an expression.
///
/// # Errors
/// RE2 refuses it.
pub fn check(pattern: &str) -> Outcome<()> {
    cached(pattern).map(drop).map_err(|why| refused("", &why))
}

fn find<'t>(text: &'t str, pattern: &str, count: Option<usize>) -> Outcome<Vec<&'t str>> {
    let compiled = cached(pattern).map_err(|why| refused("Illegal regex: ", &why))?;
    let found = compiled.find_iter(text).take(count.unwrap_or(usize::MAX));
    Ok(found.map(|found| text.get(found).unwrap_or_default()).collect())
}

/// In Go's words.
fn refused(prefix: &str, Refused { reason, part, .. }: &Refused) -> Failure {
    Failure::new(format!("{prefix}error parsing regexp: {reason}: `{part}`"))
}
