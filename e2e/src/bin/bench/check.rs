//! `gatewright check` against `gator test`: the same objects, the same policies.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use gatewright_api::{OperationPolicy, SecurityPolicy};
use serde_json::Value;

use super::folder::Folder;
use super::process::{self, Usage};
use super::statistics::Rounds;
use super::table::Table;
use super::{policies, population, progress, say};
use gatewright_e2e::operator::measured_binary;
use gatewright_e2e::tools;

const PODS_PER_FILE: usize = 100;
const ROUNDS: usize = 3;
const STARTS: usize = 15;

/// Both programs, with what each is given. Ours reads policies, and Gatekeeper's what they compile to.
struct Programs {
    namespace: Value,
    policies: Folder,
    compiled: Folder,
}

/// Measures and prints.
///
/// # Errors
/// A program is missing or fails, or they do not find the same violations.
pub fn run(pods: u32) -> Result<()> {
    let (usual, light) = (Programs::new()?, Programs::light()?);
    say("\n## The command line\n\n\
         `gatewright check` reads the namespace's label, a SecurityPolicy and an OperationPolicy of ten rules together; \
         `gator test` reads the templates and constraints that they compile to, and nothing else. \
         Both read the same Pods, as YAML, and write JSON. The light work is one SecurityPolicy of eleven rules for Pods, \
         in a namespace under `privileged`; `gator` reads its template and constraint alone. \
         Medians in turns, with the range.");
    throughput("", &usual, pods)?;
    throughput("the light work, ", &light, pods)?;
    controllers(&usual, pods)?;
    start("", &usual)?;
    start(", the light work", &light)
}

fn population(programs: &Programs, count: u32, object: fn(u32) -> Value) -> Result<Folder> {
    let folder = Folder::new()?;
    folder.write("000-namespace.yaml", std::slice::from_ref(&programs.namespace))?;
    let objects: Vec<_> = (1..=count).map(object).collect();
    for (number, chunk) in objects.chunks(PODS_PER_FILE).enumerate() {
        folder.write(&format!("objects-{number:03}.yaml"), chunk)?;
    }
    Ok(folder)
}

/// What it costs to judge Deployments with their Pods. `gator` has nothing like it: beside them stand the Pods alone.
fn controllers(programs: &Programs, count: u32) -> Result<()> {
    let pods = &population(programs, count, population::pod)?;
    let deployments = &population(programs, count, population::deployment)?;
    let output = Folder::new()?;
    let said = [output.path().join("deployments.json"), output.path().join("pods.json")];
    let (mut of_deployments, mut of_pods) = (vec![], vec![]);
    for round in 1..=ROUNDS {
        progress(&format!("round {round} of {ROUNDS}"));
        of_deployments.push(process::run(&mut programs.ours(deployments)?, &said[0])?);
        of_pods.push(process::run(&mut programs.ours(pods)?, &said[1])?);
    }
    let refused = [denied(&said[0])?, denied(&said[1])?];
    ensure!(refused[0] == refused[1], "{} Deployments are refused, and {} Pods", refused[0], refused[1]);
    let title = format!("{count} Deployments with their Pods, {} refused", refused[0]);
    compare(&title, ["Deployments with their Pods", "Pods"], &of_deployments, &of_pods, count);
    Ok(())
}

fn denied(path: &Path) -> Result<u64> {
    read(path)?["summary"]["denied"].as_u64().context("no summary")
}

impl Programs {
    fn new() -> Result<Self> {
        let (security, operation) = (policies::security_policy(), policies::operation_policy());
        let policies = Folder::new()?;
        policies.write("policies.yaml", &[security.clone(), operation.clone()])?;
        let compiled = Folder::new()?;
        compiled.write("templates.yaml", &policies::installed_templates())?;
        let mut constraints = policies::installed_standards();
        constraints.push(policies::constraint::<SecurityPolicy>(security)?);
        constraints.push(policies::constraint::<OperationPolicy>(operation)?);
        compiled.write("constraints.yaml", &constraints)?;
        Ok(Self { namespace: policies::namespace(), policies, compiled })
    }

