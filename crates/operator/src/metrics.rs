//! The counters: what happens in the operator. Each metric is described once; the registry and the documentation follow
//! from that.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

/// The labels of one sample.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// What a metric shows.
#[derive(Debug)]
pub(crate) struct Description {
    /// Its name; counters get `_total` where they are shown.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) labels: &'static [&'static str],
    pub(crate) help: &'static str,
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::AsRefStr)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

pub(crate) const fn described(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Description {
    Description { name, kind, labels, help }
}

const RECONCILIATIONS: Description = described(
    "gatewright_reconciliations",
    Kind::Counter,
    &["controller", "result"],
    "Reconciliations, by what was reconciled and whether it succeeded (ok, error)",
);
const RECONCILIATION_ERRORS: Description = described(
    "gatewright_reconciliation_errors",
    Kind::Counter,
    &["controller", "reason"],
    "Failed reconciliations by reason: the API server's word, or Timeout, Connection, Foreign, BeingDeleted, NotKept, NotLeading, Other. Conflict means that an object changed in between and is harmless",
);
const RECONCILIATION_SECONDS: Description = described(
    "gatewright_reconciliation_seconds",
    Kind::Histogram,
    &["controller"],
    "How long reconciliations take",
);
const WRITES: Description = described(
    "gatewright_writes",
    Kind::Counter,
    &["resource", "verb"],
    "Requests to the API server that write, by resource and verb (create, update, patch, delete); renewals of the Lease do not count",
);
const REPAIRS: Description = described(
    "gatewright_repairs",
    Kind::Counter,
    &["kind"],
    "Objects of ours that somebody else had changed or deleted, and that were put back",
);
const EVENTS_DROPPED: Description = described(
    "gatewright_events_dropped",
    Kind::Counter,
    &[],
    "Kubernetes events that were not written because there were too many",
);
const SETTINGS_VALID: Description = described(
    "gatewright_settings_valid",
    Kind::Gauge,
    &[],
    "1 if the settings file, as it is now, is in force; 0 if it is broken and the settings before it hold",
);

pub(crate) const COUNTED: [&Description; 7] = [
    &RECONCILIATIONS,
    &RECONCILIATION_ERRORS,
    &RECONCILIATION_SECONDS,
    &WRITES,
    &REPAIRS,
    &EVENTS_DROPPED,
    &SETTINGS_VALID,
];

/// What happens in the operator.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    reconciliations: Family<Labels, Counter>,
    errors: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram>,
    writes: Family<Labels, Counter>,
    repairs: Family<Labels, Counter>,
    events_dropped: Counter,
    settings_valid: Gauge,
}

/// From a reconciliation that finds nothing to do to one that waits for a slow API server.
fn buckets() -> Histogram {
    Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0])
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Families {
            reconciliations: Family::default(),
            errors: Family::default(),
            seconds: Family::new_with_constructor(buckets),
            writes: Family::default(),
            repairs: Family::default(),
            events_dropped: Counter::default(),
            settings_valid: Gauge::default(),
        }))
    }

    /// A registry with these metrics.
    pub(crate) fn registry(&self) -> Registry {
        let Families { reconciliations, errors, seconds, writes, repairs, events_dropped, settings_valid } =
            &*self.0;
        let mut registry = Registry::default();
        register(&mut registry, &RECONCILIATIONS, reconciliations.clone());
        register(&mut registry, &RECONCILIATION_ERRORS, errors.clone());
        register(&mut registry, &RECONCILIATION_SECONDS, seconds.clone());
        register(&mut registry, &WRITES, writes.clone());
        register(&mut registry, &REPAIRS, repairs.clone());
        register(&mut registry, &EVENTS_DROPPED, events_dropped.clone());
        register(&mut registry, &SETTINGS_VALID, settings_valid.clone());
        registry
    }

    pub(crate) fn reconciled(&self, controller: &'static str, took: Duration, error: Option<String>) {
        let labelled =
            |name, value: &str| vec![("controller", controller.to_owned()), (name, value.to_owned())];
        let result = if error.is_some() { "error" } else { "ok" };
        self.0.reconciliations.get_or_create(&labelled("result", result)).inc();
        if let Some(reason) = error {
            self.0.errors.get_or_create(&labelled("reason", &reason)).inc();
        }
        let seconds = self.0.seconds.get_or_create(&vec![("controller", controller.to_owned())]);
        seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn wrote(&self, resource: &str, verb: &'static str) {
        let labels = vec![("resource", resource.to_owned()), ("verb", verb.to_owned())];
        self.0.writes.get_or_create(&labels).inc();
    }

    pub(crate) fn repaired(&self, kind: &str) {
        self.0.repairs.get_or_create(&vec![("kind", kind.to_owned())]).inc();
    }

    pub(crate) fn dropped_event(&self) {
        self.0.events_dropped.inc();
    }

    pub(crate) fn settings_valid(&self, valid: bool) {
        self.0.settings_valid.set(i64::from(valid));
    }
}

fn register(registry: &mut Registry, description: &Description, metric: impl Metric) {
    registry.register(description.name, description.help, metric);
}

#[cfg(test)]
mod tests {
    use super::{COUNTED, Metrics};
    use std::time::Duration;

    #[test]
    fn what_is_described_is_what_is_shown() {
        let metrics = Metrics::new();
        metrics.reconciled("template", Duration::from_millis(3), Some("Conflict".into()));
        metrics.wrote("leases", "update");
        metrics.repaired("D8SecurityPolicy");
        metrics.settings_valid(true);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry()).unwrap();
        for description in COUNTED {
            assert!(
                text.contains(&format!("# TYPE {} {}\n", description.name, description.kind.as_ref())),
                "{text}"
            );
            let sample = text.lines().find(|line| line.starts_with(description.name)).unwrap();
            for label in description.labels {
                assert!(sample.contains(&format!("{label}=\"")), "{sample}");
            }
            assert_eq!(sample.matches("=\"").count(), description.labels.len(), "{sample}");
        }
        assert_eq!(text.matches("# TYPE").count(), COUNTED.len());
    }
}
