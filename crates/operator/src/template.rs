//! Installs and repairs the templates.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gatewright_rules::Template;
use kube::core::DynamicObject;
use serde_json::json;

use crate::Error;
use crate::apply::Desired;
use crate::live::{Difference, Live};
use crate::queue::Next;
use crate::world::World;

pub(crate) const KIND: &str = "ConstraintTemplate";

/// Brings one template into the API. A template of the same name that is not ours stays; the policies say so.
pub(crate) async fn reconcile(world: &World, template: Template) -> Result<Next, Error> {
    if !world.templates.is_complete() {
        return Ok(Next::Change);
    }
    let Some(object) = desired(template) else {
        return Ok(Next::Change);
    };
    let live = world.templates.get(&template.name());
    let desired = Desired { api: &world.template_api(), kind: KIND, object };
    match world.ensure(&desired, live.as_deref()).await {
        Err(error) if !error.is_obstacle() => Err(error),
        _ => Ok(Next::Change),
    }
}

/// Whether the template in the API is exactly as it should be.
pub(crate) fn is_as_desired(template: Template, live: &Live) -> bool {
    desired(template).is_some_and(|object| Difference::between(live, &object).fields.is_empty())
}

/// Templates are made but once: they are large, and looked at whenever a namespace changes.
fn desired(template: Template) -> Option<DynamicObject> {
    static ALL: LazyLock<BTreeMap<Template, DynamicObject>> = LazyLock::new(|| {
        let object = |template: &Template| {
            let object = gatewright_compiler::template(*template);
            Some((*template, serde_json::from_value(json!(object)).ok()?))
        };
        Template::ALL.iter().filter_map(object).collect()
    });
    ALL.get(&template).cloned()
}
