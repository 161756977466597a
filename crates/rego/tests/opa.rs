//! What OPA computes, as Gatekeeper's `gator` says it, is what this engine computes.

use std::collections::BTreeMap;
use std::time::Duration;

use gatewright_rego::{Modules, Program, RegoVersion, Trust, Value};

/// Expressions and their values, a tab between them: what `sprintf("%v", [[x]])` says in `gator test`, without the
/// brackets. `undefined` where nothing is said.
const VALUES: &str = include_str!("opa-values.txt");

/// So many expressions are in one program.
const AT_ONCE: usize = 50;

fn rows(text: &str) -> Vec<(&str, &str)> {
    text.lines().filter_map(|line| line.split_once('\t')).collect()
}

/// The values by the place of their expression, or what kept the program from an answer.
fn values(expressions: &[&str]) -> Result<BTreeMap<usize, String>, String> {
    let rules = expressions.iter().enumerate().map(|(at, expression)| {
        format!("violation[{{\"msg\": msg}}] {{ x := {expression}; msg := sprintf(\"{at} %v\", [[x]]) }}\n")
    });
    let entry = format!("package p\n{}", rules.collect::<String>());
    let modules = Modules { version: RegoVersion::V0, entry: &entry, libs: &[] };
    let program = Program::compile(&modules, Trust::Checked, Duration::from_mins(1));
    let program = program.map_err(|errors| format!("{errors:?}"))?;
    let found =
        program.evaluate(&Value::new_object(), &Value::Undefined).map_err(|error| error.to_string())?;
    let value = |message: &str| {
        let (at, value) = message.split_once(' ')?;
        Some((at.parse().ok()?, value.strip_prefix('[')?.strip_suffix(']')?.to_owned()))
    };
    Ok(found.iter().filter_map(|finding| value(&finding.message)).collect())
}

fn differences(text: &str) -> Vec<String> {
    let mut differences = vec![];
    for rows in rows(text).chunks(AT_ONCE) {
        let expressions: Vec<_> = rows.iter().map(|(expression, _)| *expression).collect();
        match values(&expressions) {
            Ok(values) => {
                for (at, (expression, expected)) in rows.iter().enumerate() {
                    let found = values.get(&at).map_or("undefined", String::as_str);
                    if found != *expected {
                        differences.push(format!("{expression} is {found}, in OPA {expected}"));
                    }
                }
            }
            Err(_) if rows.len() > 1 => {
                for row in rows {
                    differences.extend(differences_of(row));
                }
            }
            Err(error) => differences.push(format!("{}: {error}", rows[0].0)),
        }
    }
    differences
}

fn differences_of(row: &(&str, &str)) -> Vec<String> {
    differences(&format!("{}\t{}", row.0, row.1))
}

#[test]
fn values_are_those_of_opa() {
    let differences = differences(VALUES);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(rows(VALUES).len() > 500);
}
