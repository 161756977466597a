//! One admission review in Gatekeeper's own engine: our way against the usual one.

use anyhow::{Result, bail, ensure};
use gatewright_api::{OperationPolicy, SecurityPolicy};

use super::gator::{Arm, Measured, Objects, in_turns};
use super::statistics::Rounds;
use super::table::Table;
use super::usual::{self, Pair};
use super::{Subject, objects, policies, progress, say};

const ROUNDS: usize = 5;

/// The constraint of the standard that holds in the namespace.
const STANDARD: &str = "d8-pod-security-restricted-deny";

/// What is reviewed.
const SUBJECTS: [Subject; 4] = [
    ("Pod, 1 container", |name| objects::pod(name, 1)),
    ("Pod, 3 containers", |name| objects::pod(name, 3)),
    ("Pod, 20 containers", |name| objects::pod(name, 20)),
    ("Pod, 3 containers, failing", objects::bad_pod),
];

/// Measures and prints.
///
/// # Errors
/// `gator` fails, or the ways do not find the same number of violations.
pub fn run() -> Result<()> {
    let ways = ways()?;
    let [installed, matching, usual] = &ways;
    say(&format!(
        "\n## One admission review in Gatekeeper's engine\n\n\
         Checked is a namespace under `restricted`, with one SecurityPolicy and one OperationPolicy of ten rules together.\n\
         - as installed: {} constraints, of which {} match\n\
         - usual: the same checks as {} templates with one constraint each, and no other level or action\n\n\
         Medians of {ROUNDS} rounds in turns, with the range.",
        installed.constraints, matching.constraints, usual.constraints,
    ));
    let mut table = Table::new([
        "object",
        "KB",
        "violations",
        "usual, ms",
        "as installed, ms",
        "as installed : usual",
        "allocations",
        "only what matches : usual",
    ]);
    for (title, make) in SUBJECTS {
        let objects = Objects::new(&policies::namespace(), make)?;
        let measured = in_turns(&ways.each_ref(), &objects, ROUNDS)?;
        let size = serde_json::to_string(&make("copy-0"))?.len();
        let row = row(title, size, &measured)?;
        progress(&row.join("  "));
        table.row(row);
    }
    table.print("Ours against one template and constraint per rule");
    Ok(())
}

/// As installed; only the constraints that match; the usual way.
fn ways() -> Result<[Arm; 3]> {
    let templates = policies::installed_templates();
    let security = policies::constraint::<SecurityPolicy>(policies::security_policy())?;
    let operation = policies::constraint::<OperationPolicy>(policies::operation_policy())?;
    let standards = policies::installed_standards();
    let restricted: Vec<_> =
        standards.iter().filter(|constraint| constraint["metadata"]["name"] == STANDARD).cloned().collect();
    ensure!(restricted.len() == 1, "no constraint {STANDARD}");

    let pairs: Vec<Pair> = [
        usual::of_standard(&restricted[0])?,
        usual::of_policy::<SecurityPolicy>(&security)?,
        usual::of_policy::<OperationPolicy>(&operation)?,
    ]
    .into_iter()
    .flatten()
    .collect();
    let (apart, each): (Vec<_>, Vec<_>) =
        pairs.into_iter().map(|pair| (pair.template, pair.constraint)).unzip();
    let ours = [security, operation];
    Ok([
        Arm::new(&templates, &[&standards[..], &ours].concat())?,
        Arm::new(&templates, &[&restricted[..], &ours].concat())?,
        Arm::new(&apart, &each)?,
    ])
}

fn row(title: &str, size: usize, measured: &[Measured]) -> Result<[String; 8]> {
    let [installed, matching, usual] = measured else { bail!("three ways") };
    let violations = |of: &Measured| format!("{:.0}", of.work.violations);
    ensure!(
        violations(installed) == violations(usual) && violations(matching) == violations(usual),
        "{title}: {} violations as installed, {} in the usual way",
        violations(installed),
        violations(usual)
    );
    let millis = |of: &Measured| Rounds::of(of.micros.iter().map(|micros| micros / 1e3)).to_string();
    let allocations = installed.work.allocations / usual.work.allocations;
    Ok([
        title.to_owned(),
        format!("{}.{}", size / 1000, size % 1000 / 100),
        violations(usual),
        millis(usual),
        millis(installed),
        Rounds::ratio(&installed.micros, &usual.micros).to_string(),
        format!("{allocations:.2}"),
        Rounds::ratio(&matching.micros, &usual.micros).to_string(),
    ])
}
