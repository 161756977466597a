//! `gator bench`: reviews in Gatekeeper's own engine.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::folder::Folder;
use gatewright_e2e::tools;

/// How many Pods stand beside the Namespace. `gator bench` reviews every object it is given, also the Namespace that
/// it needs for selectors: among nine of the others it does not move the median.
const COPIES: u32 = 9;

/// How long one run should review, in seconds. The start, with compilation, comes on top.
const RUN_SECONDS: f64 = 0.5;

/// Templates and constraints, loaded from a folder of their own.
pub struct Arm {
    folder: Folder,
    /// How many constraints.
    pub constraints: usize,
}

/// What a review of one object does, however long it takes.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// How often it allocates memory.
    pub allocations: f64,
    /// The violations that it finds.
    pub violations: f64,
    /// How many iterations make a run of the usual length.
    iterations: u32,
}

/// What an arm needed for an object.
#[derive(Debug)]
pub struct Measured {
    /// What a review does.
    pub work: Work,
    /// The median review of each round, in microseconds.
    pub micros: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    iterations: u32,
    constraint_count: usize,
    latencies: Latencies,
    violation_count: u32,
    memory_stats: Memory,
}

#[derive(Deserialize)]
struct Latencies {
    /// As Go writes durations.
    p50: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    total_allocs: f64,
}

/// A Go duration of less than a minute, in microseconds.
fn micros(duration: &str) -> Result<f64> {
    let digits = duration.trim_end_matches(char::is_alphabetic);
    let unit = match &duration[digits.len()..] {
        "ns" => 1e-3,
        "µs" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => bail!("{duration} is no duration"),
    };
    Ok(digits.parse::<f64>().with_context(|| duration.to_owned())? * unit)
}

impl Arm {
    /// An arm with these templates and constraints.
    pub fn new(templates: &[Value], constraints: &[Value]) -> Result<Self> {
        let folder = Folder::new()?;
        folder.write("templates.yaml", templates)?;
        folder.write("constraints.yaml", constraints)?;
        Ok(Self { folder, constraints: constraints.len() })
    }

    /// What a review does. Exact, so once is enough.
    fn work(&self, objects: &Objects) -> Result<Work> {
        let report = self.bench(&objects.with_namespace, 3)?;
        let namespace = self.bench(&objects.namespace, 3)?;
        let each = f64::from(report.iterations) * f64::from(COPIES);
        let only = |all: f64, namespace: f64| (all - namespace).max(0.0) / each;
        let wanted = RUN_SECONDS * 1e6 / micros(&report.latencies.p50)? / f64::from(COPIES);
        Ok(Work {
            allocations: only(report.memory_stats.total_allocs, namespace.memory_stats.total_allocs),
            violations: only(f64::from(report.violation_count), f64::from(namespace.violation_count)),
            // As text, a float cannot overflow.
            iterations: format!("{wanted:.0}").parse::<u32>().unwrap_or(u32::MAX).clamp(3, 1000),
        })
    }

    /// The median review, in microseconds.
    fn run(&self, objects: &Objects, iterations: u32) -> Result<f64> {
        micros(&self.bench(&objects.with_namespace, iterations)?.latencies.p50)
    }

    fn bench(&self, objects: &Folder, iterations: u32) -> Result<Report> {
        let output = Command::new(tools::path("gator"))
            .args(["bench", "--engine=rego", "--output=json", "--memory", "--warmup=2"])
            .arg(format!("--iterations={iterations}"))
            .args([self.folder.path(), objects.path()].map(|path| format!("--filename={}", path.display())))
            .output()
            .context("gator does not run; `make tools` builds it")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "gator bench: {said}{}", String::from_utf8_lossy(&output.stderr));
        // A warning about few iterations may stand before it.
        let json = said.find('[').map_or("", |start| &said[start..]);
        let reports: Vec<Report> = serde_json::from_str(json).with_context(|| said.to_string())?;
        let report = reports.into_iter().next().context("gator bench reports nothing")?;
        ensure!(report.constraint_count == self.constraints, "gator left out constraints");
        Ok(report)
    }
}

/// Copies of an object, with the Namespace they are in.
pub struct Objects {
    with_namespace: Folder,
    namespace: Folder,
}

impl Objects {
    /// Copies of what `make` makes with a name.
    pub fn new(namespace: &Value, make: impl Fn(&str) -> Value) -> Result<Self> {
        let with_namespace = Folder::new()?;
        let copies = (0..COPIES).map(|number| make(&format!("copy-{number}")));
        let all: Vec<_> = std::iter::once(namespace.clone()).chain(copies).collect();
        with_namespace.write("objects.yaml", &all)?;
        let alone = Folder::new()?;
        alone.write("objects.yaml", std::slice::from_ref(namespace))?;
        Ok(Self { with_namespace, namespace: alone })
    }
}

/// What each arm needs. The arms take turns, and each round begins with another one.
pub fn in_turns(arms: &[&Arm], objects: &Objects, rounds: usize) -> Result<Vec<Measured>> {
    let measured = |arm: &&Arm| Ok(Measured { work: arm.work(objects)?, micros: vec![] });
    let mut all: Vec<_> = arms.iter().map(measured).collect::<Result<_>>()?;
    for round in 0..rounds {
        for turn in 0..arms.len() {
            let which = (round + turn) % arms.len();
            let micros = arms[which].run(objects, all[which].work.iterations)?;
            all[which].micros.push(micros);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::micros;

    #[test]
    fn durations() {
        assert_eq!(micros("37.5µs").ok(), Some(37.5));
        assert_eq!(micros("2.5ms").ok(), Some(2500.0));
        assert_eq!(micros("1s").ok(), Some(1e6));
        assert!(micros("1m0s").is_err());
    }
}
