//! What a template is decided from.

use gatewright_rules::Template;

use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::world::World;

/// A template of ours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TemplateSnapshot {
    pub(crate) which: Template,
    pub(crate) id: Id,
    /// Whether all templates are known.
    pub(crate) served: bool,
    pub(crate) template: Observed,
}

impl TemplateSnapshot {
    pub(crate) fn observe(world: &World, template: Template) -> Self {
        let id = Id::new(Kind::Template, template.name());
        let served = world.templates.is_complete();
        Self { which: template, served, template: world.observed(&id), id }
    }
}
