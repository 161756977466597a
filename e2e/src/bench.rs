//! `make bench`: what policies cost in Gatekeeper, and how fast the command line is beside Gatekeeper's own.
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
pub mod scale;
mod statistics;
mod table;
mod usual;

use std::io::{Write as _, stderr, stdout};

use anyhow::Result;
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
}

/// Measures these parts, or all, and prints what it found. `pods` is how many the command line judges.
///
/// # Errors
/// A program that is missing or fails, or arms that do not find the same violations.
pub fn run(parts: &[Part], pods: u32) -> Result<()> {
    for part in Part::iter().filter(|part| parts.is_empty() || parts.contains(part)) {
        match part {
            Part::Review => review::run()?,
            Part::Growth => growth::run()?,
            Part::Check => check::run(pods)?,
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
