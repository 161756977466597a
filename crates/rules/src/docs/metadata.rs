//! What a rule's module says of itself.

use serde::Deserialize;

use super::{Error, parse};
use crate::Rule;

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
    pub(super) fn of(rule: &Rule) -> Result<Self, Error> {
        let comment = rule.module.lines().skip(1).map_while(|line| line.strip_prefix('#'));
        let lines: Vec<_> = comment.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        parse(&format!("the METADATA of rule {}", rule.name), &lines.join("\n"))
    }

    /// A paragraph with the links, or nothing.
    pub(super) fn related(&self) -> String {
        let links: Vec<_> = self.related_resources.iter().map(|link| format!("<{link}>")).collect();
        if links.is_empty() { String::new() } else { format!("\nSee also {}.\n", links.join(", ")) }
    }
}
