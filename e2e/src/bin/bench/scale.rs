//! `make bench-scale`: how the operator bears many policies and namespaces, on the real control plane.
//!
//! What the operator did and when is read from the API server's audit log: looking costs the measured nothing.

mod admission;
mod burst;
mod edits;
mod labels;
mod stage;
mod steady;

use std::path::PathBuf;

use anyhow::Result;
use strum::IntoEnumIterator as _;

use super::say;
use gatewright_e2e::operator::measured_binary;
use gatewright_e2e::{Cluster, Options};
use stage::Stage;

/// A part of the benchmark. What needs few policies comes first, since many are made but once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, strum::EnumIter)]
pub enum Part {
    /// What the admission of one Pod costs with more and more policies.
    Admission,
    /// From the edit of a policy to its constraint.
    Edits,
    /// The label of one namespace among many.
    Labels,
    /// Memory, requests and processor time while nothing happens but audit.
    Steady,
    /// From many policies at once to their constraints, against a bare loop.
    Burst,
}

/// What to measure.
#[derive(clap::Args)]
pub struct Arguments {
    /// Measure only these
    parts: Vec<Part>,
    /// How many policies there are
    #[arg(long, default_value_t = 1000)]
    policies: usize,
    /// How many namespaces there are
    #[arg(long, default_value_t = 10_000)]
    namespaces: usize,
    /// The operator's binary; that of `make measured` by default
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Measures these parts, or all, and prints what it found.
///
/// # Errors
/// A program that is missing or fails, or something that does not become as it should.
pub async fn run(arguments: Arguments) -> Result<()> {
    let binary = arguments.binary.map_or_else(measured_binary, Ok)?;
    let parts = Part::iter().filter(|part| arguments.parts.is_empty() || arguments.parts.contains(part));
    // Gatekeeper's own audit would judge every object by every constraint: what it writes is written for it.
    let options = Options { audit_interval: 0, ..Options::new("bench-scale") };
    Cluster::run(options, async |cluster| {
        let stage = Stage::new(cluster, binary, arguments.policies, arguments.namespaces).await?;
        say(&format!(
            "\n## The operator at scale\n\n{} SecurityPolicies of ten rules, {} namespaces, one Gatekeeper process.",
            arguments.policies, arguments.namespaces
        ));
        for part in parts {
            match part {
                Part::Admission => admission::run(&stage).await?,
                Part::Edits => edits::run(&stage).await?,
                Part::Labels => labels::run(&stage).await?,
                Part::Steady => steady::run(&stage).await?,
                Part::Burst => burst::run(&stage).await?,
            }
        }
        Ok(())
    })
    .await
}
