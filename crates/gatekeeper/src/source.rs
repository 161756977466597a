//! What a template says of the operations that it judges, read from its object.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Operation;

/// The parts of a template's target that hold code.
const CODE: [&str; 3] = ["code", "rego", "libs"];

/// What the sources of a template show of the requests it is written for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateSource {
    /// The kind of the template's constraints.
    pub kind: String,
    /// The listed operations.
    operations: BTreeSet<Operation>,
    /// Whether all operations are meant: none is listed, or `*`.
    all_operations: bool,
    /// The operations that the source names in a string, of those that upstream's webhook does not send.
    named: BTreeSet<Operation>,
    /// Whether the source looks at the request's operation at all.
    looks_at_operation: bool,
    /// Whether the source compares a resource with one that has its subresource in it, which no request has.
    compares_subresource: bool,
}

impl TemplateSource {
    /// Reads the spec of a template.
    #[must_use]
    pub fn new(spec: &Value) -> Self {
        let mut found = Self {
            kind: spec["crd"]["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned(),
            ..Self::default()
        };
        let (mut words, mut listed) = (vec![], BTreeSet::new());
        for target in spec["targets"].as_array().into_iter().flatten() {
            let operations = target["operations"].as_array().into_iter().flatten();
            listed.extend(operations.filter_map(Value::as_str));
            for part in CODE {
                read(&target[part], &mut words);
            }
        }
        found.all_operations = listed.is_empty() || listed.contains("*");
        found.operations = listed.into_iter().filter_map(|operation| operation.parse().ok()).collect();
        found.judge(&words);
        found
    }

    /// Whether the template is written for the operation: it lists it, or lists none and names it.
    #[must_use]
    pub fn means(&self, operation: Operation) -> bool {
        self.operations.contains(&operation) || (self.all_operations && self.named.contains(&operation))
    }

    /// Whether the template would judge requests of operations that its author never thought of: it lists none, and
    /// does not look which one it is.
    #[must_use]
    pub fn is_woken_by_any(&self) -> bool {
        self.all_operations && !self.looks_at_operation
    }

    /// Whether the source compares `resource.resource` with `pods/exec` or the like and never looks at the
    /// subresource: no request has such a resource, so the comparison is never true.
    #[must_use]
    pub const fn compares_subresource(&self) -> bool {
        self.compares_subresource
    }

    fn judge(&mut self, words: &[Word]) {
        let is_name = |word: &Word, name: &str| matches!(word, Word::Name(found) if found == name);
        let is_text = |word: &Word, text: &str| matches!(word, Word::Text(found) if found == text);
        let field = |name: &str| {
            let dotted = words.windows(2).any(|pair| pair[0] == Word::Dot && is_name(&pair[1], name));
            dotted || words.iter().any(|word| is_text(word, name))
        };
        self.looks_at_operation = field("operation");
        let names = |operation: &Operation| {
            let is_it = |text: &str| text.eq_ignore_ascii_case(operation.name());
            words.iter().any(|word| matches!(word, Word::Text(text) if is_it(text)))
        };
        self.named = [Operation::Connect, Operation::Delete].into_iter().filter(names).collect();
        let with_subresource =
            ["pods/exec", "pods/attach"].iter().any(|text| words.iter().any(|word| is_text(word, text)));
        let subresource = field("subResource") || field("requestSubResource");
        self.compares_subresource = with_subresource && field("resource") && !subresource;
    }
}

/// What of a source we look at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Name(String),
    Text(String),
    Dot,
    Other,
}

/// The words of all sources in a part of a template. An entry of `code` names its engine, and CEL has
/// messages; all other strings are code.
fn read(part: &Value, words: &mut Vec<Word>) {
    match part {
        Value::String(source) => words.extend(tokens(source)),
        Value::Array(parts) => parts.iter().for_each(|part| read(part, words)),
        Value::Object(fields) => {
            fields
                .iter()
                .filter(|(name, _)| !["engine", "message"].contains(&name.as_str()))
                .for_each(|(_, part)| read(part, words));
        }
        _ => {}
    }
}

