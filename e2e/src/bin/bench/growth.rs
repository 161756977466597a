//! How a review in Gatekeeper's engine grows with the number of other policies.

use anyhow::Result;
use gatewright_api::{OperationPolicy, SecurityPolicy};

use super::gator::{Arm, Measured, Objects, in_turns};
use super::statistics::Rounds;
use super::table::Table;
use super::{Subject, objects, policies, progress, say};

const ROUNDS: usize = 3;

const NUMBERS: [usize; 4] = [1, 10, 100, 1000];

/// What is reviewed.
const SUBJECTS: [Subject; 2] =
    [("Pod, 3 containers", |name| objects::pod(name, 3)), ("small ConfigMap", objects::config_map)];

/// Measures and prints.
///
/// # Errors
/// `gator` fails.
pub fn run() -> Result<()> {
    say(&format!(
        "\n## A review among many policies\n\n\
         Everything of the review above, and more OperationPolicies of three rules, which look at Pods and ConfigMaps.\n\
         Medians of {ROUNDS} rounds in turns, with the range; beside it, how many times a review without other policies."
    ));
    let arms = arms()?;
    for (title, make) in SUBJECTS {
        let objects = Objects::new(&policies::namespace(), make)?;
        progress(title);
        let measured = in_turns(&arms.iter().collect::<Vec<_>>(), &objects, ROUNDS)?;
        let (alone, rest) = measured.split_at(1);
        let mut table = Table::new([
            "other policies",
            "of other namespaces, ms",
            "times",
            "allocations",
            "times",
            "that match, ms",
            "times",
        ]);
        let [time, one, allocations, _] = cells(&alone[0], &alone[0]);
        table.row(["0", &time, &one, &allocations, &one, &time, &one]);
        for (number, pair) in NUMBERS.iter().zip(rest.chunks(2)) {
            let [others, times, allocations, allocated] = cells(&pair[0], &alone[0]);
            let [matching, matching_times, ..] = cells(&pair[1], &alone[0]);
            table.row([number.to_string(), others, times, allocations, allocated, matching, matching_times]);
        }
        table.print(title);
    }
    Ok(())
}

/// The time and how many times it is that of a review without others; the same of allocations, which are exact.
fn cells(measured: &Measured, alone: &Measured) -> [String; 4] {
    let millis = Rounds::of(measured.micros.iter().map(|micros| micros / 1e3)).to_string();
    let allocations = measured.work.allocations;
    [
        millis,
        format!("{:.1}", Rounds::ratio(&measured.micros, &alone.micros).median),
        format!("{allocations:.0}"),
        format!("{:.1}", allocations / alone.work.allocations),
    ]
}

/// Without others; then for each number those of other namespaces, and those that match.
fn arms() -> Result<Vec<Arm>> {
    let templates = policies::installed_templates();
    let mut own = policies::installed_standards();
    own.push(policies::constraint::<SecurityPolicy>(policies::security_policy())?);
    own.push(policies::constraint::<OperationPolicy>(policies::operation_policy())?);
    let with_others = |number: usize, team: &str| -> Result<Arm> {
        let others =
            (0..number).map(|i| policies::constraint::<OperationPolicy>(policies::other_policy(i, team)));
        let all: Vec<_> = own.iter().cloned().map(Ok).chain(others).collect::<Result<_>>()?;
        Arm::new(&templates, &all)
    };
    let counts = NUMBERS.iter().flat_map(|&number| [(number, "warehouse"), (number, "shop")]);
    std::iter::once((0, "shop")).chain(counts).map(|(number, team)| with_others(number, team)).collect()
}
