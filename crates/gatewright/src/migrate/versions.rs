//! What another version of gatewright judges otherwise: the changelog's sections "Verdicts".

use super::document::Verdicts;

const CHANGELOG: &str = include_str!("../../../../CHANGELOG.md");

/// This version, which the changelog may still call unreleased.
const THIS: &str = env!("CARGO_PKG_VERSION");

/// What changes between this version and that one.
///
/// # Errors
/// Nothing is known of that version: the sentence names those that are known.
pub fn between(version: &str) -> Result<Verdicts, String> {
    of(CHANGELOG, version.strip_prefix('v').unwrap_or(version))
}

fn of(changelog: &str, version: &str) -> Result<Verdicts, String> {
    let sections = sections(changelog);
    let position = |name: &str| sections.iter().position(|(known, _)| known == name);
    let (Some(there), Some(here)) = (position(version), position(THIS)) else {
        let known: Vec<_> = sections.iter().map(|(known, _)| known.as_str()).collect();
        return Err(format!(
            "nothing is known of version {version}; this is {THIS}, which knows {}",
            known.join(", ")
        ));
    };
    // Newest first: what a version changed lies between it and the one before.
    let passed = &sections[there.min(here)..there.max(here)];
    let changes = passed
        .iter()
        .flat_map(|(version, text)| verdicts(text).into_iter().map(move |it| format!("{version}: {it}")));
    Ok(Verdicts { version: version.to_owned(), changes: changes.collect() })
}

/// The versions of the changelog, newest first, with their text.
fn sections(changelog: &str) -> Vec<(String, String)> {
    let sections = changelog.split("\n## [").skip(1);
    let named = sections.filter_map(|section| section.split_once(']'));
    let named = named.map(|(name, text)| {
        let name = if name == "Unreleased" { THIS } else { name };
        (name.to_owned(), text.to_owned())
    });
    let mut all: Vec<(String, String)> = vec![];
    for (name, text) in named {
        match all.last_mut() {
            // Unreleased changes are those of this version where it has a section already.
            Some((last, known)) if *last == name => known.push_str(&text),
            _ => all.push((name, text)),
        }
    }
    all
}

/// The items of a section "Verdicts" that are about a cluster: what stands before the command line's.
fn verdicts(text: &str) -> Vec<String> {
    let section = text.split("\n### ").find_map(|part| part.strip_prefix("Verdicts\n"));
    let of_cluster = section.unwrap_or_default().split("In the command line:").next().unwrap_or_default();
    of_cluster.lines().filter_map(|line| line.strip_prefix("- ")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{THIS, between, of};

    fn changelog() -> String {
        format!(
            "# Changelog\n\n## [Unreleased]\n\n### Verdicts\n\n- allowedRepos: a\n\nIn the command line:\n\n- b\n\n### Fixed\n\n- c\n\n\
             ## [{THIS}] - 2026-11-01\n\n### Added\n\n- d\n\n## [0.0.9] - 2026-10-01\n\n### Verdicts\n\n- requiredProbes: e\n\n\
             ## [0.0.8] - 2026-09-01\n\n### Verdicts\n\n- f\n"
        )
    }

    #[test]
    fn what_lies_between_two_versions_is_what_the_newer_ones_changed() {
        let changes = |version: &str| of(&changelog(), version).unwrap().changes;
        assert_eq!(changes(THIS), Vec::<String>::new());
        assert_eq!(changes("0.0.9"), [format!("{THIS}: allowedRepos: a")]);
        assert_eq!(
            changes("0.0.8"),
            [format!("{THIS}: allowedRepos: a"), "0.0.9: requiredProbes: e".to_owned()]
        );
    }

    #[test]
    fn a_version_that_is_not_known_is_refused_with_those_that_are() {
        let error = of(&changelog(), "9.9.9").unwrap_err();
        assert_eq!(
            error,
            format!("nothing is known of version 9.9.9; this is {THIS}, which knows {THIS}, 0.0.9, 0.0.8")
        );
        assert!(between(THIS).is_ok(), "the changelog has this version");
        assert!(between(&format!("v{THIS}")).is_ok());
    }
}
