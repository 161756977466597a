//! What a template is decided from.

use gatewright_rules::Template;

use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::world::World;

/// A template of ours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TemplateSnapshot {
    /// The kind of its constraints.
    pub(crate) kind: &'static str,
    pub(crate) id: Id,
    /// Whether all templates are known.
    pub(crate) served: bool,
    pub(crate) template: Observed,
}

impl TemplateSnapshot {
    pub(crate) fn observe(world: &World, template: &'static Template) -> Self {
        let id = Id::new(Kind::Template, template.name());
        let served = world.templates.is_complete();
        Self { kind: template.kind, served, template: world.observed(&id), id }
    }
}
