//! The rows for a spreadsheet.

use super::document::{Report, Rows};
use super::fold::policies;
use crate::foreign::Foreign;

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// The rows as CSV (RFC 4180, but for the ends of lines): a line of names, then a line for each row.
pub fn text(report: &Report) -> String {
    let rows = match &report.rows {
        Rows::Owner(rows) => rows
            .iter()
            .map(|row| {
                let policies = joined(&policies(row));
                let counts = [row.fail.to_string(), row.warn.to_string()];
                line(&[
                    &cell(&row.namespace),
                    &formatted(&row.owner),
                    &counts[0],
                    &counts[1],
                    &policies,
                    since(row.since.as_ref()),
                ])
            })
            .collect::<String>(),
        Rows::Namespace(rows) => rows
            .iter()
            .map(|row| {
                let policies = joined(&row.policies.iter().collect::<Vec<_>>());
                let counts = [row.owners, row.fail, row.warn].map(|count| count.to_string());
                line(&[
                    &cell(&row.namespace),
                    &counts[0],
                    &counts[1],
                    &counts[2],
                    &policies,
                    since(row.since.as_ref()),
                ])
            })
            .collect(),
        Rows::Policy(rows) => rows
            .iter()
            .map(|row| {
                let counts = [row.namespaces, row.owners, row.fail, row.warn].map(|count| count.to_string());
                let [namespaces, owners, fail, warn] = &counts;
                line(&[&formatted(&row.policy), namespaces, owners, fail, warn, since(row.since.as_ref())])
            })
            .collect(),
    };
    format!("{}\n{rows}", head(&report.rows))
}

const fn head(rows: &Rows) -> &'static str {
    match rows {
        Rows::Owner(_) => "namespace,owner,fail,warn,policies,since",
        Rows::Namespace(_) => "namespace,owners,fail,warn,policies,since",
        Rows::Policy(_) => "policy,namespaces,owners,fail,warn,since",
    }
}

fn line(cells: &[&str]) -> String {
    cells.join(",") + "\n"
}

fn since(since: Option<&String>) -> &str {
    since.map(String::as_str).unwrap_or_default()
}

fn joined<T: ToString>(texts: &[T]) -> String {
    formatted(&texts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

fn formatted(text: &impl ToString) -> String {
    cell(&Foreign::from(text.to_string()))
}

/// A cell: no formula, and in quotes where it needs them.
fn cell(text: &Foreign) -> String {
    let guard = if text.raw().starts_with(FORMULA) { "'" } else { "" };
    let shown = format!("{guard}{text}");
    if shown.contains(['"', ',']) { format!("\"{}\"", shown.replace('"', "\"\"")) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn no_cell_is_a_formula_and_none_ends_early() {
        for (text, expected) in [
            ("shop", "shop"),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1", "'＝1"),
            ("\t=1", "'\\u{9}=1"),
            ("\r=1", "'\\u{d}=1"),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("a,b", "\"a,b\""),
            ("a\nb", "a\\u{a}b"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(cell(&text.into()), expected);
        }
    }
}
