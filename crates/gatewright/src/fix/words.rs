//! Fixes as people read them.

use gatewright_rules::fix::{Edit, Op};
use serde_json::Value;

use crate::check::report::table::Joined;
use crate::foreign::Foreign;

/// The lines below some violations that are said in one sentence: fixes and what may break, or why there are none. Empty
/// where none was looked for.
pub fn lines_of((first, others): &Joined<'_>) -> Vec<String> {
    let mut lines = vec![];
    for violation in std::iter::once(*first).chain(others.iter().map(|(_, other)| *other)) {
        let line = match (&violation.fix, &violation.no_fix) {
            (Some(fix), _) => {
                let fix_of = if fix.with_others { "fix, with the others" } else { "fix" };
                format!("{fix_of}: {}   may break: {}", patch(&fix.patch), fix.may_break)
            }
            (None, Some(because)) => format!("no fix: {because}"),
            (None, None) => continue,
        };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// A patch in words.
fn patch(edits: &[Edit]) -> String {
    let words: Vec<_> = edits.iter().map(edit).collect();
    Foreign::from(words.join("; ")).to_string()
}

fn edit(edit: &Edit) -> String {
    let Edit { op, path, value } = edit;
    match (op, value, path.strip_suffix("/-")) {
        (Op::Remove, ..) | (_, None, _) => format!("remove {}", field(path)),
        (Op::Add, Some(value), Some(list)) => format!("add {} to {}", inline(value), field(list)),
        (_, Some(value), _) => {
            let mut leaves = vec![];
            set(&field(path), value, &mut leaves);
            leaves.join("; ")
        }
    }
}

fn set(field: &str, value: &Value, leaves: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, value)| set(&format!("{field}.{name}"), value, leaves));
        }
        _ => leaves.push(format!("set {field} to {}", inline(value))),
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// A JSON pointer as messages write fields.
fn field(pointer: &str) -> String {
    let parts = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
    parts.fold(String::new(), |path, part| {
        if part.chars().all(|c| c.is_ascii_digit()) {
            format!("{path}[{part}]")
        } else if part.contains(['.', '/', '[']) {
            format!("{path}[{}]", Value::from(part))
        } else if path.is_empty() {
            part
        } else {
            format!("{path}.{part}")
        }
    })
}

#[cfg(test)]
mod tests {
    use gatewright_rules::fix::{Edit, Op};
    use serde_json::{Value, json};

    use super::patch;

    #[test]
    fn patches_are_read_as_sentences() {
        let one = |op, path: &str, value: Value| {
            let value = Some(value).filter(|value| !value.is_null());
            patch(&[Edit { op, path: path.to_owned(), value }])
        };
        let context = "/spec/containers/0/securityContext";
        for (op, path, value, expected) in [
            (Op::Remove, "/spec/hostPID", json!(null), "remove spec.hostPID"),
            (
                Op::Add,
                context,
                json!({"a": true, "b": {"drop": ["ALL"]}}),
                "set spec.containers[0].securityContext.a to true; set spec.containers[0].securityContext.b.drop to [ALL]",
            ),
            (Op::Add, "/spec/l/-", json!("ALL"), "add ALL to spec.l"),
            (
                Op::Replace,
                "/metadata/annotations/a.b~1c",
                json!("x"),
                "set metadata.annotations[\"a.b/c\"] to x",
            ),
            (
                Op::Remove,
                "/metadata/annotations/a\u{1b}[2J",
                json!(null),
                "remove metadata.annotations[\"a\\u001b[2J\"]",
            ),
        ] {
            assert_eq!(one(op, path, value), expected);
        }
    }
}
