//! Fixes: changes of objects that undo violations. Each was tried: the changed object is judged again by everything, has that
//! violation no more, and no new one.

mod diff;
mod files;
mod same;
#[cfg(test)]
mod tests;
mod tried;
mod words;
mod write;

use gatewright_rules::fix::Edit;
use schemars::JsonSchema;
use serde::Serialize;

pub use files::{Files, Outcome};
pub use tried::{Fixed, Medium, try_fixes};
pub use words::lines_of;

/// What undoes a violation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fix {
    /// The change of the object as it is written, as a JSON patch (RFC 6902).
    pub patch: Vec<Edit>,
    /// What may work no more afterwards.
    pub may_break: String,
    /// Whether it helps only together with the other fixes of the object: `patch` of the result is all of them.
    pub with_others: bool,
}

/// What is done with fixes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Prints the fixes as a diff, for patch -p0
    #[default]
    Diff,
    /// Edits the files
    Write,
}
