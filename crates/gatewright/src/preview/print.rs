//! The document as people read it.

use super::document::{Preview, Summary};
use crate::columns::{rows, table};

/// The text. It is as wide as the terminal; a file gets lines as long as they are.
pub fn text(preview: &Preview, width: Option<u16>) -> String {
    let mut lines = vec![];
    if !preview.owners.is_empty() {
        let mut table = table(width);
        table.add_row(["NAMESPACE", "OWNER", "PODS", "TODAY", "THEN", "FIRST REASON"]);
        for owner in &preview.owners {
            table.add_row([
                owner.namespace.as_ref().map(ToString::to_string).unwrap_or_default(),
                owner.owner.to_string(),
                owner.pods.map(thousands).unwrap_or_default(),
                owner.today.to_string(),
                owner.then.to_string(),
                owner.reason.to_string(),
            ]);
        }
        rows(table, &mut lines);
    }
    lines.push(conclusion(&preview.summary));
    lines.join("\n") + "\n"
}

/// The last line.
pub fn conclusion(summary: &Summary) -> String {
    if summary.objects == 0 {
        return "no object was judged".to_owned();
    }
    let counted = [
        (
            summary.no_longer_refused,
            "is refused today and is let through then",
            "are refused today and are let through then",
        ),
        (summary.newly_warned, "more is warned about", "more are warned about"),
        (summary.unknown, "cannot be judged here", "cannot be judged here"),
    ];
    let parts = counted.into_iter().filter(|(count, ..)| *count > 0);
    let parts = parts
        .map(|(count, one, many)| format!("{} {}", thousands(count), if count == 1 { one } else { many }));
    let all = [refused(summary), already(summary)].into_iter().chain(parts).chain([passing(summary)]);
    let not_listed = match summary.not_listed {
        0 => String::new(),
        1 => "; 1 owner is not listed: --limit".to_owned(),
        count => format!("; {} owners are not listed: --limit", thousands(count)),
    };
    all.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ") + &not_listed
}

fn refused(summary: &Summary) -> String {
    let pods = match summary.not_coming_back {
        0 => String::new(),
        1 => " (1 running Pod would not come back)".to_owned(),
        pods => format!(" ({} running Pods would not come back)", thousands(pods)),
    };
    match summary.newly_refused {
        0 => "nothing is refused that passes today".to_owned(),
        1 => format!("1 owner{pods} is refused that passes today"),
        owners => format!("{} owners{pods} are refused that pass today", thousands(owners)),
    }
}

fn already(summary: &Summary) -> String {
    match summary.still_refused {
        0 => String::new(),
        1 => "1 already is".to_owned(),
        owners => format!("{} already are", thousands(owners)),
    }
}

/// How many pass; and those that pass only so far as they could be judged.
fn passing(summary: &Summary) -> String {
    let Summary { objects, passing, partly_judged, unverified, exempt, .. } = *summary;
    let noun = if objects == 1 { "object passes" } else { "objects pass" };
    let more = |count: usize, how: &str| match count {
        0 => String::new(),
        count => format!(", {} more {how}", thousands(count)),
    };
    let unverified = more(unverified, "if their images are signed");
    let partly = more(partly_judged, "by what can be judged here");
    let exempt = more(exempt, "in exempt namespaces");
    format!("{} of {} {noun}{unverified}{partly}{exempt}", thousands(passing), thousands(objects))
}

/// A number with commas between thousands.
fn thousands(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut said = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::{conclusion, thousands};
    use crate::preview::document::Summary;

    #[test]
    fn numbers_are_easy_to_read() {
        for (number, expected) in [(0_u64, "0"), (999, "999"), (4809, "4,809"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), expected);
        }
    }

    #[test]
    fn the_last_line_says_how_many() {
        let none = Summary { objects: 3, passing: 3, ..Summary::default() };
        let mock = Summary {
            objects: 4812,
            passing: 4809,
            newly_refused: 2,
            not_coming_back: 12,
            still_refused: 1,
            ..Summary::default()
        };
        for (summary, expected) in [
            (Summary::default(), "no object was judged"),
            (none, "nothing is refused that passes today; 3 of 3 objects pass"),
            (
                mock,
                "2 owners (12 running Pods would not come back) are refused that pass today; 1 already is; 4,809 of 4,812 \
                 objects pass",
            ),
            (
                Summary { newly_refused: 1, not_coming_back: 1, still_refused: 2, ..none },
                "1 owner (1 running Pod would not come back) is refused that passes today; 2 already are; 3 of 3 objects pass",
            ),
            (
                Summary { no_longer_refused: 1, newly_warned: 2, unknown: 1, ..none },
                "nothing is refused that passes today; 1 is refused today and is let through then; 2 more are warned about; \
                 1 cannot be judged here; 3 of 3 objects pass",
            ),
            (
                Summary { objects: 1, passing: 0, unverified: 1, ..none },
                "nothing is refused that passes today; 0 of 1 object passes, 1 more if their images are signed",
            ),
            (
                Summary { objects: 2, passing: 0, exempt: 2, ..none },
                "nothing is refused that passes today; 0 of 2 objects pass, 2 more in exempt namespaces",
            ),
            (
                Summary { newly_refused: 20_000, partly_judged: 4, not_listed: 10_000, ..none },
                "20,000 owners are refused that pass today; 3 of 3 objects pass, 4 more by what can be judged here; 10,000 owners \
                 are not listed: --limit",
            ),
        ] {
            assert_eq!(conclusion(&summary), expected);
        }
    }
}
