//! What comes out of an evaluation: violations, or an error as OPA says it.

use regorus::Value;

use super::{ENTRY, EngineError, EvaluationError, Finding, convert};

/// The error in one line, as OPA says it; of an error that OPA does not have, where it is.
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
        _ if said.contains("generated multiple times")
            || said.contains("rules must not produce") && is_keyed(&text) =>
        {
            conflict(place, "object keys must be unique")
        }
        _ if said.contains("rules should not produce") || said.contains("rules must not produce") => {
            conflict(place, "complete rules must not produce multiple outputs")
        }
        _ => internal(place, said).into(),
    }
}

/// An error that OPA does not have. What regorus says of it may hold parts of the input, and stays here.
pub fn internal(place: &str, said: &str) -> EngineError {
    let (file, line) = place.rsplit_once(':').unwrap_or((place, ""));
    let lib = file.strip_prefix("libs[\"lib_").and_then(|rest| rest.split('"').next()?.parse().ok());
    let line = line.parse().unwrap_or(0);
    if said.contains("time limit") {
        return EngineError { lib, line, ..EngineError::took_too_long() };
    }
    EngineError { lib, line, message: "this engine cannot evaluate what stands here".to_owned() }
}

impl EngineError {
    /// The evaluation did not end in time, in whatever language its program is written.
    #[must_use]
    pub fn took_too_long() -> Self {
        Self { lib: None, line: 0, message: "the evaluation took longer than its limit".to_owned() }
    }
}

/// By the last part of a function's name, where its second definition is: OPA names the one that disagrees.
pub type Functions = std::collections::HashMap<String, String>;

/// The line that regorus shows, from the place on that it names, and what stands before that.
fn shown(error: &str) -> Option<(&str, &str)> {
    let mut place = error.lines().find_map(|line| line.strip_prefix("--> "))?.rsplit(':');
    let column: usize = place.next()?.parse().ok()?;
    let number = format!("{} | ", place.next()?);
    let line = error.lines().find_map(|line| line.strip_prefix(&number))?;
    let (at, _) = line.char_indices().nth(column.checked_sub(1)?)?;
    Some(line.split_at(at))
}

/// The last part of the name of the function before the parenthesis that regorus shows.
fn called(error: &str) -> Option<&str> {
    shown(error)?.0.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// Whether the rule that regorus shows is a part of an object: `p[x] = y`.
fn is_keyed(error: &str) -> bool {
    let name = |line: &str| {
        line.trim_start_matches(|c: char| c.is_alphanumeric() || "_.".contains(c)).starts_with('[')
    };
    shown(error).is_some_and(|(_, line)| name(line))
}

/// The elements of `violation`, as Gatekeeper's hook takes them: of an object the keys.
pub fn findings(found: &Value) -> Result<Vec<Finding>, EvaluationError> {
    match found {
        Value::Set(elements) => elements.iter().filter_map(finding).collect(),
        Value::Object(fields) => fields.iter_sorted().filter_map(|(key, _)| finding(key)).collect(),
        _ => Ok(vec![]),
    }
}

/// An element without `msg` counts for nothing.
fn finding(element: &Value) -> Option<Result<Finding, EvaluationError>> {
    let element = element.as_object().ok()?;
    let message = match element.get(&"msg".into())? {
        Value::String(message) => message.to_string(),
        other => {
            let said = format!("msg is not a string but {}", convert::kind(other));
            return Some(Err(EvaluationError::Message(said)));
        }
    };
    let details = element.get(&"details".into()).map_or_else(|| serde_json::json!({}), convert::to_json);
    Some(Ok(Finding { message, details }))
}
