//! What the operator sees, computed when somebody asks for it.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use tokio::sync::watch;

use crate::act::queue::Requests;
use crate::judge::builtin::Builtin;
use crate::metrics::Description;
use crate::run::gauges::{Samples, leader, samples, waiting};
use crate::run::leadership::Leadership;
use crate::run::throttle::Throttle;
use crate::watch::observe::ScrapeSnapshot;
use crate::watch::world::World;

/// What is watched now, and what waits.
#[derive(Clone)]
struct Seen {
    world: Arc<World>,
    builtin: Arc<Builtin>,
    waiting: Requests,
}

/// What the operator is and sees at the moment, for those who ask over HTTP.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) leadership: Leadership,
    pub(crate) throttle: Throttle,
    /// Why the settings file, as it is now, is not in force; none while it is.
    pub(crate) settings_problem: watch::Receiver<Option<String>>,
    seen: Arc<RwLock<Option<Seen>>>,
}

impl State {
    pub(crate) fn new(
        leadership: Leadership,
        throttle: Throttle,
        settings_problem: watch::Receiver<Option<String>>,
    ) -> Self {
        Self { leadership, throttle, settings_problem, seen: Arc::default() }
    }

    /// What is watched now; none at the very start.
    pub(crate) fn world(&self) -> Option<Arc<World>> {
        self.seen().map(|seen| seen.world)
    }

    fn seen(&self) -> Option<Seen> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, world: Arc<World>, builtin: Arc<Builtin>, waiting: Requests) {
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Some(Seen { world, builtin, waiting });
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl Collector for State {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut all = vec![leader(self.leadership.may_write())];
        if let Some(seen) = self.seen() {
            all.extend(seen.samples());
        }
        for (description, samples) in all {
            let Description { name, help, .. } = description;
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (labels, value) in samples {
                if labels.is_empty() {
                    metric.encode_gauge(&value)?;
                } else {
                    metric.encode_family(&labels)?.encode_gauge(&value)?;
                }
            }
        }
        Ok(())
    }
}

impl Seen {
    fn samples(&self) -> Vec<(&'static Description, Samples)> {
        let standards = self.builtin.standards.iter().map(|standard| standard.prepared.id.name.as_str());
        let snapshot = ScrapeSnapshot::observe(&self.world, standards);
        let mut samples = samples(&snapshot, &self.builtin);
        samples.push(waiting(self.waiting.len()));
        samples
    }
}
