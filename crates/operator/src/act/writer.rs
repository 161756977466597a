//! What it takes to write.

use std::fmt;
use std::sync::Arc;

use crate::events::Events;
use crate::metrics::Metrics;
use crate::watch::world::World;

/// Writes objects, and says what was written.
#[derive(Clone)]
pub(crate) struct Writer {
    pub(super) world: Arc<World>,
    pub(super) metrics: Metrics,
    pub(super) events: Events,
}

impl Writer {
    pub(crate) fn new(world: Arc<World>, metrics: Metrics, events: Events) -> Self {
        Self { world, metrics, events }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}
