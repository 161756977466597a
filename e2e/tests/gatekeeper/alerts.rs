//! The alerts and the dashboard under `deploy/`, judged by Prometheus' own promtool.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use gatewright_e2e::{paths, tools};
use serde_json::{Value, json};

fn deploy(file: &str) -> PathBuf {
    paths::repository().join("deploy").join(file)
}

fn read(file: &str) -> Result<Value> {
    let path = deploy(file);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(serde_saphyr::from_str(&text)?)
}

fn promtool(arguments: &[&str], file: &Path) -> Result<()> {
    let output = Command::new(tools::path("promtool")).args(arguments).arg(file).output();
    let output = output.context("cannot run promtool; run `make tools`")?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{}{}", said(&output.stdout), said(&output.stderr));
    Ok(())
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

/// The alerts of the operator and of the verifier, and how many there are at least.
const ALERTS: [(&str, usize); 2] = [("alerts", 9), ("verifier-alerts", 4)];
/// Their dashboards, and how many queries they have at least.
const DASHBOARDS: [(&str, usize); 2] = [("dashboard.json", 11), ("verifier-dashboard.json", 9)];

#[test]
fn alerts_fire_when_they_must_and_only_then() -> Result<()> {
    for (file, _) in ALERTS {
        promtool(&["check", "rules"], &deploy(&format!("{file}.yaml")))?;
        promtool(&["test", "rules"], &deploy(&format!("{file}.test.yaml")))?;
    }
    Ok(())
}

/// An alert that no test makes fire, or none keeps from firing, is not tested.
#[test]
fn every_alert_is_tested_both_ways() -> Result<()> {
    for (file, least) in ALERTS {
        is_tested_both_ways(file, least).context(file)?;
    }
    Ok(())
}

fn is_tested_both_ways(file: &str, least: usize) -> Result<()> {
    let name = |rule: &Value, field: &str| rule[field].as_str().unwrap_or_default().to_owned();
    let (rules, tests) = (read(&format!("{file}.yaml"))?, read(&format!("{file}.test.yaml"))?);
    let alerts: BTreeSet<_> = list(&rules, "groups")
        .flat_map(|group| list(group, "rules"))
        .map(|rule| name(rule, "alert"))
        .collect();
    ensure!(alerts.len() >= least, "{alerts:?}");
    for fires in [true, false] {
        let cases = list(&tests, "tests").flat_map(|test| list(test, "alert_rule_test"));
        let cases = cases.filter(|case| (list(case, "exp_alerts").count() > 0) == fires);
        let tested: BTreeSet<_> = cases.map(|case| name(case, "alertname")).collect();
        ensure!(tested == alerts, "fires = {fires}: {:?}", alerts.symmetric_difference(&tested));
    }
    Ok(())
}

#[test]
fn the_dashboards_queries_are_queries() -> Result<()> {
    for (file, least) in DASHBOARDS {
        are_queries(file, least).context(file)?;
    }
    Ok(())
}

fn are_queries(file: &str, least: usize) -> Result<()> {
    let dashboard = read(file)?;
    let targets = list(&dashboard, "panels").flat_map(|panel| list(panel, "targets"));
    let record =
        |(i, target): (usize, &Value)| json!({"record": format!("query:{i}"), "expr": target["expr"]});
    let rules: Vec<_> = targets.enumerate().map(record).collect();
    ensure!(rules.len() >= least, "{rules:?}");
    let file = std::env::temp_dir().join(format!("gatewright-{file}-{}.yaml", std::process::id()));
    let text = json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string();
    std::fs::write(&file, text)?;
    let checked = promtool(&["check", "rules"], &file);
    std::fs::remove_file(&file)?;
    checked
}
