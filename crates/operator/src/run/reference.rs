//! All metrics, as the documentation lists them.

use crate::metrics::{COUNTED, Description, Kind};
use crate::run::gauges::SEEN;

/// All metrics as a table in Markdown.
#[must_use]
pub fn metrics_reference() -> String {
    let row = |Description { name, kind, labels, help }: &Description| {
        let end = if *kind == Kind::Counter { "_total" } else { "" };
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{name}{end}` | {} | {} | {help} |\n", kind.as_ref(), labels.join(", "))
    };
    let header = "| metric | kind | labels | shows |\n|---|---|---|---|\n".to_owned();
    header + &all().map(row).collect::<String>()
}

/// Every metric that the operator shows.
fn all() -> impl Iterator<Item = &'static Description> {
    COUNTED.into_iter().chain(SEEN)
}

#[cfg(test)]
mod tests {
    use super::{all, metrics_reference};
    use crate::metrics::{Description, Kind};
    use serde_json::Value;
    use std::collections::BTreeSet;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

    fn file(path: &str) -> String {
        std::fs::read_to_string(format!("{FOLDER}/{path}")).unwrap()
    }

    /// Every series that the operator can show.
    fn series() -> BTreeSet<String> {
        let series = |description: &Description| match description.kind {
            Kind::Counter => vec![format!("{}_total", description.name)],
            Kind::Gauge => vec![description.name.to_owned()],
            Kind::Histogram => {
                ["_bucket", "_sum", "_count"].map(|end| description.name.to_owned() + end).to_vec()
            }
        };
        all().flat_map(series).collect()
    }

    #[test]
    fn the_documentation_has_every_metric() {
        let table = metrics_reference();
        assert!(
            file("docs/metrics.md").contains(&table),
            "docs/metrics.md should contain this table:\n{table}"
        );
    }

    #[test]
    fn alerts_and_dashboard_name_metrics_that_exist() {
        let known = series();
        for (path, least) in
            [("deploy/alerts.yaml", 8), ("deploy/alerts.test.yaml", 8), ("deploy/dashboard.json", 10)]
        {
            let text = file(path);
            let names: BTreeSet<_> = text
                .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .filter(|word| word.starts_with("gatewright_"))
                .map(str::to_owned)
                .collect();
            let unknown: Vec<_> = names.difference(&known).collect();
            assert!(unknown.is_empty(), "{path} names {unknown:?}");
            assert!(names.len() >= least, "{path} names only {names:?}");
        }
    }

    #[test]
    fn every_panel_asks_for_a_metric_that_exists() {
        let known = series();
        let asks = |target: &Value| known.iter().any(|name| target["expr"].as_str().unwrap().contains(name));
        let dashboard: Value = serde_json::from_str(&file("deploy/dashboard.json")).unwrap();
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty() && targets.iter().all(asks), "{title}: {targets:?}");
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title} has the id of another panel");
        }
        assert!(!ids.is_empty(), "no panels");
    }

    /// Labels that Prometheus adds for each replica, or that the buckets of a histogram have.
    const ADDED: [&str; 2] = ["pod", "le"];

    /// Each selector in a text: the name of the series, and the labels that it selects by.
    fn selectors(text: &str) -> Vec<(&str, Vec<&str>)> {
        let selector = |(start, _)| {
            let text: &str = &text[start..];
            let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
            let (name, rest) = text.split_at(end);
            let (matchers, _) = rest.strip_prefix('{')?.split_once('}')?;
            let labels = matchers.split(',').filter_map(|it| it.trim().split(['=', '!']).next());
            Some((name, labels.collect()))
        };
        text.match_indices("gatewright_").filter_map(selector).collect()
    }

    #[test]
    fn alerts_and_dashboard_select_by_labels_that_exist() {
        for (path, least) in
            [("deploy/alerts.yaml", 6), ("deploy/alerts.test.yaml", 20), ("deploy/dashboard.json", 3)]
        {
            let text = file(path);
            let selectors = selectors(&text);
            assert!(selectors.len() >= least, "{path}: {selectors:?}");
            for (name, labels) in selectors {
                let metric = all().filter(|metric| name.starts_with(metric.name));
                let metric =
                    metric.max_by_key(|metric| metric.name.len()).unwrap_or_else(|| panic!("{name}"));
                let unknown: Vec<_> =
                    labels.iter().filter(|it| !metric.labels.contains(it) && !ADDED.contains(it)).collect();
                assert!(unknown.is_empty(), "{path}: {name} has no {unknown:?}");
            }
        }
    }
}
