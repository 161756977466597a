//! What is counted. No image and no host is a label: a policy's author or a Pod's would choose how many there are.

use std::time::Duration;

use gatewright_signatures::Class;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

type Labels = [(&'static str, &'static str); 1];

/// How a cache was of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cached {
    /// The outcome was known.
    Hit,
    /// A check began.
    Miss,
    /// A check was already running.
    Joined,
}

/// The metrics of the verifier.
#[derive(Clone, Debug)]
pub struct Metrics {
    outcomes: Family<Labels, Counter>,
    answer_seconds: Histogram,
    check_seconds: Histogram,
    cache: Family<Labels, Counter>,
    checks: Family<Labels, Gauge>,
    hosts_down: Gauge,
    certificate: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let answers = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];
        let checks = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0];
        Self {
            outcomes: Family::default(),
            answer_seconds: Histogram::new(answers),
            check_seconds: Histogram::new(checks),
            cache: Family::default(),
            checks: Family::default(),
            hosts_down: Gauge::default(),
            certificate: Gauge::default(),
        }
    }
}

impl Metrics {
    /// One key was answered.
    pub fn outcome(&self, class: Class) {
        self.outcomes.get_or_create(&[("class", class.name())]).inc();
    }

    /// One call was answered after this time.
    pub fn answered(&self, after: Duration) {
        self.answer_seconds.observe(after.as_secs_f64());
    }

    /// One check took this time.
    pub fn checked(&self, took: Duration) {
        self.check_seconds.observe(took.as_secs_f64());
    }

    /// The cache was asked.
    pub fn cached(&self, result: Cached) {
        let result = match result {
            Cached::Hit => "hit",
            Cached::Miss => "miss",
            Cached::Joined => "joined",
        };
        self.cache.get_or_create(&[("result", result)]).inc();
    }

    /// How many checks run and wait, and how many hosts are not asked.
    pub fn now(&self, (running, waiting): (usize, usize), hosts_down: usize) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.checks.get_or_create(&[("state", "running")]).set(count(running));
        self.checks.get_or_create(&[("state", "waiting")]).set(count(waiting));
        self.hosts_down.set(count(hosts_down));
    }

    /// When the serving certificate ends, in seconds since 1970.
    pub fn certificate_ends(&self, at: i64) {
        self.certificate.set(at);
    }

    /// All of them, under their names.
    #[must_use]
    pub fn registry(&self) -> Registry {
        let mut all = Registry::with_prefix("gatewright_signature");
        all.register("outcomes", "Answered keys by class", self.outcomes.clone());
        all.register("answer_seconds", "How long calls of Gatekeeper take", self.answer_seconds.clone());
        all.register("check_seconds", "How long checks take", self.check_seconds.clone());
        all.register(
            "cache",
            "Questions that were known (hit), being checked (joined), or neither (miss)",
            self.cache.clone(),
        );
        all.register("checks", "Checks that run or wait for their turn", self.checks.clone());
        all.register(
            "hosts_down",
            "Hosts that are not asked at the moment, since they are silent",
            self.hosts_down.clone(),
        );
        let ends = "When the serving certificate ends, in seconds since 1970";
        all.register("certificate_not_after_seconds", ends, self.certificate.clone());
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use gatewright_signatures::Class;

    use super::{Cached, Metrics};

    /// What all metrics look like, each used once.
    fn shown() -> String {
        let metrics = Metrics::default();
        metrics.outcome(Class::Verified);
        metrics.answered(Duration::from_millis(1));
        metrics.checked(Duration::from_secs(1));
        metrics.cached(Cached::Hit);
        metrics.now((1, 2), 3);
        metrics.certificate_ends(9);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry()).unwrap();
        text
    }

    #[test]
    fn every_metric_has_its_name() {
        let text = shown();
        for line in [
            "gatewright_signature_outcomes_total{class=\"verified\"} 1",
            "gatewright_signature_answer_seconds_count 1",
            "gatewright_signature_check_seconds_count 1",
            "gatewright_signature_cache_total{result=\"hit\"} 1",
            "gatewright_signature_checks{state=\"waiting\"} 2",
            "gatewright_signature_hosts_down 3",
            "gatewright_signature_certificate_not_after_seconds 9",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
    }

    /// Each metric as queries name it, histograms by their buckets.
    fn series() -> BTreeSet<String> {
        let text = shown();
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let series = |(name, kind): (&str, &str)| match kind {
            "counter" => format!("{name}_total"),
            "histogram" => format!("{name}_bucket"),
            _ => name.to_owned(),
        };
        types.map(series).collect()
    }

    /// The metrics of the verifier that a text names.
    fn named(path: &str) -> BTreeSet<String> {
        let path = format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .filter(|word| word.starts_with("gatewright_signature_"))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn alerts_dashboard_and_documentation_name_metrics_that_exist() {
        let all = series();
        assert_eq!(all.len(), 7, "{all:?}");
        for path in ["deploy/verifier-alerts.yaml", "deploy/verifier-alerts.test.yaml"] {
            // The description of an alert names some for people, without their ends.
            let known = |name: &String| all.contains(name) || all.contains(&format!("{name}_bucket"));
            assert!(named(path).iter().all(known), "{path}: {:?}", named(path));
        }
        assert_eq!(named("deploy/verifier-dashboard.json"), all);
        let documented: BTreeSet<_> =
            all.iter().map(|name| name.trim_end_matches("_bucket").to_owned()).collect();
        assert_eq!(named("docs/verifier.md"), documented);
    }

    /// Labels and their values, as queries select by them.
    #[test]
    fn what_is_selected_by_exists() {
        for path in ["verifier-alerts.yaml", "verifier-alerts.test.yaml", "verifier-dashboard.json"] {
            let path = format!("{}/../../deploy/{path}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&path).unwrap().replace('\\', "");
            let classes = text.split("class=").skip(1).map(|rest| rest.trim_start_matches('~'));
            let classes = classes.filter_map(|rest| rest.strip_prefix('"')?.split('"').next());
            let classes: Vec<_> = classes.flat_map(|classes| classes.split('|')).collect();
            assert!(!classes.is_empty(), "{path} selects by no class");
            for class in classes {
                assert!(Class::named(class).is_some(), "{path}: {class}");
            }
        }
    }
}
