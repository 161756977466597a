//! `gatewright test` against `gator verify`: the same suites, and for every test and case the same outcome.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use gatewright_e2e::{operator, paths, tools};
use serde_json::Value;

/// A test, and a case of it; tests without a case of their own have none.
type Name = (String, Option<String>);

/// What becomes of it. To `gator` a test that cannot be run has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Skipped,
}

type Outcomes = BTreeMap<Name, Outcome>;

/// The suites of the transcripts.
fn suites() -> Result<Vec<PathBuf>> {
    let folder = paths::repository().join("crates/gatewright/tests/cmd/test.in/gator");
    let entries: Result<Vec<_>, _> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect();
    let mut suites: Vec<_> = entries.map_err(|error: std::io::Error| error)?;
    suites.retain(|path| path.to_string_lossy().ends_with("-suite.yaml"));
    suites.sort();
    Ok(suites)
}

#[test]
fn every_case_has_the_same_outcome() -> Result<()> {
    let mut counts = BTreeMap::<String, usize>::new();
    let suites = suites()?;
    ensure!(suites.len() >= 9, "only {suites:?}");
    for suite in &suites {
        for outcome in agree(suite, &[])?.values() {
            *counts.entry(format!("{outcome:?}")).or_default() += 1;
        }
    }
    for (outcome, least) in [("Passed", 20), ("Failed", 20), ("Skipped", 2)] {
        ensure!(counts.get(outcome).is_some_and(|count| *count >= least), "{counts:?}");
    }
    Ok(())
}

#[test]
fn names_choose_the_same_cases() -> Result<()> {
    for filter in ["hosts", "taken", "hosts//taken|free", "^hosts$//", "//blue", "nobody", "s//^unknown$"] {
        for suite in suites()?.iter().filter(|suite| suite.to_string_lossy().contains("inventory")) {
            agree(suite, &["--run", filter]).with_context(|| filter.to_owned())?;
        }
    }
    Ok(())
}

/// A file that does not parse, or fields of wrong types, stop both; both leave out what is no suite.
#[test]
fn the_same_files_are_no_suites() -> Result<()> {
    let folder = env::temp_dir().join(format!("gatewright-suites-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let head = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\n";
    for (name, body, runs) in [
        ("empty", "", true),
        ("null", "tests: null\nskip: null\n", true),
        ("unknown", "testing: []\n", true),
        ("syntax", "tests: [\n", false),
        ("type", "tests: {}\n", false),
        ("name", "tests: [{name: 5}]\n", false),
    ] {
        let path = folder.join(format!("{name}.yaml"));
        fs::write(&path, format!("{head}{body}"))?;
        let gator = Command::new(tools::path("gator")).arg("verify").arg(&path).output()?;
        let ours = Command::new(operator::binary()?).arg("test").arg(&path).output()?;
        let said = || format!("{name}: {}", String::from_utf8_lossy(&ours.stdout));
        ensure!(gator.status.success() == runs, "gator: {}", said());
        ensure!(ours.status.success() == runs, "{}", said());
        ensure!(runs || ours.status.code() == Some(2), "{}", said());
    }
    Ok(fs::remove_dir_all(&folder)?)
}

/// The outcomes, which are the same.
fn agree(suite: &Path, arguments: &[&str]) -> Result<Outcomes> {
    let (gator, ours) = (by_gator(suite, arguments)?, by_us(suite, arguments)?);
    let differences: Vec<_> = gator
        .keys()
        .chain(ours.keys())
        .filter(|name| gator.get(name) != ours.get(name))
        .map(|name| format!("{name:?}: gator {:?}, ours {:?}", gator.get(name), ours.get(name)))
        .collect();
    ensure!(differences.is_empty(), "{}: {differences:#?}", suite.display());
    Ok(ours)
}

fn by_us(suite: &Path, arguments: &[&str]) -> Result<Outcomes> {
    let output =
        Command::new(operator::binary()?).args(["test", "-o", "json"]).args(arguments).arg(suite).output()?;
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    let document: Value = serde_json::from_slice(&output.stdout).with_context(said)?;
    let mut outcomes = Outcomes::new();
    for result in document["results"].as_array().context("no results")? {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let outcome = match result["outcome"].as_str() {
            Some("passed") => Outcome::Passed,
            Some("skipped") => Outcome::Skipped,
            _ => Outcome::Failed,
        };
        outcomes.insert((text(&result["test"]).unwrap_or_default(), text(&result["case"])), outcome);
    }
    // It says nothing of the tests of a suite that is skipped.
    outcomes.remove(&("the whole suite".to_owned(), None));
    Ok(outcomes)
}

fn by_gator(suite: &Path, arguments: &[&str]) -> Result<Outcomes> {
    let output = Command::new(tools::path("gator"))
        .args(["verify", "--verbose"])
        .args(arguments)
        .arg(suite)
        .output()
        .context("gator does not run; `make tools` builds it")?;
    let said = String::from_utf8(output.stdout)?;
    let mut outcomes = Outcomes::new();
    let mut cases = vec![];
    for line in said.lines() {
        let Some((name, outcome)) = outcome_of(line.trim_start()) else { continue };
        if line.starts_with(' ') {
            cases.push((name, outcome));
        } else if cases.is_empty() {
            outcomes.insert((name, None), outcome);
        } else {
            let of_test = cases.drain(..).map(|(case, outcome)| ((name.clone(), Some(case)), outcome));
            outcomes.extend(of_test);
        }
    }
    ensure!(cases.is_empty() && said.contains(['P', 'F']), "{said}");
    Ok(outcomes)
}

/// The name on a line of `gator`, without how long it took.
fn outcome_of(line: &str) -> Option<(String, Outcome)> {
    let starts =
        [("--- PASS: ", Outcome::Passed), ("--- FAIL: ", Outcome::Failed), ("=== SKIP  ", Outcome::Skipped)];
    let (start, outcome) = starts.into_iter().find(|(start, _)| line.starts_with(start))?;
    let name = line[start.len()..].split('\t').next().unwrap_or_default();
    Some((name.to_owned(), outcome))
}
