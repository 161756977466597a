//! The document as people read it.

use comfy_table::{CellAlignment, Table};
use k8s_openapi::jiff::Timestamp;

use super::document::{Report, Rows, Subject};
use super::fold::policies;
use crate::columns::{rows, table};

/// The text. It is as wide as the terminal; a file gets lines as long as they are. `now`: what SINCE counts from.
pub fn text(report: &Report, now: Timestamp, width: Option<u16>) -> String {
    let mut lines = vec![];
    if report.summary.owners > 0 {
        rows(filled(report, now, width), &mut lines);
    }
    lines.push(summary(report));
    lines.extend(omitted(report));
    lines.extend(audit(report));
    if !report.incomplete.is_empty() {
        lines.push("not everything is shown".to_owned());
    }
    lines.join("\n") + "\n"
}

/// A line of a table, with when its first violation was found.
type Line<'a> = (Vec<String>, Option<&'a String>);

/// The table; without SINCE where nobody knows that of any row.
fn filled(report: &Report, now: Timestamp, width: Option<u16>) -> Table {
    let (head, lines) = cells(&report.rows);
    let dated = lines.iter().any(|(_, since)| since.is_some());
    let mut table = table(width);
    let numbers: Vec<_> =
        head.iter().map(|name| matches!(*name, "FAIL" | "WARN" | "OWNERS" | "NAMESPACES")).collect();
    table.add_row(head.into_iter().chain(dated.then_some("SINCE")));
    for (cells, since) in lines {
        let since = dated.then(|| since.and_then(|since| ago(since, now)).unwrap_or_default());
        table.add_row(cells.into_iter().chain(since));
    }
    for (column, is_number) in table.column_iter_mut().zip(numbers) {
        if is_number {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn cells(rows: &Rows) -> (Vec<&'static str>, Vec<Line<'_>>) {
    match rows {
        Rows::Owner(rows) => {
            let line = |row: &super::document::OwnerRow| {
                let (fail, warn) = (row.fail.to_string(), row.warn.to_string());
                vec![row.namespace.to_string(), row.owner.to_string(), fail, warn, joined(&policies(row))]
            };
            let lines = rows.iter().map(|row| (line(row), row.since.as_ref())).collect();
            (vec!["NAMESPACE", "OWNER", "FAIL", "WARN", "POLICIES"], lines)
        }
        Rows::Namespace(rows) => {
            let line = |row: &super::document::NamespaceRow| {
                let [owners, fail, warn] = [row.owners, row.fail, row.warn].map(|count| count.to_string());
                let policies = joined(&row.policies.iter().collect::<Vec<_>>());
                vec![row.namespace.to_string(), owners, fail, warn, policies]
            };
            let lines = rows.iter().map(|row| (line(row), row.since.as_ref())).collect();
            (vec!["NAMESPACE", "OWNERS", "FAIL", "WARN", "POLICIES"], lines)
        }
        Rows::Policy(rows) => {
            let line = |row: &super::document::PolicyRow| {
                let counts = [row.namespaces, row.owners, row.fail, row.warn];
                let counts = counts.map(|count| count.to_string());
                [row.policy.to_string()].into_iter().chain(counts).collect()
            };
            let lines = rows.iter().map(|row| (line(row), row.since.as_ref())).collect();
            (vec!["POLICY", "NAMESPACES", "OWNERS", "FAIL", "WARN"], lines)
        }
    }
}

fn joined(policies: &[&Subject]) -> String {
    policies.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// How long ago a time was, in the largest unit that fits.
fn ago(since: &str, now: Timestamp) -> Option<String> {
    let since: Timestamp = since.parse().ok()?;
    let seconds = now.as_second().saturating_sub(since.as_second()).max(0);
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    Some(counted(usize::try_from(count).ok()?, unit))
}

fn counted(count: usize, unit: &str) -> String {
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

fn summary(report: &Report) -> String {
    let summary = report.summary;
    let place = match (&report.namespace, summary.all_namespaces) {
        (Some(namespace), _) => format!("in namespace {namespace}"),
        (None, Some(all)) => format!("in {} of {}", summary.namespaces, counted(all, "namespace")),
        (None, None) => format!("in {}", counted(summary.namespaces, "namespace")),
    };
    format!(
        "{}, {} failed, {} warned, {place}",
        counted(summary.owners, "owner"),
        summary.failed,
        summary.warned
    )
}

fn omitted(report: &Report) -> Option<String> {
    let omitted = report.omitted;
    let rows = counted(omitted.rows, "row");
    (omitted.rows > 0).then(|| {
        format!(
            "{rows} left out, with {} failed and {} warned: -n shows one namespace",
            omitted.fail, omitted.warn
        )
    })
}

fn audit(report: &Report) -> Option<String> {
    let audit = report.audit.as_ref()?;
    Some(match audit.total.saturating_sub(audit.listed) {
        0 => format!("audit of {} lists all that it found", audit.timestamp),
        _ => format!("audit of {} found {} and lists {}", audit.timestamp, audit.total, audit.listed),
    })
}

#[cfg(test)]
mod tests {
    use super::ago;

    #[test]
    fn times_are_told_in_the_largest_unit() {
        let now = "2026-01-31T00:00:00Z".parse().unwrap();
        for (since, expected) in [
            ("2026-01-31T00:00:00Z", "0 seconds"),
            ("2026-01-30T23:59:01Z", "59 seconds"),
            ("2026-01-30T23:59:00Z", "1 minute"),
            ("2026-01-30T22:30:00Z", "1 hour"),
            ("2026-01-29T12:00:00Z", "36 hours"),
            ("2026-01-19T00:00:00Z", "12 days"),
            // A clock that goes wrong.
            ("2026-02-01T00:00:00Z", "0 seconds"),
        ] {
            assert_eq!(ago(since, now).as_deref(), Some(expected), "{since}");
        }
        assert_eq!(ago("yesterday", now), None);
    }
}
