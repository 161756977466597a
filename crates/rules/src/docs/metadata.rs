//! What a module says of itself.

use serde::Deserialize;

use super::{Error, parse};

/// The METADATA comment of a module.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub title: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub related_resources: Vec<String>,
}

impl Metadata {
    /// Of the module that `name` names in errors.
    pub(super) fn of(name: &str, module: &str) -> Result<Self, Error> {
        let comment = module.lines().skip(1).map_while(|line| line.strip_prefix('#'));
        let lines: Vec<_> = comment.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        parse(&format!("the METADATA of {name}"), &lines.join("\n"))
    }

    /// A paragraph with the links: what is given, then those of the module. Nothing without links.
    pub(super) fn related(&self, more: Option<String>) -> String {
        let own = self.related_resources.iter().map(|link| format!("<{link}>"));
        let links: Vec<_> = more.into_iter().chain(own).collect();
        if links.is_empty() { String::new() } else { format!("\nSee also {}.\n", links.join(", ")) }
    }
}
