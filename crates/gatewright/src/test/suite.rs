//! Gatekeeper's `Suite`, as its authors write it.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::files::SUITE_GROUP;
use crate::diagnostics;
use crate::input::{Document, InputError};
use crate::policies;

/// A suite of tests.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Suite {
    /// The tests.
    #[serde(deserialize_with = "given")]
    pub tests: Vec<Test>,
    /// Whether nothing of it is run.
    #[serde(deserialize_with = "given")]
    pub skip: bool,
}

/// A template and a constraint, and what they should find. Files are named as seen from the suite's folder.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Test {
    /// The name.
    #[serde(deserialize_with = "given")]
    pub name: String,
    /// The file of the `ConstraintTemplate`.
    #[serde(deserialize_with = "given")]
    pub template: String,
    /// The file of the constraint.
    #[serde(deserialize_with = "given")]
    pub constraint: String,
    /// The file of `ExpansionTemplate` objects.
    #[serde(deserialize_with = "given")]
    pub expansion: String,
    /// The cases.
    #[serde(deserialize_with = "given")]
    pub cases: Vec<Case>,
    /// Whether the constraint must not fit the template's schema. Cases are not run then.
    #[serde(deserialize_with = "given")]
    pub invalid: bool,
    /// Whether it is not run.
    #[serde(deserialize_with = "given")]
    pub skip: bool,
}

/// An object, and what should be found in it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Case {
    /// The name.
    #[serde(deserialize_with = "given")]
    pub name: String,
    /// The file of the object, or of an `AdmissionReview`.
    #[serde(deserialize_with = "given")]
    pub object: String,
    /// Files of other objects, for `data.inventory`.
    #[serde(deserialize_with = "given")]
    pub inventory: Vec<String>,
    /// What should be found; all of it.
    #[serde(deserialize_with = "given")]
    pub assertions: Vec<Assertion>,
    /// Whether it is not run.
    #[serde(deserialize_with = "given")]
    pub skip: bool,
}

/// One thing that should be found.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Assertion {
    /// How many violations: `yes`, `no`, or a number.
    pub violations: Value,
    /// A regular expression: violations whose message does not match do not count.
    pub message: Option<String>,
}

/// `null` is as good as nothing.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Whether a document is a suite.
pub fn is_suite(document: &Document) -> bool {
    document.header.group() == SUITE_GROUP && document.header.kind == "Suite"
}

/// Reads a suite.
///
/// # Errors
/// A field has a wrong type.
pub fn read(document: &Document) -> Result<Suite, InputError> {
    let mut value = document.value();
    words(&mut value, document);
    for (pointer, name) in unknown(&value) {
        let location = document.locate(&pointer);
        diagnostics::note(format!("{location}: {name} is not a field of a Suite; left out"));
    }
    gatewright_typed::read(&value).map_err(|misfit| {
        let location = document.locate(&misfit.pointer);
        InputError { location, message: format!("Suite: {misfit}") }
    })
}

/// `gator` reads suites as YAML 1.2: there `yes` and `no` are words, and `true` and `on` are not these.
fn words(suite: &mut Value, document: &Document) {
    let mut found = vec![];
    for (test, of_test) in items(suite, "tests") {
        for (case, of_case) in items(of_test, "cases") {
            for (assertion, of_assertion) in items(of_case, "assertions") {
                if of_assertion["violations"].is_boolean() {
                    found.push(format!("/tests/{test}/cases/{case}/assertions/{assertion}/violations"));
                }
            }
        }
    }
    for pointer in found {
        let word = document.scalar(&pointer).filter(|word| ["yes", "no"].contains(&word.as_str()));
        if let (Some(word), Some(value)) = (word, suite.pointer_mut(&pointer)) {
            *value = word.into();
        }
    }
}

fn items<'v>(value: &'v Value, list: &str) -> impl Iterator<Item = (usize, &'v Value)> {
    value.get(list).and_then(Value::as_array).into_iter().flatten().enumerate()
}

/// Fields that Gatekeeper would leave out in silence, as pointers and names.
fn unknown(suite: &Value) -> Vec<(String, String)> {
    const SUITE: &[&str] = &["apiVersion", "kind", "metadata", "tests", "skip"];
    const TEST: &[&str] = &["name", "template", "constraint", "expansion", "cases", "invalid", "skip"];
    const CASE: &[&str] = &["name", "object", "inventory", "assertions", "skip"];
    const ASSERTION: &[&str] = &["violations", "message"];
    let mut found = vec![];
    of_level(
        suite,
        "",
        &[(SUITE, "tests"), (TEST, "cases"), (CASE, "assertions"), (ASSERTION, "")],
        &mut found,
    );
    found
}

fn of_level(value: &Value, pointer: &str, levels: &[(&[&str], &str)], found: &mut Vec<(String, String)>) {
    let (Some(((known, below), levels)), Some(object)) = (levels.split_first(), value.as_object()) else {
        return;
    };
    for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
        found.push((format!("{pointer}/{name}"), policies::field(&format!("{pointer}/{name}"))));
    }
    for (index, item) in object.get(*below).and_then(Value::as_array).into_iter().flatten().enumerate() {
        of_level(item, &format!("{pointer}/{below}/{index}"), levels, found);
    }
}

#[cfg(test)]
mod tests {
    use super::unknown;
    use serde_json::json;

    #[test]
    fn fields_that_nobody_knows_are_found() {
        let case = json!({"name": "b", "asserts": [], "assertions": [{"violation": 1}]});
        let suite = json!({"kind": "Suite", "tests": [{"cases": [case], "templates": "a"}]});
        let names: Vec<_> = unknown(&suite).into_iter().map(|(_, name)| name).collect();
        assert_eq!(
            names,
            ["tests[0].templates", "tests[0].cases[0].asserts", "tests[0].cases[0].assertions[0].violation"]
        );
    }
}
