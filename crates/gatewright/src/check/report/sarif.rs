//! Results as SARIF 2.1.0, the format of code scanning services.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::pages;
use crate::check::result::{ObjectResult, Source, Verdict, Violation};
use crate::foreign::Foreign;
use crate::input::InputError;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The document: one run, its rules, and one result for each violation.
pub fn document(results: &[ObjectResult], problems: &[InputError]) -> Value {
    let violations =
        || results.iter().flat_map(|result| result.violations.iter().map(move |it| (result, it)));
    let mut rules: BTreeMap<String, (usize, &Violation)> = BTreeMap::new();
    for (_, violation) in violations() {
        rules.entry(rule_id(violation)).or_insert((0, violation));
    }
    for (index, (at, _)) in rules.values_mut().enumerate() {
        *at = index;
    }
    let found: Vec<_> = violations().map(|(result, violation)| found(result, violation, &rules)).collect();
    let failed = !problems.is_empty() || results.iter().any(|result| result.verdict == Verdict::Error);
    let notifications = problems.iter().map(problem).chain(results.iter().filter_map(not_judged));
    let notifications = notifications.chain(results.iter().flat_map(unverified));
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "gatewright",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|(id, (_, violation))| rule(id, violation)).collect::<Vec<_>>(),
            }},
            "invocations": [{
                "executionSuccessful": !failed,
                "toolExecutionNotifications": notifications.collect::<Vec<_>>(),
            }],
            "results": found,
        }],
    })
}

/// The policy's field, or the constraint of others.
fn rule_id(violation: &Violation) -> String {
    match violation.rule() {
        Some(rule) => format!("{}/{rule}", violation.subject()),
        None => violation.subject(),
    }
}

fn rule(id: &str, violation: &Violation) -> Value {
    let subject = violation.subject();
    let text = match violation.rule() {
        Some(rule) => format!("{subject} demands {rule}"),
        None => format!("{subject} is violated"),
    };
    let level = level(violation.enforcement_action);
    let mut rule =
        json!({"id": id, "shortDescription": message(&text), "defaultConfiguration": {"level": level}});
    let kind = violation.policy.as_ref().map(|policy| policy.kind.as_str());
    if let Some(page) = kind.and_then(|kind| pages::page(kind, violation.rule()?)) {
        rule["help"] = json!({"text": pages::text(&page), "markdown": page});
    }
    rule
}

const fn level(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Deny | Verdict::Error => "error",
        Verdict::Warn => "warning",
        Verdict::Dryrun | Verdict::Pass => "note",
    }
}

fn found(
    result: &ObjectResult,
    violation: &Violation,
    rules: &BTreeMap<String, (usize, &Violation)>,
) -> Value {
    let id = rule_id(violation);
    let index = rules.get(&id).map_or(0, |(index, _)| *index);
    let logical = json!([{"fullyQualifiedName": result.object.to_string(), "kind": "resource"}]);
    let place = Source { file: result.source.file.clone(), line: violation.line };
    let mut location = location(&place);
    location["logicalLocations"] = logical;
    json!({
        "ruleId": id,
        "ruleIndex": index,
        "level": level(violation.enforcement_action),
        "message": message(&format!("{}: {}", result.object, violation.full_message())),
        "locations": [location],
        "properties": {
            "enforcementAction": violation.enforcement_action,
            "constraint": violation.constraint,
            "details": printable(&violation.details),
            "judged": violation.judged,
        },
    })
}

fn problem(problem: &InputError) -> Value {
    let source = Source { file: problem.location.file.to_string().into(), line: problem.location.line };
    let text = Foreign::from(problem.message.as_str()).to_string();
    json!({"level": "error", "message": message(&text), "locations": [location(&source)]})
}

fn not_judged(result: &ObjectResult) -> Option<Value> {
    let text = result.assumed.first().filter(|_| result.verdict == Verdict::Error)?;
    Some(
        json!({"level": "error", "message": message(&text.to_string()), "locations": [location(&result.source)]}),
    )
}

/// What passed though nobody verified it.
fn unverified(result: &ObjectResult) -> impl Iterator<Item = Value> {
    result.unverified_words().map(
        |text| json!({"level": "note", "message": message(&text), "locations": [location(&result.source)]}),
    )
}

/// A message that has no link: `[text](destination)` in a message is one to viewers (SARIF 2.1.0, 3.11.6), which show brackets
/// after a backslash as they are. Brackets that make no link, as in `containers[0]`, stay: not all viewers know of backslashes.
fn message(text: &str) -> Value {
    let is_link = text.contains("](");
    let escaped = |text: &str| text.replace('\\', r"\\").replace('[', r"\[").replace(']', r"\]");
    json!({"text": if is_link { escaped(text) } else { text.to_owned() }})
}

/// Data with what a terminal would obey written out: viewers show it, and it goes on into formats without escapes.
fn printable(data: &Value) -> Value {
    let shown = |text: &str| Foreign::from(text).to_string();
    match data {
        Value::String(text) => shown(text).into(),
        Value::Array(items) => items.iter().map(printable).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (shown(name), printable(value))).collect::<Map<_, _>>().into()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => data.clone(),
    }
}

fn location(source: &Source) -> Value {
    let mut physical = json!({"artifactLocation": {"uri": uri(source.file.raw())}});
    if source.line > 0 {
        physical["region"] = json!({"startLine": source.line});
    }
    json!({"physicalLocation": physical})
}

/// A path as a URI reference: relative to where the tool ran, which in CI is the repository.
fn uri(file: &str) -> String {
    let path = file.strip_prefix("./").unwrap_or(file);
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                uri.push(byte.into());
            }
            other => uri.extend(format!("%{other:02X}").chars()),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{message, printable, uri};

    #[test]
    fn nobody_makes_links() {
        for (text, expected) in [
            ("Pod a: containers[0] (line 1)", "Pod a: containers[0] (line 1)"),
            ("Pod [x](https://evil.example)", r"Pod \[x\](https://evil.example)"),
            (r"Pod [x\](https://evil.example)", r"Pod \[x\\\](https://evil.example)"),
            (r"Pod \[x](https://evil.example) [0]", r"Pod \\\[x\](https://evil.example) \[0\]"),
        ] {
            assert_eq!(message(text), json!({"text": expected}));
        }
    }

    #[test]
    fn data_obeys_nobody() {
        assert_eq!(
            printable(&json!({"a\u{1b}": ["\u{7}", 1, null, {"b": true}], "c": "größe"})),
            json!({"a\\u{1b}": ["\\u{7}", 1, null, {"b": true}], "c": "größe"})
        );
    }

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("./a b/ä:1.yaml"), "a%20b/%C3%A4%3A1.yaml");
        assert_eq!(uri("/tmp/a.yaml"), "file:///tmp/a.yaml");
    }
}
