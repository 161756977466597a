//! `gatewright docs`: the documentation of this version, without a network.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use gatewright_typed::nearest;

use crate::check::report::pages as rules;

/// Each page of the folder docs, the changelog and the shapes of workloads, by its topic, in the order of topics.
const PAGES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Pages by other names: those that messages, policies and people use.
const ALSO: &[(&str, &str)] = &[
    ("verifyImageSignatures", "image-signatures"),
    ("verify-image-signatures", "image-signatures"),
    ("d8verifyimagesignatures", "image-signatures"),
    ("rules", "rules/README"),
    ("SecurityPolicy", "rules/security-policy"),
    ("OperationPolicy", "rules/operation-policy"),
    ("baseline", "standards"),
    ("restricted", "standards"),
];

/// Pages whose tables have a row for each field of policies, or key of the settings.
const OF_FIELDS: [&str; 2] = ["policies", "settings"];

/// How many rules a topic may begin.
const MOST_RULES: usize = 8;

/// What the help says at length.
pub const LONG_ABOUT: &str = "\
Prints a page of the documentation of this version, in Markdown, or lists the pages.

A topic is the name of a page, such as refused or security-policy; a rule, such as allowPrivileged: a field of a policy, \
or a control of the Pod Security Standards, as messages name it; the beginning of a few rules, such as capabilities; or a \
setting, such as podTemplates.";

const EXAMPLES: &str = "\
Examples:
  gatewright docs
  gatewright docs refused
  gatewright docs allowPrivileged
  gatewright docs podTemplates
  gatewright docs check | less

Exit codes: 0 the page is printed, 2 there is none.";

/// Which page.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The page, the rule or the setting; without one all pages are listed
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

/// The topics with the titles of their pages, by who reads them, as the index of the documentation has them.
fn list() -> String {
    let width = PAGES.iter().map(|(topic, _)| topic.len()).max().unwrap_or_default();
    let line = |topic: &&str| format!("  {topic:width$}   {}\n", title(text(topic).unwrap_or_default()));
    let group = |(heading, topics): (&str, Vec<&str>)| {
        format!("{heading}\n{}", topics.iter().map(line).collect::<Vec<_>>().concat())
    };
    groups().into_iter().map(group).collect::<Vec<_>>().join("\n")
}

/// Each topic once, below the first heading of the index that links to it; what none links to at the end.
fn groups() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut left: Vec<&str> = PAGES.iter().map(|(topic, _)| *topic).collect();
    let mut groups = vec![];
    for section in text("README").unwrap_or_default().split("\n## ").skip(1) {
        let mut topics = vec![];
        for link in section.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let linked = left.iter().position(|topic| leads_to(link, topic));
            topics.extend(linked.map(|at| left.remove(at)));
        }
        groups.push((section.lines().next().unwrap_or_default(), topics));
    }
    groups.push(("More", left));
    groups.retain(|(_, topics)| !topics.is_empty());
    groups
}

/// Whether a link of the index leads to the page of a topic.
fn leads_to(link: &str, topic: &str) -> bool {
    let path = link.trim_start_matches("../").trim_end_matches(".md");
    path == topic
        || path.strip_prefix("examples/").and_then(|path| path.strip_suffix("/README")) == Some(topic)
}

fn text(topic: &str) -> Option<&'static str> {
    PAGES.iter().find(|(of, _)| *of == topic).map(|(_, page)| *page)
}

fn title(page: &str) -> &str {
    page.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default()
}

/// The text of a page; or what the pages say of a rule, of a field or setting, or of the few rules that begin so.
fn page(topic: &str) -> Option<String> {
    named(topic)
        .map(without_comments)
        .or_else(|| rules::of_a_rule(topic))
        .or_else(|| fields(topic))
        .or_else(|| rules_that_begin(topic))
}

/// A page by its topic, by one of its other names, or by the last part of its path.
fn named(topic: &str) -> Option<&'static str> {
    let name = topic.strip_prefix("docs/").unwrap_or(topic);
    let name = name.strip_suffix(".md").unwrap_or(name);
    let name = ALSO.iter().find(|(also, _)| *also == name).map_or(name, |(_, page)| page);
    let last = |of: &str| of.rsplit('/').next() == Some(name);
    text(name).or_else(|| PAGES.iter().find(|(of, _)| last(of)).map(|(_, page)| *page))
}

/// The rows of tables about a field of policies, or a key of the settings; also of all keys below one.
fn fields(topic: &str) -> Option<String> {
    let below = format!("{topic}.");
    let last = format!(".{topic}");
    let is_it = |row: &&str| {
        key(row).is_some_and(|key| key == topic || key.starts_with(&below) || key.ends_with(&last))
    };
    let mut parts = vec![];
    for name in OF_FIELDS {
        let page = text(name).unwrap_or_default();
        for table in page.split("\n\n").filter(|part| part.starts_with("| ")) {
            let rows: Vec<_> = table.lines().skip(2).filter(is_it).collect();
            let head: Vec<_> = table.lines().take(2).collect();
            if !rows.is_empty() {
                let (head, rows) = (head.join("\n"), rows.join("\n"));
                parts.push(format!(
                    "# {}\n\n{head}\n{rows}\n\n`gatewright docs {name}` has the page.\n",
                    title(page)
                ));
            }
        }
    }
    (!parts.is_empty()).then(|| parts.join("\n"))
}

