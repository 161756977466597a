//! The lists of differences in the documentation, which are written from the code.

use super::deckhouse::differences::{About, DIFFERENCES, Difference};
use super::rows::Row;
use super::{library, psa};

/// Between these lines of a page stands what is written.
const BEGIN: &str = "<!-- differences: written by `make generated` -->";
const END: &str = "<!-- end of differences -->";

/// Pages with a list, and what goes into it.
pub fn all() -> Vec<(&'static str, String)> {
    vec![
        ("deckhouse.md", of_deckhouse()),
        ("from-pod-security-admission.md", of_rows(psa::ROWS)),
        ("from-gatekeeper-library.md", of_rows(library::ROWS)),
    ]
}

/// The page with its list as it should be; none if it has no place for one.
pub fn filled(page: &str, list: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{list}\n{END}{after}"))
}

fn of_deckhouse() -> String {
    let mut text = String::from(
        "| | field | when | Deckhouse | gatewright | the same meaning |\n|---|---|---|---|---|---|\n",
    );
    for it in DIFFERENCES {
        let cells = [
            it.id(),
            code(it.field),
            it.when.into(),
            it.before.into(),
            it.after.into(),
            what_to_do(it).into(),
        ];
        text.push_str(&row(&cells));
    }
    text
}

fn code(field: &str) -> String {
    let is_field = |part: &str| !part.contains(' ') && part.chars().any(char::is_uppercase);
    let parts =
        field.split(", ").map(|part| if is_field(part) { format!("`{part}`") } else { part.to_owned() });
    parts.collect::<Vec<_>>().join(", ")
}

/// What `migrate -o yaml` does about a difference.
fn what_to_do(difference: &Difference) -> &'static str {
    match difference.about {
        About::SameMeaning(..) => "written out",
        About::Missing(..) => "left out",
        About::Kind(kinds) if kinds.iter().any(|kind| kind.starts_with("Namespaced")) => {
            "a policy is written"
        }
        About::General => "in every cluster",
        About::Stricter(..) | About::Uncounted(..) | About::Kind(_) | About::Label(_) | About::Refused => {
            "none"
        }
    }
}

fn of_rows(rows: &[&Row]) -> String {
    let mut text = String::from("| | when | today | with gatewright |\n|---|---|---|---|\n");
    for it in rows {
        text.push_str(&row(&[it.id.into(), it.when.into(), it.before.into(), it.after.into()]));
    }
    text
}

fn row(cells: &[String]) -> String {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::{all, filled};

    #[test]
    fn the_pages_have_the_differences_of_the_code() {
        for (name, list) in all() {
            let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
            let page = std::fs::read_to_string(&path).unwrap_or_default();
            let expected = filled(&page, &list).unwrap_or_else(|| panic!("{name} has no place for a list"));
            assert!(page == expected, "{name}: run `make generated`");
        }
    }
}
