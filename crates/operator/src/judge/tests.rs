//! What the tables of all decisions cover.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use gatewright_api::Reason;
use strum::VariantArray as _;

use super::fixtures::{Expected, Row};
use super::plan::ActionKind;
use super::{draft, guard, policy, routing, standard, system, template, verifier};

/// Every row of every table. [`Row`]s are compared by the tests beside the decisions.
fn rows() -> Vec<Row> {
    let tables = [
        draft::tests::rows(),
        guard::tests::rows(),
        policy::tests::cluster_rows(),
        policy::tests::invalid_rows(),
        policy::tests::signatures_rows(),
        policy::tests::unserved_rows(),
        policy::tests::valid_rows(),
        routing::tests::rows(),
        standard::tests::rows(),
        template::tests::rows(),
        verifier::tests::rows(),
    ];
    tables.into_iter().flatten().collect()
}

/// The reasons that the sources of the decisions name, tests left out, and those that the compiler gives.
fn given(folder: &Path) -> BTreeSet<String> {
    let mut reasons: BTreeSet<_> = [Reason::Invalid.as_str().to_owned()].into();
    for path in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        if ["tests", "tests.rs", "fixtures.rs", "health.rs"].iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            reasons.extend(given(&path));
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let name =
            |rest: &str| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
        reasons.extend(code.split("Reason::").skip(1).map(name));
    }
    reasons
}

#[test]
fn every_reason_is_expected_somewhere() {
    let known: BTreeSet<_> = Reason::VARIANTS.iter().map(|reason| reason.as_str().to_owned()).collect();
    let rows = rows();
    let expected = rows.iter().flat_map(|row| row.expected.reasons()).chain(system::tests::reasons());
    let expected: BTreeSet<_> = expected.collect();
    let given = given(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/judge"));
    let given: BTreeSet<_> = given.intersection(&known).cloned().collect();
    assert!(given.len() > 25, "{given:?}");
    assert_eq!(given.difference(&expected).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn every_kind_of_action_is_expected_somewhere() {
    let rows = rows();
    let expected: BTreeSet<_> = rows.iter().flat_map(|row| row.expected.actions()).collect();
    assert_eq!(expected, ActionKind::VARIANTS.iter().copied().collect());
    let silent = |row: &&Row| matches!(&row.expected, Expected::Plan(plan) if plan.actions.is_empty());
    assert!(rows.iter().filter(silent).count() > 20);
}
