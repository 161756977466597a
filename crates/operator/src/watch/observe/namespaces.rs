//! What has become of namespaces.

use crate::watch::namespaces::Turn;
use crate::watch::world::World;

/// Namespaces that came, changed or went.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NamespacesSnapshot {
    pub(crate) turns: Vec<Turn>,
}

impl NamespacesSnapshot {
    /// One namespace. The constraints that it concerns are looked at again, since they reach more or fewer now.
    pub(crate) fn observe(world: &World, name: &str) -> Self {
        let Some((turn, concerned)) = world.namespaces.turn(name) else { return Self::default() };
        for (kind, name) in concerned {
            world.wake(kind, name);
        }
        world.wake_system();
        Self { turns: vec![turn] }
    }

    /// All namespaces, after they were listed anew.
    pub(crate) fn observe_all(world: &World) -> Self {
        let turns = world.namespaces.turn_all();
        world.wake_everybody();
        Self { turns }
    }
}