/// Names, strings and dots of Rego or CEL; comments are left out. Rego has no string in single quotes, and CEL no
/// comment after a `#`: neither sign stands in the other language outside a string.
fn tokens(source: &str) -> Vec<Word> {
    let mut words = vec![];
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' | '`' => {
                let (text, length) = quoted(rest, first);
                words.push(Word::Text(text));
                length
            }
            '.' => {
                words.push(Word::Dot);
                1
            }
            _ if is_part_of_name(first) => {
                let length = rest.find(|sign| !is_part_of_name(sign)).unwrap_or(rest.len());
                words.push(Word::Name(rest[..length].to_owned()));
                length
            }
            _ => {
                if !first.is_whitespace() {
                    words.push(Word::Other);
                }
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    words
}

fn is_part_of_name(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_'
}

/// The text of a string that begins here, and its length in bytes with the quotes. Backticks know no escapes.
fn quoted(rest: &str, quote: char) -> (String, usize) {
    let mut escaped = false;
    for (at, sign) in rest.char_indices().skip(1) {
        if sign == quote && !escaped {
            return (rest[1..at].to_owned(), at + 1);
        }
        escaped = sign == '\\' && !escaped && quote != '`';
    }
    (rest[1..].to_owned(), rest.len())
}

#[cfg(test)]
mod tests {
    use super::TemplateSource;
    use crate::Operation::{Connect, Delete};
    use serde_json::{Value, json};

    fn source(operations: &Value, rego: &str) -> TemplateSource {
        TemplateSource::new(&json!({
            "crd": {"spec": {"names": {"kind": "K"}}},
            "targets": [{"operations": operations, "rego": rego}],
        }))
    }

    #[test]
    fn what_a_template_means_and_what_wakes_it() {
        let none = json!([]);
        for (operations, rego, connect, delete, woken) in [
            (&json!(["CREATE"]), "input.review.object", false, false, false),
            (&json!(["CONNECT"]), "input.review.object", true, false, false),
            (&json!(["DELETE", "CREATE"]), "", false, true, false),
            (&json!(["*"]), "input.review.object", false, false, true),
            (&json!(["*"]), "input.review.operation == \"DELETE\"", false, true, false),
            (&none, "input.review.object.spec", false, false, true),
            (&none, "input.review.operation == \"CONNECT\"", true, false, false),
            (&none, "object.get(input.review, \"operation\", \"\") == `DELETE`", false, true, false),
            (&none, "input.review[\"operation\"] != \"DELETE\"", false, true, false),
            (&none, "lower(input.review.operation) == \"delete\"", false, true, false),
            (&none, "not input.review.operation == \"UPDATE\"", false, false, false),
            // Comments and longer names decide nothing.
            (&none, "# only \"DELETE\", see .operation\ninput.review.object", false, false, true),
            (&none, "is_operation { input.review.object.operations }", false, false, true),
            (&none, "msg := \"no # \\\" DELETE\"", false, false, true),
            (&none, "msg := \"a # b\"; input.review.operation == \"DELETE\"", false, true, false),
        ] {
            let source = source(operations, rego);
            let found = (source.means(Connect), source.means(Delete), source.is_woken_by_any());
            assert_eq!(found, (connect, delete, woken), "{operations} {rego}");
        }
    }

    #[test]
    fn code_of_every_engine_is_read_with_its_libraries() {
        for code in [
            json!({"engine": "Rego", "source": {"version": "v1", "rego": "x", "libs": [
                "package lib.a\nis_delete if input.review.operation == \"DELETE\"",
            ]}}),
            json!({"engine": "K8sNativeValidation", "source": {"validations": [
                {"expression": "request.operation != 'DELETE' // \"CONNECT\"", "message": "no"},
            ]}}),
        ] {
            let source = TemplateSource::new(&json!({"targets": [{"code": [code]}]}));
            assert!(source.means(Delete) && !source.means(Connect) && !source.is_woken_by_any(), "{code}");
        }
    }

    #[test]
    fn a_resource_never_has_its_subresource_in_it() {
        for (rego, never) in [
            ("input.review.resource.resource == \"pods/exec\"", true),
            ("\"pods/attach\" == input.review[\"resource\"].resource", true),
            ("input.review.resource.resource in {\"pods/exec\"}", true),
            ("input.review.resource.resource == \"pods\"; input.review.subResource == \"exec\"", false),
            (
                "concat(\"/\", [input.review.resource.resource, input.review.requestSubResource]) == \"pods/exec\"",
                false,
            ),
            ("msg := \"pods/exec\"", false),
        ] {
            assert_eq!(source(&json!([]), rego).compares_subresource(), never, "{rego}");
        }
    }
}
