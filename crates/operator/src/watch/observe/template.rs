//! What a template is decided from.

use gatewright_rules::Template;
use gatewright_rules::verify_image_signatures::PROVIDER;

use crate::watch::cache::Knowledge;
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
    /// Whether it must stay although it is not wanted: with it would go the constraints of its kind, whosever they are, and
    /// before it goes the Provider that it asks.
    pub(crate) in_use: bool,
}

impl TemplateSnapshot {
    pub(crate) fn observe(world: &World, template: Template) -> Self {
        let id = Id::new(Kind::Template, template.name());
        let served = world.templates.is_complete();
        Self { which: template, served, template: world.observed(&id), id, in_use: in_use(world, template) }
    }
}

fn in_use(world: &World, template: Template) -> bool {
    let constraints = world.constraints(template);
    let knowledge = [constraints.knowledge(), world.providers.knowledge()];
    let asks = template.needs_verifier() && world.providers.get(PROVIDER).is_some_and(|live| live.ours);
    knowledge.contains(&Knowledge::Unknown) || asks || !constraints.is_empty()
}
