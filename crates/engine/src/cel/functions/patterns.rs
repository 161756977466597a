//! Functions with regular expressions, which are RE2's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use gatewright_re2::Pattern;

use crate::cel::value::{Failure, Outcome, Value};

/// Patterns that a thread keeps compiled.
const KEPT: usize = 256;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Option<Rc<Pattern>>>> = RefCell::default();
}

/// A function that is called on a text, or takes it first; none if there is none of that name here.
pub fn call(name: &str, text: &str, arguments: &[Value]) -> Option<Outcome> {
    let (Value::String(pattern), rest) = arguments.split_first()? else { return None };
    Some(match (name, rest) {
        ("matches", []) => {
            compiled(pattern).map(|pattern| pattern.is_match(text).into()).ok_or_else(|| refused("", pattern))
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
    compiled(pattern).map(drop).ok_or_else(|| refused("", pattern))
}

fn find<'t>(text: &'t str, pattern: &str, count: Option<usize>) -> Outcome<Vec<&'t str>> {
    let compiled = compiled(pattern).ok_or_else(|| refused("Illegal regex: ", pattern))?;
    let found = compiled.find_iter(text).take(count.unwrap_or(usize::MAX));
    Ok(found.map(|found| text.get(found).unwrap_or_default()).collect())
}

fn refused(prefix: &str, pattern: &str) -> Failure {
    let (fault, place) = super::super::pattern::fault(pattern);
    Failure::new(format!("{prefix}error parsing regexp: {fault}: `{place}`"))
}

fn compiled(pattern: &str) -> Option<Rc<Pattern>> {
    COMPILED.with_borrow_mut(|compiled| {
        if let Some(regex) = compiled.get(pattern) {
            return regex.clone();
        }
        if compiled.len() >= KEPT {
            compiled.clear();
        }
        let regex = Pattern::new(pattern).ok().map(Rc::new);
        compiled.insert(pattern.to_owned(), regex.clone());
        regex
    })
}
