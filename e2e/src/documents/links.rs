//! Links between pages.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// The links of a page to files, without those into the web, as written.
#[must_use]
pub fn links(markdown: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in prose(markdown) {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        found.extend(targets.filter(|link| !link.contains("://")).map(str::to_owned));
    }
    found
}

/// What a link leads to: the file, below the repository, and the anchor in it; none if it leads out of the repository.
#[must_use]
pub fn target(page: &Path, link: &str) -> Option<(PathBuf, Option<String>)> {
    let (file, anchor) =
        link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor.to_owned())));
    if file.is_empty() {
        return Some((page.to_owned(), anchor));
    }
    let mut path = page.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(file).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => path.pop().then_some(())?,
            _ => {}
        }
    }
    Some((path, anchor))
}

/// The anchors of a page's headings, as GitHub makes them.
#[must_use]
pub fn anchors(markdown: &str) -> BTreeSet<String> {
    let titles = prose(markdown).filter(|line| line.starts_with('#'));
    titles.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

fn anchor(title: &str) -> String {
    // Of a link in a heading the text counts.
    let title: String = title.split("](").next().unwrap_or_default().replace('[', "");
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The lines that stand in no block.
fn prose(markdown: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    markdown.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_blocks() {
        let page = "[a](b.md#c) and [d](https://e)\n```\n[f](g.md)\n```\n[h](#i)\n";
        assert_eq!(links(page), ["b.md#c", "#i"].map(str::to_owned).into());
    }

    #[test]
    fn a_link_is_read_from_its_page() {
        let page = Path::new("docs/a.md");
        for (link, expected) in [
            ("b.md#c", Some(("docs/b.md", Some("c")))),
            ("../README.md", Some(("README.md", None))),
            ("#here", Some(("docs/a.md", Some("here")))),
            ("../../x", None),
        ] {
            let expected = expected.map(|(path, anchor)| (PathBuf::from(path), anchor.map(str::to_owned)));
            assert_eq!(target(page, link), expected, "{link}");
        }
    }

    #[test]
    fn anchors_are_those_of_github() {
        let page = "# A `b`: c's\n```\n# no\n```\n## [Kind](x.md)\n### What waits for Pods\n";
        assert_eq!(anchors(page), ["a-b-cs", "kind", "what-waits-for-pods"].map(str::to_owned).into());
    }
}
