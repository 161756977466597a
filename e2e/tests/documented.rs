//! The documented policies `baseline` and `restricted` beside the standards after which they are named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use gatewright_api::SecurityPolicy;
use gatewright_compiler::{Compile as _, Settings, compile};
use gatewright_e2e::fixtures::{self, Fixture, LEVELS};
use gatewright_e2e::paths;
use gatewright_e2e::trial::{Judge, Trial, namespace, template};
use gatewright_rules::cases::NAMESPACE;
use serde_json::{Value, json};

/// Fixtures to which the policies say something else than the standard, and why. `docs/standards.md` tells users.
const EXCEPTIONS: &[(&str, &[&str], &str)] = &[
    ("baseline", PROBES, NO_FIELD_FOR_PROBES),
    (
        "baseline",
        &["fail/capabilities_baseline2", "fail/capabilities_baseline3"],
        "a policy takes chown and CAP_CHOWN for CHOWN, the standard does not",
    ),
    ("baseline", &["pass/procmount1"], "a policy knows no relaxation for user namespaces"),
    ("baseline", &["pass/sysctls1"], OLD_SYSCTLS),
    ("restricted", PROBES, NO_FIELD_FOR_PROBES),
    ("restricted", &["pass/sysctls1"], OLD_SYSCTLS),
];

const NO_FIELD_FOR_PROBES: &str = "a policy has no field for the hosts of probes and lifecycle handlers";

const OLD_SYSCTLS: &str = "the documented list of sysctls ends with v1.29";

const PROBES: &[&str] = &[
    "fail/hostprobesandhostlifecycle0",
    "fail/hostprobesandhostlifecycle1",
    "fail/hostprobesandhostlifecycle2",
    "fail/hostprobesandhostlifecycle3",
    "fail/hostprobesandhostlifecycle4",
];

#[test]
fn documented_policies_say_what_the_standards_say_by_gator() -> Result<()> {
    documented_policies_say_what_the_standards_say(Judge::Gator)
}

#[test]
fn documented_policies_say_what_the_standards_say_by_the_engine() -> Result<()> {
    documented_policies_say_what_the_standards_say(Judge::Engine)
}

fn documented_policies_say_what_the_standards_say(judge: Judge) -> Result<()> {
    let Some(fixtures) = fixtures::newest()? else { return Ok(()) };
    for level in LEVELS {
        let fixtures: Vec<_> = fixtures.iter().filter(|fixture| fixture.level == level).collect();
        let found = exceptions(level, &fixtures, judge)?;
        let expected = EXCEPTIONS.iter().filter(|(of, ..)| *of == level).flat_map(|(_, files, _)| *files);
        let expected: BTreeSet<_> = expected.map(|file| format!("{file}.yaml")).collect();
        let files: BTreeSet<_> = found.keys().cloned().collect();
        ensure!(files == expected, "{level}: {found:#?}, expected {expected:?}");
    }
    Ok(())
}

/// The fixtures to which the policy of both documented pages says something else, and what it says.
fn exceptions(level: &str, fixtures: &[&Fixture], judge: Judge) -> Result<BTreeMap<String, Vec<String>>> {
    let pages = ["faq", "overview"].map(|page| of_a_page(page, level, fixtures, judge));
    let [faq, overview] = pages;
    let (faq, overview) = (faq?, overview?);
    ensure!(faq == overview, "the pages differ: {faq:?}, {overview:?}");
    Ok(faq)
}

fn of_a_page(
    page: &str,
    level: &str,
    fixtures: &[&Fixture],
    judge: Judge,
) -> Result<BTreeMap<String, Vec<String>>> {
    let oracle = paths::oracle().context("the fixtures are there")?;
    let path = oracle.join(format!("documented/{page}-securitypolicy-{level}.yaml"));
    let policy: SecurityPolicy = serde_saphyr::from_str(&fs::read_to_string(path)?)?;
    let constraint =
        json!(compile(&policy, &Settings::default())?.constraint.context("it demands something")?);
    let labels = constraint["spec"]["match"]["namespaceSelector"]["matchLabels"].clone();
    let objects = fixtures.iter().map(|fixture| named(fixture.pod.clone(), &fixture.file));
    let trial = Trial {
        templates: vec![template(SecurityPolicy::TEMPLATE)?],
        constraints: vec![constraint],
        namespaces: vec![namespace(&labels)],
        objects: objects.collect(),
    };
    let mut messages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for violation in trial.by(judge)? {
        messages.entry(violation.object).or_default().push(violation.message);
    }
    let differing = fixtures.iter().filter(|it| messages.contains_key(&it.file) == it.refused_by.is_empty());
    Ok(differing.map(|it| (it.file.clone(), messages.get(&it.file).cloned().unwrap_or_default())).collect())
}

fn named(mut object: Value, name: &str) -> Value {
    object["metadata"]["name"] = json!(name);
    object["metadata"]["namespace"] = json!(NAMESPACE);
    object
}
