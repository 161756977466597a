//! Installs and repairs the templates.

use std::sync::LazyLock;

use kube::core::DynamicObject;
use serde_json::json;

use crate::Error;
use crate::apply::Desired;
use crate::live::{Difference, Live};
use crate::queue::Next;
use crate::world::World;

pub(crate) const KIND: &str = "ConstraintTemplate";

/// Brings one template into the API. A template of the same name that is not ours stays; the policies say so.
pub(crate) async fn reconcile(world: &World, kind: &str) -> Result<Next, Error> {
    if !world.templates.is_complete() {
        return Ok(Next::Change);
    }
    let Some(object) = desired(kind) else {
        return Ok(Next::Change);
    };
    let live = world.templates.get(&kind.to_lowercase());
    let desired = Desired { api: &world.template_api(), kind: KIND, object };
    match world.ensure(&desired, live.as_deref()).await {
        Err(error) if !error.is_obstacle() => Err(error),
        _ => Ok(Next::Change),
    }
}

/// Whether the template in the API is exactly as it should be.
pub(crate) fn is_as_desired(kind: &str, live: &Live) -> bool {
    desired(kind).is_some_and(|object| Difference::between(live, &object).fields.is_empty())
}

/// Templates are made but once: they are large, and looked at whenever a namespace changes.
fn desired(kind: &str) -> Option<DynamicObject> {
    static ALL: LazyLock<Vec<DynamicObject>> = LazyLock::new(|| {
        let templates = gatewright_compiler::templates();
        templates.iter().filter_map(|template| serde_json::from_value(json!(template)).ok()).collect()
    });
    let template = gatewright_rules::catalogue().iter().find(|template| template.kind == kind)?;
    ALL.iter().find(|object| object.metadata.name.as_ref() == Some(&template.name())).cloned()
}