    /// One policy, and nothing that asks for more.
    fn light() -> Result<Self> {
        let policy = policies::light_policy();
        let policies = Folder::new()?;
        policies.write("policies.yaml", std::slice::from_ref(&policy))?;
        let constraint = policies::constraint::<SecurityPolicy>(policy)?;
        let compiled = Folder::new()?;
        let kind = constraint["kind"].as_str().context("no kind")?;
        compiled.write("templates.yaml", &policies::installed_template(kind))?;
        compiled.write("constraints.yaml", std::slice::from_ref(&constraint))?;
        Ok(Self { namespace: policies::namespace_under("privileged"), policies, compiled })
    }

    fn ours(&self, objects: &Folder) -> Result<Command> {
        let mut command = Command::new(measured_binary()?);
        command.arg("check").args(files(&[&self.policies, objects])).args(["-o", "json"]);
        Ok(command)
    }

    fn gator(&self, objects: &Folder) -> Command {
        let mut command = Command::new(tools::path("gator"));
        command.arg("test").args(files(&[&self.compiled, objects])).args(["-o", "json"]);
        command
    }
}

fn files<'a>(folders: &'a [&'a Folder]) -> impl Iterator<Item = String> + 'a {
    folders.iter().map(|folder| format!("--filename={}", folder.path().display()))
}

fn throughput(work: &str, programs: &Programs, pods: u32) -> Result<()> {
    let objects = &population(programs, pods, population::pod)?;
    let output = Folder::new()?;
    let (ours_said, gator_said) = (output.path().join("ours.json"), output.path().join("gator.json"));
    let (mut ours, mut gator) = (vec![], vec![]);
    for round in 1..=ROUNDS {
        progress(&format!("round {round} of {ROUNDS}"));
        ours.push(process::run(&mut programs.ours(objects)?, &ours_said)?);
        gator.push(process::run(&mut programs.gator(objects), &gator_said)?);
    }
    let (found, expected) = (ours_violations(&ours_said)?, gator_violations(&gator_said)?);
    ensure!(found == expected, "gatewright check finds {found} violations, gator test {expected}");
    let title = format!("{work}{pods} Pods, {found} violations");
    compare(&title, ["gatewright check", "gator test"], &ours, &gator, pods);
    Ok(())
}

/// Prints what two runs over as many objects used.
fn compare(title: &str, names: [&str; 2], left: &[Usage], right: &[Usage], objects: u32) {
    let mut table = Table::new(["", names[0], names[1], "ratio"]);
    let mut row = |title: &str, of: &dyn Fn(&Usage) -> f64| {
        let [left, right] = [left, right].map(|runs| runs.iter().map(of).collect::<Vec<_>>());
        let ratio = Rounds::ratio(&left, &right).to_string();
        let [left, right] = [left, right].map(|values| Rounds::of(values.iter().copied()).to_string());
        table.row([title.to_owned(), left, right, ratio]);
    };
    row("objects per second", &|usage| f64::from(objects) / usage.wall);
    row("seconds", &|usage| usage.wall);
    row("processor seconds", &|usage| usage.cpu);
    row("peak memory, MB", &|usage| usage.megabytes);
    table.print(title);
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path)?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

fn ours_violations(path: &Path) -> Result<usize> {
    let report = read(path)?;
    let results = report["results"].as_array().context("no results")?;
    Ok(results.iter().filter_map(|result| result["violations"].as_array()).map(Vec::len).sum())
}

fn gator_violations(path: &Path) -> Result<usize> {
    Ok(read(path)?.as_array().map_or(0, Vec::len))
}

/// From start to end, for one Pod.
fn start(work: &str, programs: &Programs) -> Result<()> {
    let objects = &population(programs, 1, population::pod)?;
    let (mut ours, mut gator) = (vec![], vec![]);
    for _ in 0..STARTS {
        ours.push(process::time(&mut programs.ours(objects)?)? * 1e3);
        gator.push(process::time(&mut programs.gator(objects))? * 1e3);
    }
    let mut table = Table::new(["", "gatewright check", "gator test", "ratio"]);
    let [left, right] = [&ours, &gator].map(|values| Rounds::of(values.iter().copied()).to_string());
    table.row(["milliseconds".to_owned(), left, right, Rounds::ratio(&ours, &gator).to_string()]);
    table.print(&format!("One Pod, from start to end{work}"));
    Ok(())
}
