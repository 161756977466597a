//! `gatewright docs`: the documentation of this version, without a network.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use gatewright_typed::nearest;

use crate::check::report::pages as rules;

/// Each page of the folder docs, by its topic, in the order of topics.
const PAGES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// What the help says at length.
pub const LONG_ABOUT: &str = "\
Prints a page of the documentation of this version, in Markdown, or lists the pages.

A topic is the name of a page, such as refused or rules/security-policy; or a rule, such as allowPrivileged: a field of \
a policy, or a control of the Pod Security Standards, as messages name it.";

const EXAMPLES: &str = "\
Examples:
  gatewright docs
  gatewright docs refused
  gatewright docs allowPrivileged
  gatewright docs check | less

Exit codes: 0 the page is printed, 2 there is none.";

/// Which page.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The page, or the rule; without one all pages are listed
    topic: Option<String>,
}

/// Prints a page, or the list of pages.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let text = match args.topic.as_deref() {
        None => list(),
        Some(topic) => match page(topic) {
            Some(page) => page,
            None => bail!("{}", unknown(topic)),
        },
    };
    write!(std::io::stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}

/// The topics with the titles of their pages.
fn list() -> String {
    let width = PAGES.iter().map(|(topic, _)| topic.len()).max().unwrap_or_default();
    let line = |(topic, page): &(&str, &str)| {
        let title = page.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default();
        format!("{topic:width$}   {title}\n")
    };
    PAGES.iter().map(line).collect::<Vec<_>>().concat()
}

/// The text of a page, or what the pages say of a rule.
fn page(topic: &str) -> Option<String> {
    let name = topic.strip_suffix(".md").unwrap_or(topic);
    let found = PAGES.iter().find(|(of, _)| *of == name);
    found.map(|(_, page)| without_comments(page)).or_else(|| rules::of_a_rule(topic))
}

fn unknown(topic: &str) -> String {
    let known = PAGES.iter().map(|(topic, _)| *topic).chain(rules::rules());
    let meant =
        nearest(topic, known).map_or_else(|| ";".to_owned(), |meant| format!("; did you mean {meant}?"));
    format!("there is no page and no rule {topic:?}{meant} `gatewright docs` lists the pages")
}

/// Comments say how tests run a page.
fn without_comments(page: &str) -> String {
    let lines = page.lines().filter(|line| !line.trim_start().starts_with("<!-- "));
    lines.map(|line| line.to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn files(folder: &str) -> BTreeSet<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(folder);
        let names =
            std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let pages = names.filter_map(|name| Some(name.strip_suffix(".md")?.to_owned()));
        pages.map(|name| format!("{folder}{name}")).collect()
    }

    #[test]
    fn every_page_of_the_folder_is_there_with_a_title() {
        let expected: BTreeSet<_> = files("").into_iter().chain(files("rules/")).collect();
        let topics: BTreeSet<_> = PAGES.iter().map(|(topic, _)| (*topic).to_owned()).collect();
        let titled = |(_, page): &&(&str, &str)| page.lines().any(|line| line.starts_with("# "));
        assert_eq!((topics, PAGES.iter().filter(titled).count()), (expected, PAGES.len()));
    }

    #[test]
    fn a_topic_is_a_page_or_a_rule() {
        assert!(page("check").unwrap().starts_with("# Judging manifests without a cluster\n"));
        assert_eq!(page("check.md"), page("check"));
        assert!(page("rules/README").unwrap().starts_with("# The rules\n"));
        assert!(page("allowPrivileged").unwrap().contains("\n### allowPrivileged\n"));
        assert!(page("runAsNonRoot").unwrap().contains("\n### Control runAsNonRoot\n"));
        assert_eq!(page("nothing"), None);
        let all: String = PAGES.iter().filter_map(|(topic, _)| page(topic)).collect();
        let comment = all.lines().find(|line| line.trim_start().starts_with("<!--"));
        assert_eq!(comment, None, "a comment is printed");
    }

    #[test]
    fn an_unknown_topic_names_what_is_probably_meant() {
        for (topic, expected) in [
            (
                "refusd",
                "there is no page and no rule \"refusd\"; did you mean refused? `gatewright docs` lists the pages",
            ),
            ("allowPriviledged", "\"allowPriviledged\"; did you mean allowPrivileged?"),
        ] {
            assert!(unknown(topic).contains(expected), "{}", unknown(topic));
        }
    }
}
