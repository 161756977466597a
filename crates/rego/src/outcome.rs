//! What comes out of an evaluation: violations, or an error as OPA says it.

use super::{ENTRY, EvaluationError, Finding};

/// The error in one line, as OPA says it.
pub fn failure(error: &anyhow::Error, functions: &Functions) -> EvaluationError {
    let text = error.to_string();
    let place = text.lines().find_map(|line| line.strip_prefix("--> "));
    let place = place.and_then(|place| Some(place.rsplit_once(':')?.0)).unwrap_or(ENTRY);
    let said = text.lines().last().unwrap_or_default();
    let said = said.strip_prefix("error: ").unwrap_or(said).trim();
    let conflict =
        |place: &str, what: &str| EvaluationError::Failed(format!("{place}: eval_conflict_error: {what}"));
    if let Some((_, first)) = said.split_once("rule conflicts with rule at ") {
        let place = first.rsplit_once(':').map_or(first, |(place, _)| place);
        return conflict(place, "complete rules must not produce multiple outputs");
    }
    match said {
        _ if said.contains("functions must not produce")
            || said.contains("function produced multiple outputs") =>
        {
            let rule = called(&text).and_then(|name| functions.get(name)).map_or(place, String::as_str);
            conflict(rule, "functions must not produce multiple outputs for same inputs")
        }
        _ if said.contains("rules should not produce") => {
            conflict(place, "complete rules must not produce multiple outputs")
        }
        _ if said.contains("rules must not produce") || said.contains("generated multiple times") => {
            conflict(place, "object keys must be unique")
        }
        _ => EvaluationError::Failed(format!("{place}: {said}")),
    }
}

/// By the last part of a function's name, where its second definition is: OPA names the one that disagrees.
pub type Functions = std::collections::HashMap<String, String>;

/// The last part of the name of the function before the parenthesis that regorus shows.
fn called(error: &str) -> Option<&str> {
    let mut place = error.lines().find_map(|line| line.strip_prefix("--> "))?.rsplit(':');
    let column: usize = place.next()?.parse().ok()?;
    let number = format!("{} | ", place.next()?);
    let line = error.lines().find_map(|line| line.strip_prefix(&number))?;
    let (parenthesis, _) = line.char_indices().nth(column.checked_sub(1)?)?;
    line[..parenthesis].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// The elements of `violation`, as Gatekeeper's hook takes them.
pub fn findings(found: &regorus::Value) -> Result<Vec<Finding>, EvaluationError> {
    let Ok(elements) = found.as_set() else { return Ok(vec![]) };
    elements.iter().filter_map(finding).collect()
}

/// An element without `msg` counts for nothing.
fn finding(element: &regorus::Value) -> Option<Result<Finding, EvaluationError>> {
    let element = element.as_object().ok()?;
    let message = match element.get(&"msg".into())? {
        regorus::Value::String(message) => message.to_string(),
        other => {
            return Some(Err(EvaluationError::Message(format!("msg is no string but {other}"))));
        }
    };
    let details = element.get(&"details".into()).cloned().unwrap_or_else(regorus::Value::new_object);
    let details = serde_json::to_value(details).map_err(|error| EvaluationError::Failed(error.to_string()));
    Some(details.map(|details| Finding { message, details }))
}
