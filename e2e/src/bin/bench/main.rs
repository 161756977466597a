//! `make bench` and `make bench-scale`: what policies cost in Gatekeeper, how fast the command line is beside
//! Gatekeeper's own, and how the operator bears many policies and namespaces.
//!
//! Everything is a ratio of arms that are measured in turns, several times over, on the same policies and objects:
//! other work on the machine then meets all of them. Nothing asserts a time.

mod check;
mod folder;
mod gator;
mod growth;
mod objects;
mod policies;
mod population;
mod process;
mod review;
mod scale;
mod signatures;
mod statistics;
mod table;
mod usual;

use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use strum::IntoEnumIterator as _;

/// What is reviewed: what it is called, and how it is made under a name.
type Subject = (&'static str, fn(&str) -> serde_json::Value);

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, strum::EnumIter)]
pub enum Part {
    /// One admission review in Gatekeeper's engine, against one template and constraint per rule.
    Review,
    /// How a review grows with the number of other policies.
    Growth,
    /// `gatewright check` against `gator test`.
    Check,
    /// The verifier of image signatures.
    Signatures,
}

/// Measures; nothing asserts a time
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Measure what policies cost in Gatekeeper, and how fast `gatewright check` is
    Policies {
        /// Measure only these
        parts: Vec<Part>,
        /// How many Pods the command line judges
        #[arg(long, default_value_t = 10_000)]
        pods: u32,
    },
    /// Measure how the operator bears many policies and namespaces, on a cluster
    Scale(scale::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Policies { parts, pods } => measure(&parts, pods),
        Command::Scale(arguments) => tokio::runtime::Runtime::new()
            .map_err(anyhow::Error::from)
            .and_then(|runtime| runtime.block_on(scale::run(arguments))),
    };
    if let Err(error) = &outcome {
        eprintln!("error: {error:#}");
    }
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures these parts, or all, and prints what it found. `pods` is how many the command line judges.
///
/// # Errors
/// A program that is missing or fails, or arms that do not find the same violations.
fn measure(parts: &[Part], pods: u32) -> Result<()> {
    for part in Part::iter().filter(|part| parts.is_empty() || parts.contains(part)) {
        match part {
            Part::Review => review::run()?,
            Part::Growth => growth::run()?,
            Part::Check => check::run(pods)?,
            Part::Signatures => signatures::run()?,
        }
    }
    Ok(())
}

/// What was measured is measured, even if nobody listens any more.
fn say(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}

/// What is done so far, for those who wait.
fn progress(text: &str) {
    let _ = writeln!(stderr(), "… {text}");
}
