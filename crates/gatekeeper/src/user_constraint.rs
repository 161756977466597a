//! Other people's constraints, as far as it matters which requests they judge.

use std::fmt;

use crate::matching::Matcher;
use crate::source::TemplateSource;

/// A constraint of a template that is not ours.
#[derive(Clone, Copy, Debug)]
pub struct UserConstraint<'a> {
    /// The constraint's name.
    pub name: &'a str,
    /// What its template shows.
    pub template: &'a TemplateSource,
    /// What it matches.
    pub matches: &'a Matcher,
}

impl UserConstraint<'_> {
    /// Whether objects of a kind are judged.
    pub(crate) fn is_about(&self, group: &str, kind: &str, namespaced: bool) -> bool {
        self.matches.allows_scope(namespaced) && self.matches.matches_kind(group, kind)
    }
}

impl fmt::Display for UserConstraint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.template.kind, self.name)
    }
}