/// What the first cell of a row names.
fn key(row: &str) -> Option<&str> {
    row.split('|').nth(1)?.trim().strip_prefix('`')?.strip_suffix('`')
}

/// What the pages say of each rule that begins so, if these are few.
fn rules_that_begin(topic: &str) -> Option<String> {
    let names: Vec<_> = rules::rules().filter(|rule| rule.starts_with(topic)).collect();
    let few = (1..=MOST_RULES).contains(&names.len());
    few.then(|| names.into_iter().filter_map(rules::of_a_rule).collect::<Vec<_>>().join("\n"))
}

fn unknown(topic: &str) -> String {
    let part = topic.to_lowercase();
    let known = || PAGES.iter().chain(ALSO).map(|(topic, _)| *topic).chain(rules::rules()).chain(keys());
    let similar =
        nearest(topic, known()).or_else(|| known().find(|name| name.to_lowercase().contains(&part)));
    let meant = similar.map_or_else(|| ";".to_owned(), |meant| format!("; did you mean {meant}?"));
    format!("there is no page, no rule and no setting {topic:?}{meant} `gatewright docs` lists the pages")
}

/// All fields and keys that have a row.
fn keys() -> impl Iterator<Item = &'static str> {
    let pages = OF_FIELDS.into_iter().filter_map(text);
    pages.flat_map(str::lines).filter(|line| line.starts_with("| ")).filter_map(key)
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
        let others = ["CHANGELOG", "real-shapes"].map(str::to_owned);
        let expected: BTreeSet<_> = files("").into_iter().chain(files("rules/")).chain(others).collect();
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
        assert!(page("CHANGELOG").unwrap().starts_with("# Changelog\n"));
        assert_eq!(page("nothing"), None);
        assert_eq!(page(""), None);
        let all: String = PAGES.iter().filter_map(|(topic, _)| page(topic)).collect();
        let comment = all.lines().find(|line| line.trim_start().starts_with("<!--"));
        assert_eq!(comment, None, "a comment is printed");
    }

    #[test]
    fn a_topic_is_also_what_people_call_it() {
        for (topic, same) in [
            ("verifyImageSignatures", "image-signatures"),
            ("verify-image-signatures", "image-signatures"),
            ("security-policy", "rules/security-policy"),
            ("rules", "rules/README"),
            ("baseline", "standards"),
            ("docs/check.md", "check"),
        ] {
            assert_eq!(page(topic), page(same), "{topic}");
        }
        for (topic, texts) in [
            (
                "capabilities",
                &["### Control capabilities_baseline\n", "### Control capabilities_restricted\n"][..],
            ),
            (
                "podTemplates",
                &["# Settings\n\n| key |", "\n| `podTemplates` | `Lenient` |", "`gatewright docs settings`"],
            ),
            ("helpUrl", &["\n| `spec.helpUrl` |", "\n| `podSecurityStandards.helpUrl` |"]),
            ("execGuard", &["\n| `execGuard.mode` |", "\n| `execGuard.unknownPods` |"]),
        ] {
            let text = page(topic).unwrap_or_default();
            assert!(texts.iter().all(|part| text.contains(part)), "{topic}: {text}");
        }
        assert_eq!(page("allow"), None, "too many rules begin so");
    }

    /// A page of the index that is called otherwise would be at the end.
    #[test]
    fn each_page_is_listed_once_by_who_reads_it() {
        let groups = groups();
        let mut listed: Vec<_> = groups.iter().flat_map(|(_, topics)| topics.clone()).collect();
        listed.sort_unstable();
        assert_eq!(listed, PAGES.iter().map(|(topic, _)| *topic).collect::<Vec<_>>());
        let at = |topic: &str| groups.iter().find(|(_, topics)| topics.contains(&topic)).unwrap().0;
        for (topic, heading) in [
            ("install", "I administer the cluster"),
            ("refused", "My Deployment was refused"),
            ("ci", "I own the pipeline"),
            ("real-shapes", "I audit the cluster"),
            ("CHANGELOG", "I want to change gatewright"),
            ("rules/security-policy", "More"),
        ] {
            assert_eq!(at(topic), heading, "{topic}");
        }
        let list = list();
        assert!(list.starts_with("I administer the cluster\n  install "), "{list}");
    }

    #[test]
    fn an_unknown_topic_names_what_is_probably_meant() {
        for (topic, expected) in [
            (
                "refusd",
                "there is no page, no rule and no setting \"refusd\"; did you mean refused? `gatewright docs` lists the pages",
            ),
            ("allowPriviledged", "\"allowPriviledged\"; did you mean allowPrivileged?"),
            ("podTemplate", "\"podTemplate\"; did you mean podTemplates?"),
            ("NonRoot", "\"NonRoot\"; did you mean runAsNonRoot?"),
            ("zzz", "\"zzz\"; `gatewright docs` lists the pages"),
        ] {
            assert!(unknown(topic).contains(expected), "{}", unknown(topic));
        }
    }
}
